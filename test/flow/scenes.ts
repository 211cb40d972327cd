/** A hand-built capture, and what its flows are: conn_state and history of each. */
export interface Scene {
  packets: string[];
  flows: (readonly [state: string, history: string])[];
}

/** SYN, SYN+ACK, ACK: both sequence numbers are at 101 and 901 behind it. */
const OPEN = ['c S seq=100', 's SA seq=900 ack=101', 'c A seq=101 ack=901'];
const CLOSE = ['c FA seq=101 ack=901', 's FA seq=901 ack=102', 'c A seq=102 ack=902'];

function times(count: number, packet: string): string[] {
  return new Array<string>(count).fill(packet);
}

/** One capture a conn_state of Zeek (base/protocols/conn/main.zeek), named after it; `Q…` are of datagrams. */
const STATES: Record<string, Scene> = {
  S0: { packets: ['c S seq=100', 'c S seq=100 wait=1000000'], flows: [['S0', 'S']] },
  S1: { packets: OPEN, flows: [['S1', 'ShA']] },
  SF: {
    packets: [
      ...OPEN,
      'c PA seq=101 ack=901 pay=10',
      's PA seq=901 ack=111 pay=20',
      'c FA seq=111 ack=921',
      's FA seq=921 ack=112',
      'c A seq=112 ack=922',
    ],
    flows: [['SF', 'ShADdFf']],
  },
  REJ: { packets: ['c S seq=100', 's RA seq=0 ack=101'], flows: [['REJ', 'Sr']] },
  S2: { packets: [...OPEN, 'c FA seq=101 ack=901', 's A seq=901 ack=102'], flows: [['S2', 'ShAFa']] },
  S3: { packets: [...OPEN, 's FA seq=901 ack=101', 'c A seq=101 ack=902'], flows: [['S3', 'ShAf']] },
  RSTO: { packets: [...OPEN, 'c R seq=101'], flows: [['RSTO', 'ShAR']] },
  RSTR: { packets: [...OPEN, 's R seq=901'], flows: [['RSTR', 'ShAr']] },
  RSTOS0: { packets: ['c S seq=100', 'c R seq=101'], flows: [['RSTOS0', 'SR']] },
  RSTRH: { packets: ['s SA seq=900 ack=101', 's R seq=901'], flows: [['RSTRH', '^hr']] },
  SH: { packets: ['c S seq=100', 'c F seq=101'], flows: [['SH', 'SF']] },
  SHR: { packets: ['s SA seq=900 ack=101', 's FA seq=901 ack=101'], flows: [['SHR', '^hf']] },
  OTH: {
    packets: ['c A seq=50 ack=70 pay=5 sport=5000', 's A seq=70 ack=55 pay=5'],
    flows: [['OTH', 'Dd']],
  },
  'udp-S0': { packets: ['c udp pay=10', 'c udp pay=10'], flows: [['S0', 'D']] },
  'udp-SF': { packets: ['c udp pay=10', 's udp pay=20'], flows: [['SF', 'Dd']] },
  'udp-SHR': { packets: ['s udp pay=20 sport=53'], flows: [['SHR', '^d']] },
};

/** How often a letter stands. Zeek: update_history, ScaledHistoryEntry. */
const LETTERS: Record<string, Scene> = {
  'a-d-once': {
    packets: [
      ...OPEN,
      'c A seq=101 ack=901 pay=5',
      's A seq=901 ack=106',
      'c A seq=106 ack=901 pay=5',
      's A seq=901 ack=111 pay=5',
      's A seq=906 ack=111',
    ],
    flows: [['S1', 'ShADad']],
  },
  'i-q-once': {
    packets: ['c SR seq=100', 'c SR seq=200', 'c FR seq=300', 'c FR seq=400'],
    flows: [['OTH', 'QI']],
  },
  's-again': {
    packets: ['c S seq=100', 'c S seq=100', 'c S seq=5000'],
    flows: [
      ['S0', 'S'],
      ['S0', 'S'],
    ],
  },
  'h-again': {
    packets: ['c S seq=100', 's SA seq=900 ack=101', 's SA seq=900 ack=101', 's SA seq=7000 ack=101'],
    flows: [['S1', 'Shh']],
  },
  'f-again': {
    packets: [...OPEN, 'c FA seq=101 ack=901', 'c FA seq=101 ack=901', 'c FA seq=150 ack=901'],
    flows: [['S2', 'ShAFF']],
  },
  'r-again': {
    packets: [...OPEN, 's R seq=901', 's R seq=901', 's R seq=950'],
    flows: [['RSTR', 'ShArr']],
  },
  't-scaled': {
    packets: [...OPEN, ...times(101, 'c A seq=101 ack=901 pay=9 wait=1000000')],
    flows: [['S1', 'ShADTTT']],
  },
  'w-scaled': {
    packets: [...OPEN, ...times(100, 's A seq=901 ack=101 win=0')],
    flows: [['S1', 'ShAawww']],
  },
  'g-scaled': {
    packets: [...OPEN, ...Array.from({ length: 100 }, (_, i) => `c A seq=101 ack=${902 + i}`)],
    flows: [['S1', 'ShAggg']],
  },
};

/** What the TCP analysis counts, and who is who. */
const ANALYSIS: Record<string, Scene> = {
  'fast-retransmission': {
    packets: [
      ...OPEN,
      'c A seq=101 ack=901 pay=100',
      'c A seq=301 ack=901 pay=100',
      's A seq=901 ack=201',
      's A seq=901 ack=201',
      's A seq=901 ack=201',
      'c A seq=201 ack=901 pay=100',
      's A seq=901 ack=401',
    ],
    flows: [['S1', 'ShADaT']],
  },
  'out-of-order': {
    packets: [
      ...OPEN,
      'c A seq=101 ack=901 pay=100',
      'c A seq=301 ack=901 pay=100',
      'c A seq=201 ack=901 pay=100',
      's A seq=901 ack=401',
    ],
    flows: [['S1', 'ShADTa']],
  },
  'spurious-retransmission': {
    packets: [
      ...OPEN,
      'c A seq=101 ack=901 pay=100',
      's A seq=901 ack=201',
      'c A seq=101 ack=901 pay=100 wait=300000',
    ],
    flows: [['S1', 'ShADaT']],
  },
  'zero-window-probe': {
    packets: [
      ...OPEN,
      'c A seq=101 ack=901 pay=100',
      's A seq=901 ack=201 win=0',
      'c A seq=201 ack=901 pay=1 wait=500000',
      's A seq=901 ack=201 win=0',
      'c A seq=201 ack=901 pay=1 wait=900000',
      's A seq=901 ack=201 win=0',
      's A seq=901 ack=201 win=500 wait=400000',
      'c A seq=201 ack=901 pay=100',
    ],
    flows: [['S1', 'ShADawT']],
  },
  'keep-alive': {
    packets: [
      ...OPEN,
      'c A seq=101 ack=901 pay=10',
      's A seq=901 ack=111',
      'c A seq=110 ack=901 wait=45000000',
      's A seq=901 ack=111',
      'c A seq=110 ack=901 pay=1 wait=45000000',
      's A seq=901 ack=111',
    ],
    flows: [['S1', 'ShADaT']],
  },
  gap: {
    packets: [
      ...OPEN,
      's A seq=901 ack=101 pay=100',
      's A seq=1201 ack=101 pay=100',
      'c A seq=101 ack=1301',
      ...CLOSE.map((p) => p.replace('901', '1301').replace('902', '1302')),
    ],
    flows: [['SF', 'ShAdgFf']],
  },
  'scaled-windows': {
    packets: [
      'c S seq=100 mss=1460 scale=7 win=64000',
      's SA seq=900 ack=101 mss=1400 scale=2 win=60000',
      'c A seq=101 ack=901 win=501',
      's A seq=901 ack=101 win=40000',
    ],
    flows: [['S1', 'ShAa']],
  },
  'half-scaled-windows': {
    packets: [
      'c S seq=100 mss=1460 scale=7 win=64000',
      's SA seq=900 ack=101 mss=536 win=60000',
      'c A seq=101 ack=901 win=501',
    ],
    flows: [['S1', 'ShA']],
  },
  'simultaneous-open': {
    packets: [
      'c S seq=100',
      's S seq=900',
      'c SA seq=100 ack=901',
      's SA seq=900 ack=101',
      'c A seq=101 ack=901 pay=5',
    ],
    flows: [['S1', 'SsD']],
  },
  'syn-behind-syn-ack': {
    packets: ['s SA seq=900 ack=101', 'c S seq=100', 'c A seq=101 ack=901'],
    flows: [['S1', '^hSA']],
  },
  'reuse-after-close': {
    packets: [...OPEN, ...CLOSE, 'c S seq=70000 wait=1000000', 's SA seq=80000 ack=70001'],
    flows: [
      ['SF', 'ShAFf'],
      ['S1', 'Sh'],
    ],
  },
  midstream: {
    packets: [
      's A seq=500 ack=300 pay=50',
      'c A seq=300 ack=550',
      's FA seq=550 ack=300',
      'c FA seq=300 ack=551',
    ],
    flows: [['SF', '^dAfF']],
  },
};

/** Every scene by the name of its capture in fixtures/pcap/scenes. */
export const SCENES: Readonly<Record<string, Scene>> = { ...STATES, ...LETTERS, ...ANALYSIS };

/** The conn_states that have a capture of that name. */
export const SCENE_STATES = Object.keys(STATES);

import { describe, expect, test } from 'vitest';
import { TestMeter } from '../support/meter.ts';
import { frame, withChecksum } from '../support/frames.ts';
import { segment } from '../support/segments.ts';

/** The expectations are what Zeek's TCPSessionAdapter makes of the same packets. */
function flows(...packets: string[]) {
  const m = new TestMeter();
  for (const [i, text] of packets.entries()) m.feed(segment(text).spec, 1, i);
  return m.finish();
}

const HANDSHAKE = ['c S seq=100', 's SA seq=900', 'c A seq=101'];

describe('TCP states and history as Zeek has them', () => {
  test.each<[string, string, string, string[]]>([
    ['SYN and SYN+ACK are enough to be established', 'S1', 'Sh', ['c S', 's SA']],
    ['SYN+ACK first, then the ACK', 'S1', '^hA', ['s SA seq=900', 'c A seq=101']],
    ['SYN+ACK alone', 'OTH', '^h', ['s SA']],
    ['SYN behind its SYN+ACK', 'S1', '^hSA', ['s SA seq=900 ack=101', 'c S seq=100', 'c A seq=101']],
    ['SYN+ACK and RST of the responder, no SYN', 'RSTRH', '^hr', ['s SA', 's R seq=2']],
    ['SYN+ACK and FIN of the responder, no SYN', 'SHR', '^hf', ['s SA', 's F seq=2']],
    ['both sides open', 'S1', 'Ss', ['c S', 's S']],
    ['data of the responder without its SYN+ACK', 'OTH', 'Sd', ['c S', 's A pay=5']],
    ['a bare ACK before the SYN+ACK', 'S1', 'Sah', ['c S', 's A', 's SA']],
    ['SYN+FIN in one', 'SH', 'Q', ['c SF']],
    ['SYN+RST in one', 'OTH', 'Q', ['c SR']],
    ['FIN+RST in one', 'OTH', 'I', ['c FR']],
    ['RST of the originator, no SYN', 'OTH', 'R', ['c R']],
    ['FIN and RST of the originator, no SYN', 'OTH', 'FR', ['c F seq=100', 'c R seq=101']],
    ['SYN, ACK and RST of the originator only', 'OTH', 'SAR', ['c S', 'c A seq=2', 'c R seq=2']],
    ['SYN, data and RST of the originator only', 'RSTOS0', 'SDR', ['c S', 'c A seq=2 pay=5', 'c R seq=7']],
    [
      'SYN and RST of the originator, data of the responder',
      'RSTOS0',
      'SdR',
      ['c S', 's A pay=5', 'c R seq=2'],
    ],
    [
      'RST after both FINs is still a normal end',
      'SF',
      'ShAFfR',
      [...HANDSHAKE, 'c FA seq=101', 's FA seq=901', 'c R seq=102'],
    ],
    [
      'FIN, RST, then the FIN of the other side is a normal end',
      'SF',
      'ShAFRf',
      [...HANDSHAKE, 'c FA seq=101', 'c R seq=102', 's FA seq=901'],
    ],
    ['RST after the own FIN, peer open', 'RSTO', 'ShAFR', [...HANDSHAKE, 'c FA seq=101', 'c R seq=102']],
    ['a FIN with data notes only the FIN', 'S2', 'ShAF', [...HANDSHAKE, 'c FA seq=101 pay=5']],
    ['a SYN sent again is noted once', 'S0', 'S', ['c S seq=9', 'c S seq=9']],
    ['a FIN sent again is noted once', 'S2', 'ShAF', [...HANDSHAKE, 'c FA seq=101', 'c FA seq=101']],
    ['another FIN is noted again', 'S2', 'ShAFF', [...HANDSHAKE, 'c FA seq=101', 'c FA seq=150']],
    ['the same RST is noted once', 'RSTO', 'ShAR', [...HANDSHAKE, 'c R seq=101', 'c R seq=101']],
    [
      'the same RST is noted once, also behind data that comes late',
      'RSTR',
      'ShArd',
      [...HANDSHAKE, 's R seq=903', 's A seq=901 pay=2', 's R seq=903'],
    ],
    ['another RST is noted again', 'RSTO', 'ShARR', [...HANDSHAKE, 'c R seq=101', 'c R seq=200']],
    ['zero windows', 'S1', 'ShAdw', [...HANDSHAKE, 's A seq=901 win=0 pay=1']],
    ['a retransmission', 'S1', 'ShADT', [...HANDSHAKE, 'c A seq=101 pay=9', 'c A seq=101 pay=9']],
  ])('%s: %s %s', (_, state, history, packets) => {
    expect(flows(...packets).map((r) => [r.state, r.history])).toEqual([[state, history]]);
  });

  test('retransmissions are noted at the 1st, 10th and 100th', () => {
    const again = new Array<string>(101).fill('c A seq=101 pay=9');
    const [flow] = flows(...HANDSHAKE, ...again);
    expect(flow).toMatchObject({ history: 'ShADTTT', retransmits: [100, 0] });
  });

  test('a flip keeps what each side had noted: data of both is in the history', () => {
    const m = new TestMeter();
    const client = { src: '10.0.0.9', sport: 5000, dst: '10.0.0.1', dport: 7777 };
    m.feed({ src: '10.0.0.1', sport: 7777, dst: '10.0.0.9', dport: 5000, flags: 'A', payload: 3 }, 1);
    m.feed({ ...client, flags: 'S', seq: 0 }, 1);
    m.feed({ ...client, flags: 'A', seq: 1, payload: 4 }, 1);
    expect(m.finish()[0]!.history).toBe('D^SD');
  });

  test('the history stops at its bound', () => {
    const resets = Array.from({ length: 40 }, (_, i) => `c R seq=${i * 10}`);
    expect(flows('c S', ...resets)[0]!.history).toBe(`S${'R'.repeat(23)}`);
  });
});

describe('a gap', () => {
  test.each<[string, string, string[]]>([
    ['is noted of an established connection', 'ShADg', [...HANDSHAKE, 'c A seq=101 ack=950 pay=5']],
    [
      'is noted when an established one was closed',
      'ShAFfg',
      [...HANDSHAKE, 'c FA seq=101 ack=901', 's FA seq=951 ack=102', 'c A seq=102 ack=952'],
    ],
    [
      'is not noted when one under way was closed',
      'DdFfA',
      [
        'c A seq=1 pay=1',
        's A seq=1 ack=2 pay=1',
        'c FA seq=2 ack=2',
        's FA seq=51 ack=3',
        'c A seq=3 ack=52',
      ],
    ],
  ])('%s: %s', (_, history, packets) => {
    expect(flows(...packets).map((r) => r.history)).toEqual([history]);
  });
});

describe('a hole', () => {
  test('is not filled by what lies behind it and comes again', () => {
    const m = new TestMeter();
    const packets = [
      'c S seq=100',
      's SA seq=900 ack=101',
      'c A seq=107 pay=6',
      'c A seq=107 pay=6',
      's A seq=901 ack=113',
    ];
    for (const [i, text] of packets.entries()) m.feed(segment(text).spec, 1, i);
    const [flow] = m.finishWhole();
    expect(flow!.history).toBe('ShDTaG');
    expect(flow!.tcp).toMatchObject({ missed: [6, 0], repeated: [6, 0], seqBytes: [12, 0] });
  });

  test('that was acknowledged before it was seen to be one is one gap', () => {
    const lost = Array.from({ length: 10 }, (_, i) => [
      `s A seq=901 ack=${111 + 20 * i}`,
      `c A seq=${111 + 20 * i} ack=901 pay=10`,
      `s A seq=901 ack=${121 + 20 * i}`,
    ]).flat();
    const m = new TestMeter();
    const packets = ['c S seq=100', 's SA seq=900 ack=101', ...lost];
    for (const [i, text] of packets.entries()) m.feed(segment(text).spec, 1, i);
    const [flow] = m.finishWhole();
    expect(flow!.history).toBe('ShaGDG');
    expect(flow!.tcp).toMatchObject({ missed: [100, 0], seqBytes: [200, 0] });
  });

  test.each<[string, string, string[]]>([
    [
      'before the first ACK of a connection whose SYN was not seen',
      '^hAg',
      ['s SA seq=900', 'c A seq=101 ack=920'],
    ],
    [
      'but not of what lies behind a FIN',
      'ShFfa',
      ['c S seq=100', 's SA seq=900 ack=101', 'c F seq=101', 's FA seq=901 ack=102', 's A seq=902 ack=120'],
    ],
    [
      'and data behind the own RST is not sent again',
      'SRD',
      ['c S seq=100', 'c R seq=109', 'c A seq=100 pay=1'],
    ],
  ])('%s: %s', (_, history, packets) => {
    expect(flows(...packets).map((r) => r.history)).toEqual([history]);
  });
});

describe('one connection or two', () => {
  test('the SYN of a refused connection, again, stays on it', () => {
    expect(
      flows('c S seq=9', 's RA seq=0', 'c S seq=9', 's RA seq=0').map((r) => [r.packets, r.state]),
    ).toEqual([[[2, 2], 'REJ']]);
  });

  test('a SYN with another sequence number after a refusal is another connection', () => {
    expect(
      flows('c S seq=9', 's RA seq=0', 'c S seq=500').map((r) => [r.packets, r.state, r.reason]),
    ).toEqual([
      [[1, 1], 'REJ', 'rst'],
      [[1, 0], 'S0', 'eof'],
    ]);
  });

  test('an old SYN that comes late, after data and a RST, stays on its connection', () => {
    const whole = [...HANDSHAKE, 'c A seq=101 pay=50', 's R seq=901', 'c S seq=100'];
    expect(flows(...whole).map((r) => r.packets)).toEqual([[4, 2]]);
  });

  test('a new SYN on a connection whose end was not seen is another connection', () => {
    expect(
      flows(...HANDSHAKE, 'c A seq=101 pay=50', 'c S seq=7000').map((r) => [r.packets, r.state]),
    ).toEqual([
      [[3, 1], 'S1'],
      [[1, 0], 'S0'],
    ]);
  });

  test.each([
    [
      'of a side that was seen to send what follows it',
      ['s A seq=5 pay=3 ack=101', 'c A seq=101', 'c S seq=100'],
    ],
    ['of a side that sent data and FIN', ['c A seq=101 pay=9', 'c FA seq=110', 'c S seq=100']],
    ['whose octet the peer acknowledged', ['s A seq=5 pay=3 ack=101', 'c S seq=100']],
    ['behind its SYN+ACK', ['s SA seq=5 ack=101', 'c S seq=100']],
    ['of a simultaneous open', ['c S seq=100', 's S seq=900']],
    ['sent again, of a simultaneous open', ['c S seq=100', 's S seq=900', 's S seq=900', 'c S seq=100']],
  ])('a late SYN stays: %s', (_, packets) => {
    expect(flows(...packets)).toHaveLength(1);
  });

  test.each([
    ['an attempt without an answer', ['c S seq=9', 'c S seq=9', 'c S seq=77'], ['S0', 'S0']],
    ['a connection under way', ['s A seq=5 pay=3', 'c A seq=9 ack=8', 'c S seq=100'], ['OTH', 'S0']],
    ['one of which only the peer was seen', ['s A seq=5 pay=3 ack=9', 'c S seq=100'], ['OTH', 'S0']],
    ['one that the peer had begun', [...HANDSHAKE, 's S seq=4000'], ['S1', 'S0']],
    ['one that the originator closed', [...HANDSHAKE, 'c FA seq=101', 'c S seq=4000'], ['S2', 'S0']],
    ['a simultaneous open', ['c S seq=100', 's S seq=900', 's S seq=4000'], ['S1', 'S0']],
  ])('a SYN with another sequence number is another connection: on %s', (_, packets, states) => {
    const all = flows(...packets);
    expect(all.map((r) => r.state)).toEqual(states);
    expect(all[1]!.packets).toEqual([1, 0]);
  });

  test('a SYN+ACK is of another connection when it answers another SYN, and no originator was seen', () => {
    expect(flows('s SA seq=900 ack=101', 's SA seq=900 ack=101', 's SA seq=7000 ack=301')).toMatchObject([
      { history: '^h', packets: [0, 2] },
      { history: '^h', packets: [0, 1] },
    ]);
    expect(flows('s SA seq=900 ack=101', 's SA seq=7000 ack=101')).toMatchObject([{ history: '^hh' }]);
    expect(flows('c S seq=100', 's SA seq=900 ack=101', 's SA seq=7000 ack=101')).toMatchObject([
      { history: 'Shh', packets: [1, 2] },
    ]);
  });
});

describe('how a TCP flow ends', () => {
  test('closed and reset connections end by that, also at the end of the file', () => {
    const close = [...HANDSHAKE, 'c FA seq=101', 's FA seq=901'];
    expect(flows(...close)[0]!.reason).toBe('fin');
    expect(flows(...HANDSHAKE, 's R seq=901')[0]!.reason).toBe('rst');
    expect(flows(...HANDSHAKE)[0]!.reason).toBe('eof');
  });

  test('a connection under way when the capture began has the timeout of an established one', () => {
    const m = new TestMeter();
    m.feed(segment('c A seq=1 pay=1').spec, 100);
    m.feed(segment('s A seq=1 pay=1').spec, 100);
    m.table.tick(250);
    expect(m.records()).toEqual([]);
    m.table.tick(411);
    expect(m.records().map((r) => r.reason)).toEqual(['idle']);
  });

  test('an attempt without an answer ends sooner', () => {
    const m = new TestMeter();
    m.feed(segment('c S').spec, 100);
    m.table.tick(171);
    expect(m.records().map((r) => [r.reason, r.state])).toEqual([['idle', 'S0']]);
  });
});

describe('checksums', () => {
  const bad = (m: TestMeter, text: string, isFinal = true): void => {
    m.meter.fields.isChecksumFinal = isFinal;
    m.feed(frame(segment(text).spec), 1);
  };

  test('a packet with a bad one is counted and noted, and changes nothing else', () => {
    const m = new TestMeter();
    for (const text of HANDSHAKE) bad(m, text, false);
    for (let i = 0; i < 100; i++) bad(m, 's RA seq=901 pay=3');
    expect(m.finish()[0]).toMatchObject({ state: 'S1', history: 'ShAccc', packets: [2, 101] });
  });

  test('nothing is noted when the checksum may not be final, or is right', () => {
    const m = new TestMeter();
    bad(m, 'c A pay=3', false);
    const bytes = withChecksum(frame(segment('c A pay=3').spec));
    m.meter.fields.isChecksumFinal = true;
    m.feed(bytes, 1);
    expect(m.finish()[0]).toMatchObject({ history: 'DT', packets: [2, 0] });
  });

  test('a datagram with a bad one is noted, too', () => {
    const m = new TestMeter();
    const spec = { proto: 'udp' as const, sport: 5000, dport: 53, payload: 4 };
    const bytes = frame(spec);
    bytes[41] = 1;
    m.meter.fields.isChecksumFinal = true;
    m.feed(bytes, 1);
    expect(m.finish()[0]).toMatchObject({ history: 'C', state: 'OTH', packets: [1, 0] });
  });

  test('a datagram with a bad one is no answer', () => {
    const m = new TestMeter();
    m.feed(segment('c udp pay=4').spec, 1);
    const bytes = frame(segment('s udp pay=4').spec);
    bytes[41] = 1;
    m.meter.fields.isChecksumFinal = true;
    m.feed(bytes, 1);
    expect(m.finish()[0]).toMatchObject({ history: 'Dc', state: 'S0', packets: [1, 1] });
  });

  test('nothing is noted of a segment whose header does not fit', () => {
    const m = new TestMeter();
    const bytes = frame(segment('c A pay=3').spec);
    bytes[46] = 0x10; // a data offset of 1
    m.meter.fields.isChecksumFinal = true;
    m.feed(bytes, 1);
    expect(m.finish()[0]).toMatchObject({ history: '', state: 'OTH', packets: [1, 0] });
  });
});

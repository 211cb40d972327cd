import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TestMeter } from '../support/meter.ts';
import { segment } from '../support/segments.ts';
import { DEVIATIONS, type Deviation, zeekFlows } from './zeek-model.ts';
import type { ZeekPacket } from './zeek-packets.ts';
import { Flag } from './zeek-tcp.ts';

const ALL = Object.keys(DEVIATIONS) as Deviation[];
const BITS: Readonly<Record<string, number>> = { F: Flag.FIN, S: Flag.SYN, R: Flag.RST, P: 8, A: Flag.ACK };

function packetOf(text: string, i: number): ZeekPacket {
  const { spec } = segment(text);
  const flags = [...(spec.flags ?? '')].reduce((sum, letter) => sum | BITS[letter]!, 0);
  const payload = spec.payload as number;
  return {
    frame: i,
    sec: 1,
    nsec: i,
    scope: '0:0',
    version: 4,
    src: spec.src!,
    dst: spec.dst!,
    proto: 6,
    wireLen: 0,
    payload,
    udpPayload: payload,
    flags,
    isFragment: false,
    isLater: false,
    id: null,
    ports: [spec.sport!, spec.dport!],
    isWhole: true,
    isChecksumBad: false,
    hasOptions: false,
    tcp: { flags, seq: spec.seq!, ack: spec.ack!, window: spec.window!, len: payload },
  };
}

/** Originator, state, history and packets of each flow, by the model. */
function theirs(packets: readonly string[], deviations: readonly Deviation[] = ALL): string[] {
  return zeekFlows(packets.map(packetOf), deviations, false).map(
    (f) => `${f.src} ${f.state} ${f.history} ${f.packets}`,
  );
}

function ours(packets: readonly string[]): string[] {
  const m = new TestMeter();
  for (const [i, text] of packets.entries()) m.feed(segment(text).spec, 1, i);
  const flows = m.finish().sort((a, b) => a.seq - b.seq);
  return flows.map((f) => `${f.src.replace(':', ' ')} ${f.state} ${f.history} ${f.packets}`);
}

const turn = fc.record({
  who: fc.constantFrom('c', 's'),
  octets: fc.integer({ min: 2, max: 9 }),
  isAcknowledged: fc.boolean(),
  window: fc.constantFrom(1000, 1000, 1000, 0),
});
const fault = fc.record({ at: fc.nat({ max: 40 }), what: fc.constantFrom('drop', 'double', 'swap', 'late') });
/** A connection, and what its capture does to it. */
const capture = fc.record({
  turns: fc.array(turn, { maxLength: 10, size: 'max' }),
  end: fc.constantFrom('', 'cF', 'sF', 'cF sF', 'sF cF', 'cR', 'sR', 'cF sR', 'cF sF cR'),
  faults: fc.array(fault, { maxLength: 3, size: 'max' }),
});

function packetsOf({
  turns,
  end,
  faults,
}: typeof capture extends fc.Arbitrary<infer T> ? T : never): string[] {
  const next: Record<string, number> = { c: 101, s: 901 };
  const peer = (who: string): string => (who === 'c' ? 's' : 'c');
  const packets = ['c S seq=100', 's SA seq=900 ack=101', 'c A seq=101 ack=901'];
  for (const { who, octets, isAcknowledged, window } of turns) {
    packets.push(`${who} A seq=${next[who]} ack=${next[peer(who)]} pay=${octets}`);
    next[who]! += octets;
    if (isAcknowledged) packets.push(`${peer(who)} A seq=${next[peer(who)]} ack=${next[who]} win=${window}`);
  }
  for (const [who, what] of end.split(' ').filter((word) => word !== '') as unknown as [string, string][]) {
    if (what === 'R') packets.push(`${who} R seq=${next[who]}`);
    else {
      packets.push(`${who} FA seq=${next[who]} ack=${next[peer(who)]}`);
      next[who]!++;
      packets.push(`${peer(who)} A seq=${next[peer(who)]} ack=${next[who]}`);
    }
  }
  for (const { at, what } of faults) {
    const i = at % packets.length;
    // The SYN may be missing. A SYN+ACK that is, and a handshake out of order, have their own cases.
    if (i === 1 || (i < 3 && what !== 'drop')) continue;
    const packet = packets[i]!;
    if (what === 'double') packets.splice(i, 0, packet);
    else packets.splice(i, 1);
    if (what === 'swap') packets.splice(i + 1, 0, packet);
    if (what === 'late') packets.splice(i + 3, 0, packet);
  }
  return packets;
}

describe('a model of Zeek', () => {
  test('has the originator, state, history and packets of nstap when a capture lost, doubled or reordered packets', () => {
    const letters = new Set<string>();
    fc.assert(
      fc.property(capture, (drawn) => {
        const packets = packetsOf(drawn);
        const flows = theirs(packets);
        for (const flow of flows) for (const letter of flow.split(' ')[3]!) letters.add(letter);
        expect(ours(packets)).toEqual(flows);
      }),
      { seed: 7, numRuns: 3000 },
    );
    for (const letter of 'SAaDdFfRrTtGgWwh^') expect(letters, letter).toContain(letter);
  });

  test.each<[Deviation, string[], string, string]>([
    [
      'lateSyn',
      ['c A seq=50 ack=70 pay=5', 's S seq=69'],
      '10.0.0.1 80 OTH D^S 1,1',
      '10.0.0.9 5000 OTH Ds 1,1',
    ],
    [
      'lateSynEstablishes',
      ['s SA seq=900 ack=101', 'c S seq=100', 'c A seq=101 ack=901'],
      '10.0.0.9 5000 S1 ^hSA 2,1',
      '10.0.0.9 5000 OTH ^hSA 2,1',
    ],
    [
      'letters',
      ['c S seq=100', ...Array.from({ length: 30 }, (_, i) => `c R seq=${200 + i}`)],
      `10.0.0.9 5000 RSTOS0 S${'R'.repeat(23)} 31,0`,
      `10.0.0.9 5000 RSTOS0 S${'R'.repeat(30)} 31,0`,
    ],
  ])('differs from nstap in %s without that deviation', (name, packets, got, want) => {
    expect(ours(packets)).toEqual([got]);
    expect(theirs(packets)).toEqual([got]);
    expect(
      theirs(
        packets,
        ALL.filter((each) => each !== name),
      ),
    ).toEqual([want]);
  });

  test('differs from nstap in groups without that deviation', () => {
    const m = new TestMeter();
    m.feed({ proto: 'udp', src: '10.0.0.1', sport: 67, dst: '239.1.2.3', dport: 5000 }, 1);
    const datagram: ZeekPacket = {
      ...packetOf('c A', 0),
      proto: 17,
      src: '10.0.0.1',
      dst: '239.1.2.3',
      ports: [67, 5000],
      tcp: null,
    };
    const state = (deviations: readonly Deviation[]): string[] =>
      zeekFlows([datagram], deviations, false).map((f) => `${f.src} ${f.state} ${f.history}`);
    expect(m.finish()[0]).toMatchObject({ src: '10.0.0.1:67', state: 'S0', history: 'D' });
    expect(state(ALL)).toEqual(['10.0.0.1 67 S0 D']);
    expect(state(ALL.filter((each) => each !== 'groups'))).toEqual(['239.1.2.3 5000 SHR ^d']);
  });
});

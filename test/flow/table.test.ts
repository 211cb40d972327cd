import { describe, expect, test } from 'vitest';
import { SLOT_BYTES } from '../../daemon/flow/slot.ts';
import type { FrameSpec } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';

const CLIENT: FrameSpec = { src: '10.0.0.9', sport: 5000, dst: '10.0.0.1', dport: 80 };
const SERVER: FrameSpec = { src: '10.0.0.1', sport: 80, dst: '10.0.0.9', dport: 5000 };

/** A whole connection: handshake, request, answer, close from both sides. */
function connection(m: TestMeter, at: number): void {
  m.feed({ ...CLIENT, flags: 'S', seq: 100, ack: 0 }, at, 100);
  m.feed({ ...SERVER, flags: 'SA', seq: 900, ack: 101 }, at, 1_000);
  m.feed({ ...CLIENT, flags: 'A', seq: 101, ack: 901 }, at, 2_100);
  m.feed({ ...CLIENT, flags: 'PA', seq: 101, ack: 901, payload: 10 }, at, 3_000);
  m.feed({ ...SERVER, flags: 'PA', seq: 901, ack: 111, payload: 20 }, at, 4_000);
  m.feed({ ...CLIENT, flags: 'FA', seq: 111, ack: 921 }, at, 5_000);
  m.feed({ ...SERVER, flags: 'FA', seq: 921, ack: 112 }, at, 6_000);
  m.feed({ ...CLIENT, flags: 'A', seq: 112, ack: 922 }, at + 1, 7);
}

describe('flow table', () => {
  test('a TCP connection is one bidirectional flow whose originator sent the SYN', () => {
    const m = new TestMeter();
    connection(m, 1000);
    expect(m.finish()).toEqual([
      {
        seq: 0,
        isNew: true,
        capture: 0,
        proto: 6,
        src: '10.0.0.9:5000',
        dst: '10.0.0.1:80',
        vlan: [],
        start: '1000.000000100',
        end: '1001.000000007',
        packets: [5, 3],
        bytes: [5 * 54 + 10, 3 * 54 + 20],
        payload: [10, 20],
        flags: [0x1b, 0x1b],
        ttl: [64, 64, 64, 64],
        state: 'SF',
        history: 'ShADdFf',
        reason: 'fin',
        rttNs: 2000,
        retransmits: [0, 0],
        outOfOrder: [0, 0],
        routes: [0, 0],
      },
    ]);
  });

  test('a SYN+ACK seen first names its receiver as originator', () => {
    const m = new TestMeter();
    m.feed({ ...SERVER, flags: 'SA' }, 1);
    m.feed({ ...CLIENT, flags: 'A' }, 1);
    const [flow] = m.finish();
    expect(flow).toMatchObject({ src: '10.0.0.9:5000', dst: '10.0.0.1:80', packets: [1, 1], history: '^hA' });
  });

  test('a SYN in mid-flow corrects the originator and keeps each side its counters', () => {
    const m = new TestMeter();
    m.feed({ ...SERVER, flags: 'A', payload: 7, ack: 2 }, 1);
    m.feed({ ...CLIENT, flags: 'S', seq: 1 }, 1);
    const [flow] = m.finish();
    expect(flow).toMatchObject({ src: '10.0.0.9:5000', packets: [1, 1], payload: [0, 7] });
  });

  test('without SYN the server is guessed by its port, and the guess is marked', () => {
    const m = new TestMeter();
    m.feed({ ...SERVER, flags: 'A' }, 1);
    m.feed({ ...CLIENT, flags: 'A' }, 1);
    expect(m.finish()[0]).toMatchObject({
      src: '10.0.0.9:5000',
      state: 'OTH',
      packets: [1, 1],
      history: '^aA',
      guessed: true,
    });
  });

  test('without SYN, and between two ports of no server, the sender of the first packet is the originator', () => {
    const m = new TestMeter();
    m.feed({ ...SERVER, sport: 7777, flags: 'A' }, 1);
    m.feed({ ...CLIENT, dport: 7777, flags: 'A' }, 1);
    expect(m.finish()[0]).toMatchObject({ src: '10.0.0.1:7777', history: 'Aa', guessed: true });
  });

  test('an answer of a UDP server whose question was not seen is SHR, as in Zeek', () => {
    const m = new TestMeter();
    m.feed({ proto: 'udp', src: '10.0.0.1', sport: 53, dst: '10.0.0.9', dport: 5000 }, 1);
    expect(m.finish()[0]).toMatchObject({
      src: '10.0.0.9:5000',
      state: 'SHR',
      history: '^d',
      packets: [0, 1],
    });
  });

  test.each([
    ['0.0.0.0', '255.255.255.255'],
    ['10.0.0.1', '239.1.2.3'],
    ['fe80::1', 'ff02::1'],
  ])('a server port of %s sends to the group %s: a group is never the originator', (src, dst) => {
    const m = new TestMeter();
    m.feed({ proto: 'udp', src, sport: 67, dst, dport: 5000 }, 1);
    expect(m.finish()[0]).toMatchObject({
      src: expect.stringMatching(/:67$/),
      state: 'S0',
      history: 'D',
      packets: [1, 0],
    });
  });

  test('a new SYN after both sides closed is a new flow, and the old one ended by fin', () => {
    const m = new TestMeter();
    connection(m, 10);
    connection(m, 12);
    expect(m.finish().map((r) => [r.seq, r.reason, r.packets, r.state])).toEqual([
      [0, 'fin', [5, 3], 'SF'],
      [1, 'fin', [5, 3], 'SF'],
    ]);
  });

  test.each([
    ['S0', [{ ...CLIENT, flags: 'S' }], 'S'],
    [
      'REJ',
      [
        { ...CLIENT, flags: 'S' },
        { ...SERVER, flags: 'RA' },
      ],
      'Sr',
    ],
    [
      'S1',
      [
        { ...CLIENT, flags: 'S' },
        { ...SERVER, flags: 'SA' },
        { ...CLIENT, flags: 'A' },
      ],
      'ShA',
    ],
    [
      'RSTOS0',
      [
        { ...CLIENT, flags: 'S' },
        { ...CLIENT, flags: 'R', seq: 2 },
      ],
      'SR',
    ],
    [
      'SH',
      [
        { ...CLIENT, flags: 'S' },
        { ...CLIENT, flags: 'F', seq: 2 },
      ],
      'SF',
    ],
    [
      'S2',
      [
        { ...CLIENT, flags: 'S' },
        { ...SERVER, flags: 'SA' },
        { ...CLIENT, flags: 'A' },
        { ...CLIENT, flags: 'FA' },
      ],
      'ShAF',
    ],
    [
      'RSTO',
      [
        { ...CLIENT, flags: 'S' },
        { ...SERVER, flags: 'SA' },
        { ...CLIENT, flags: 'A' },
        { ...CLIENT, flags: 'R' },
      ],
      'ShAR',
    ],
    [
      'RSTR',
      [
        { ...CLIENT, flags: 'S' },
        { ...SERVER, flags: 'SA' },
        { ...CLIENT, flags: 'A' },
        { ...SERVER, flags: 'R' },
      ],
      'ShAr',
    ],
  ])('conn_state %s', (state, packets, history) => {
    const m = new TestMeter();
    for (const p of packets) m.feed(p, 1);
    expect(m.finish().map((r) => [r.state, r.history])).toEqual([[state, history]]);
  });

  test('the IPv4 identification of the first packet of each direction is kept, and tells no flows apart', () => {
    const m = new TestMeter();
    m.feed({ ...SERVER, flags: 'A', ipId: 0xfffe }, 1);
    m.feed({ ...CLIENT, flags: 'A', ipId: 0 }, 1);
    m.feed({ ...CLIENT, flags: 'A', ipId: 7 }, 1);
    m.feed({ ...SERVER, flags: 'A', ipId: 8 }, 1);
    m.feed({ proto: 'udp', ipId: 0x8001 }, 1);
    expect(m.finishWhole().map((r) => [r.packets, r.ipId])).toEqual([
      [
        [2, 2],
        [0, 0xfffe],
      ],
      [
        [1, 0],
        [0x8001, 0],
      ],
    ]);
  });

  test('UDP is S0 one way and SF both ways', () => {
    const m = new TestMeter();
    m.feed({ proto: 'udp', sport: 1, dport: 2 }, 1);
    m.feed({ proto: 'udp', sport: 3, dport: 4 }, 1);
    m.feed({ proto: 'udp', src: '10.0.0.2', dst: '10.0.0.1', sport: 4, dport: 3 }, 1);
    expect(m.finish().map((r) => [r.src, r.state, r.history])).toEqual([
      ['10.0.0.1:1', 'S0', 'D'],
      ['10.0.0.1:3', 'SF', 'Dd'],
    ]);
  });

  test('ICMP echo and its reply are one flow with type and counter-type as ports; one-way types are not paired', () => {
    const m = new TestMeter();
    m.feed({ proto: 'icmp', sport: 8, dport: 0 }, 1);
    m.feed({ proto: 'icmp', sport: 0, dport: 0, src: '10.0.0.2', dst: '10.0.0.1' }, 1);
    m.feed({ proto: 'icmp', sport: 3, dport: 1 }, 1);
    m.feed({ proto: 'icmp', sport: 3, dport: 1, src: '10.0.0.2', dst: '10.0.0.1' }, 1);
    m.feed({ proto: 'icmp', sport: 1, dport: 3, src: '10.0.0.2', dst: '10.0.0.1' }, 1);
    expect(m.finish().map((r) => [r.src, r.dst, r.packets])).toEqual([
      ['10.0.0.1:8', '10.0.0.2:0', [1, 1]],
      ['10.0.0.1:3', '10.0.0.2:1', [1, 0]],
      ['10.0.0.2:3', '10.0.0.1:1', [1, 0]],
      ['10.0.0.2:1', '10.0.0.1:3', [1, 0]],
    ]);
  });

  test('capture point, VLAN ids, protocol and IP version keep flows apart', () => {
    const m = new TestMeter();
    m.feed({ proto: 'udp' }, 1);
    m.feed({ proto: 'udp' }, 1, 0, 1);
    m.feed({ proto: 'udp', vlan: [5] }, 1);
    m.feed({ proto: 'udp', vlan: [5, 6] }, 1);
    m.feed({ proto: 'tcp' }, 1);
    m.feed({ proto: 'udp', src: 'fd00::1', dst: 'fd00::2' }, 1);
    const records = m.finish();
    expect(records.map((r) => [r.capture, r.vlan, r.proto, r.src.length > 20])).toEqual([
      [0, [], 17, false],
      [1, [], 17, false],
      [0, [5], 17, false],
      [0, [5, 6], 17, false],
      [0, [], 6, false],
      [0, [], 17, true],
    ]);
  });

  test('IPv6 addresses that differ only in their last word are different flows', () => {
    const m = new TestMeter();
    for (let i = 1; i <= 50; i++)
      m.feed({ proto: 'udp', src: `fd00::${i.toString(16)}`, dst: 'fd00::ffff' }, 1);
    expect(new Set(m.finish().map((r) => r.src)).size).toBe(50);
  });

  test('later fragments are counted on the flow of their first fragment, else on ports 0', () => {
    const m = new TestMeter();
    m.feed({ proto: 'udp', sport: 1053, dport: 99, payload: 16, ipId: 7, moreFragments: true }, 1);
    m.feed({ proto: 'udp', payload: 16, ipId: 7, fragOff: 24 }, 1);
    m.feed({ proto: 'udp', payload: 16, ipId: 8, fragOff: 24 }, 1);
    expect(m.finish().map((r) => [r.src, r.packets])).toEqual([
      ['10.0.0.1:1053', [2, 0]],
      ['10.0.0.1:0', [1, 0]],
    ]);
  });

  test('an idle flow ends at its timeout, and the same endpoints later are another flow', () => {
    const m = new TestMeter();
    m.feed({ proto: 'udp' }, 100);
    m.feed({ proto: 'udp' }, 150);
    m.table.tick(209);
    expect(m.records()).toEqual([]);
    m.table.tick(210);
    expect(m.records().map((r) => [r.reason, r.packets])).toEqual([['idle', [2, 0]]]);
    m.feed({ proto: 'udp' }, 300);
    expect(m.finish().map((r) => [r.seq, r.reason])).toEqual([
      [0, 'idle'],
      [1, 'eof'],
    ]);
  });

  test('a closed connection lingers only shortly although its timer was set when it was open', () => {
    const m = new TestMeter();
    connection(m, 100);
    m.table.tick(112);
    expect(m.records().map((r) => r.reason)).toEqual(['fin']);
  });

  test('a checkpoint writes a living flow again with cumulative counters, first as new and then as update', () => {
    const m = new TestMeter({ checkpointSec: 10 });
    for (let t = 0; t <= 25; t++) m.feed({ proto: 'udp' }, 100 + t);
    m.finish();
    expect(m.records().map((r) => [r.seq, r.isNew, r.reason, r.packets[0]])).toEqual([
      [0, true, 'active', 10],
      [0, false, 'active', 20],
      [0, false, 'eof', 26],
    ]);
  });

  test('a full queue keeps a living flow for later and counts a finished one as shed', () => {
    const m = new TestMeter({ checkpointSec: 10 });
    m.feed({ proto: 'udp' }, 100);
    m.full = true;
    m.table.tick(115);
    m.full = false;
    m.table.tick(130);
    expect(m.records().map((r) => [r.isNew, r.reason])).toEqual([[true, 'active']]);
    m.full = true;
    m.table.endAll('shutdown');
    expect(m.table.shed[0]).toBe(1);
  });

  test('a checkpoint that is asked for writes what has changed, and leaves the rest for later when the queue is full', () => {
    const m = new TestMeter();
    m.feed({ proto: 'udp', src: '10.0.0.1' }, 100);
    m.feed({ proto: 'udp', src: '10.0.0.3' }, 100);
    expect(m.table.checkpoint()).toBe(true);
    m.feed({ proto: 'udp', src: '10.0.0.3' }, 101);
    m.full = true;
    expect(m.table.checkpoint()).toBe(false);
    m.full = false;
    expect([m.table.checkpoint(), m.table.checkpoint()]).toEqual([true, true]);
    expect(m.records().map((r) => [r.seq, r.isNew, r.reason, r.packets[0]])).toEqual([
      [0, true, 'active', 1],
      [1, true, 'active', 1],
      [1, false, 'active', 2],
    ]);
    expect(m.table.shed[0]).toBe(0);
  });

  test('packets older than the first move the start back and keep the end', () => {
    const m = new TestMeter();
    m.feed({ proto: 'udp' }, 100, 5);
    m.feed({ proto: 'udp' }, 90, 7);
    m.feed({ proto: 'udp' }, 100, 4);
    expect(m.finish()[0]).toMatchObject({ start: '90.000000007', end: '100.000000005', packets: [3, 0] });
  });

  test('at its bound the table evicts half-open flows first, counts them, and loses no packet', () => {
    const m = new TestMeter({ maxFlows: 8 });
    connection(m, 100);
    for (let i = 0; i < 100; i++) m.feed({ flags: 'S', sport: 2000 + i }, 101);
    const records = m.finish();
    expect(m.table.evicted[0]).toBe(93);
    expect(records.filter((r) => r.reason === 'evicted')).toHaveLength(93);
    expect(records.find((r) => r.seq === 0)!.reason).toBe('fin');
    expect(records.reduce((sum, r) => sum + r.packets[0] + r.packets[1], 0)).toBe(108);
  });

  test('retransmissions and reordering are told apart', () => {
    const m = new TestMeter();
    m.feed({ ...CLIENT, flags: 'A', seq: 100, payload: 10 }, 1);
    m.feed({ ...CLIENT, flags: 'A', seq: 100, payload: 10 }, 1);
    m.feed({ ...CLIENT, flags: 'A', seq: 120, payload: 10 }, 1);
    m.feed({ ...CLIENT, flags: 'A', seq: 110, payload: 10 }, 1);
    m.feed({ ...CLIENT, flags: 'A', seq: 129, payload: 1 }, 1);
    expect(m.finish()[0]).toMatchObject({ retransmits: [1, 0], outOfOrder: [1, 0] });
  });

  test('a change of the tables tags each direction again', () => {
    const tagger = {
      generation: 1,
      onStartOver: null,
      arrive: () => {},
      isWaiting: false,
      heldUntil: () => -1,
      tag: () => tagger.generation * 10,
      tagInner: () => 0,
    };
    const m = new TestMeter({}, tagger);
    m.feed({ proto: 'udp' }, 1);
    tagger.generation = 2;
    m.feed({ proto: 'udp', src: '10.0.0.2', dst: '10.0.0.1', sport: 80, dport: 1000 }, 1);
    expect(m.finish()[0]!.routes).toEqual([10, 20]);
  });

  test('after endAll the table starts over, also in an earlier time', () => {
    const m = new TestMeter({ maxFlows: 4 });
    for (let i = 0; i < 4; i++) m.feed({ proto: 'udp', sport: i }, 5000);
    m.table.endAll('eof');
    for (let i = 0; i < 4; i++) m.feed({ proto: 'udp', sport: i }, 100);
    m.table.tick(160);
    expect(m.records().map((r) => r.reason)).toEqual([
      'eof',
      'eof',
      'eof',
      'eof',
      'idle',
      'idle',
      'idle',
      'idle',
    ]);
    expect(m.table.evicted[0]).toBe(0);
  });

  test('a flow costs at most 256 octets with its index entry', () => {
    expect(SLOT_BYTES + 2 * 4).toBeLessThanOrEqual(256);
  });

  test('random flows over a small table: every packet is on exactly one record', () => {
    let state = 12345;
    const random = (n: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return state % n;
    };
    const m = new TestMeter({ maxFlows: 64, checkpointSec: 10 });
    const flags = ['S', 'SA', 'A', 'FA', 'R', 'PA'];
    let bytes = 0;
    for (let i = 0; i < 20_000; i++) {
      const spec = {
        src: `10.0.0.${random(20)}`,
        dst: `10.0.0.${random(20)}`,
        sport: random(5),
        dport: random(5),
      };
      const payload = random(30);
      m.feed(
        { ...spec, flags: flags[random(6)]!, seq: random(1000), payload },
        1000 + ((i / 10) | 0) - random(3),
      );
      bytes += 54 + payload;
    }
    const last = new Map(m.finish().map((r) => [r.seq, r]));
    const sum = [...last.values()].reduce(
      (s, r) => [s[0]! + r.packets[0] + r.packets[1], s[1]! + r.bytes[0] + r.bytes[1]],
      [0, 0],
    );
    expect(sum).toEqual([20_000, bytes]);
    expect(m.table.live).toBe(0);
    expect(last.size).toBe(m.table.created);
  });
});

import { describe, expect, test } from 'vitest';
import { MAX_TUNNEL_LEVELS } from '../../daemon/capture/tunnel-meter.ts';
import type { TunnelMode } from '../../daemon/config.ts';
import { type FrameSpec, frame } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';
import {
  gre as greHeader,
  gtpU,
  ipOf,
  overIp,
  overUdp,
  vxlan as vxlanHeader,
} from '../support/tunnel-frames.ts';

const AB = {
  src: '192.168.0.1',
  dst: '192.168.0.2',
  proto: 'udp',
  sport: 5000,
  dport: 53,
  payload: 4,
} satisfies FrameSpec;
const BA: FrameSpec = { ...AB, src: AB.dst, dst: AB.src, sport: 53, dport: 5000 };
const TO: FrameSpec = { src: '10.0.0.1', dst: '10.0.0.2' };
const BACK: FrameSpec = { src: '10.0.0.2', dst: '10.0.0.1' };
const ARP = Uint8Array.from([
  ...new Array(12).fill(2),
  8,
  6,
  0,
  1,
  8,
  0,
  6,
  4,
  0,
  1,
  ...new Array(20).fill(0),
]);

function vxlan(vni: number, inner: Uint8Array, outer: FrameSpec, sport = 40_000): Uint8Array {
  return overUdp(4789, vxlanHeader(vni, inner), { ...outer, sport });
}

function gre(key: number, inner: FrameSpec, outer: FrameSpec): Uint8Array {
  return overIp(47, greHeader(0x0800, ipOf(frame(inner)), { key }), outer);
}

function gtp(teid: number, inner: FrameSpec, outer: FrameSpec): Uint8Array {
  return overUdp(2152, gtpU(teid, ipOf(frame(inner))), { ...outer, sport: 2152 });
}

function ipip(inner: Uint8Array, outer: FrameSpec): Uint8Array {
  return overIp(4, ipOf(inner), outer);
}

function meter(mode: TunnelMode): TestMeter {
  return new TestMeter({}, undefined, mode);
}

/** The records, each as its endpoints, packets and tunnel. */
function flows(m: TestMeter): unknown[] {
  return m.finish().map((r) => [r.seq, `${r.src} ${r.dst}`, r.packets, r.tunnel ?? null]);
}

function tunnelCounters(m: TestMeter): [number, number] {
  const { tunnelled, tunnelUndecoded } = m.meter.counters.read(0);
  return [tunnelled, tunnelUndecoded];
}

describe('both: a flow a level', () => {
  test('the inner flow has the octets of the inner frame, names the flow around it, and has no route decision', () => {
    const m = meter('both');
    const inner = frame(AB);
    m.feed(vxlan(42, inner, TO), 1, 5);
    const [outside, inside] = m.finish();
    expect(outside).toMatchObject({
      seq: 0,
      src: '10.0.0.1:40000',
      bytes: [50 + inner.length, 0],
      routes: [0, -1],
    });
    expect(outside).not.toHaveProperty('tunnel');
    expect(inside).toMatchObject({
      seq: 1,
      src: '192.168.0.1:5000',
      dst: '192.168.0.2:53',
      proto: 17,
      start: '1.000000005',
      packets: [1, 0],
      bytes: [inner.length, 0],
      payload: [4, 0],
      routes: [1, -1],
      tunnel: ['vxlan', 42, 0],
    });
    expect(tunnelCounters(m)).toEqual([1, 0]);
  });

  test('both directions are one flow inside, though VXLAN makes two outside of them; it names the first', () => {
    const m = meter('both');
    m.feed(vxlan(42, frame(AB), TO, 40_000), 1);
    m.feed(vxlan(42, frame(BA), BACK, 50_000), 1);
    expect(flows(m)).toEqual([
      [0, '10.0.0.1:40000 10.0.0.2:4789', [1, 0], null],
      [1, '192.168.0.1:5000 192.168.0.2:53', [1, 1], ['vxlan', 42, 0]],
      [2, '10.0.0.2:50000 10.0.0.1:4789', [1, 0], null],
    ]);
  });

  test('the same endpoints in two VNIs, in GRE with and without that number, and in no tunnel are five flows', () => {
    const m = meter('both');
    const packets = [
      vxlan(1, frame(AB), TO),
      vxlan(2, frame(AB), TO),
      gre(1, AB, TO),
      overIp(47, greHeader(0x0800, ipOf(frame(AB))), TO),
      frame(AB),
    ];
    for (const packet of [...packets, ...packets]) m.feed(packet, 1);
    expect(
      m
        .finish()
        .filter((r) => r.src === '192.168.0.1:5000')
        .map((r) => [r.packets, r.tunnel]),
    ).toEqual([
      [
        [2, 0],
        ['vxlan', 1, 0],
      ],
      [
        [2, 0],
        ['vxlan', 2, 0],
      ],
      [
        [2, 0],
        ['gre', 1, 3],
      ],
      [
        [2, 0],
        ['gre', null, 3],
      ],
      [[2, 0], undefined],
    ]);
  });

  test('the TEIDs of GTP-U are of a direction each: one flow, with that of its first packet', () => {
    const m = meter('both');
    m.feed(gtp(0xffff_ffff, AB, TO), 1);
    m.feed(gtp(7, BA, BACK), 1);
    expect(flows(m).slice(1)).toEqual([
      [1, '192.168.0.1:5000 192.168.0.2:53', [1, 1], ['gtp-u', 0xffff_ffff, 0]],
    ]);
  });

  test('a tunnel in a tunnel: each level names the one around it', () => {
    const m = meter('both');
    m.feed(ipip(vxlan(9, frame(AB), { src: '10.1.0.1', dst: '10.1.0.2' }), TO), 1);
    expect(flows(m)).toEqual([
      [0, '10.0.0.1 10.0.0.2', [1, 0], null],
      [1, '10.1.0.1:40000 10.1.0.2:4789', [1, 0], ['ipip', null, 0]],
      [2, '192.168.0.1:5000 192.168.0.2:53', [1, 0], ['vxlan', 9, 1]],
    ]);
    expect(tunnelCounters(m)).toEqual([1, 0]);
  });

  test('later fragments inside go by the tunnel that they are in', () => {
    const m = meter('both');
    const first: FrameSpec = { ...AB, ipId: 7, moreFragments: true, payload: 16 };
    const later: FrameSpec = { ...AB, ipId: 7, fragOff: 24, payload: 8 };
    m.feed(vxlan(1, frame(first), TO), 1);
    m.feed(vxlan(1, frame(later), TO), 1);
    m.feed(vxlan(2, frame(later), TO), 1);
    m.feed(frame(later), 1);
    expect(flows(m).filter((flow) => String(flow).includes('192.168'))).toEqual([
      [1, '192.168.0.1:5000 192.168.0.2:53', [2, 0], ['vxlan', 1, 0]],
      [2, '192.168.0.1:0 192.168.0.2:0', [1, 0], ['vxlan', 2, 0]],
      [3, '192.168.0.1:0 192.168.0.2:0', [1, 0], null],
    ]);
  });

  test('the flow that takes over a slot has nothing of the tunnel before', () => {
    const m = new TestMeter({ maxFlows: 2 }, undefined, 'both');
    m.feed(vxlan(42, frame(AB), TO), 1);
    for (let sport = 1; sport < 20; sport++) m.feed({ ...AB, sport }, 2);
    m.feed(vxlan(43, frame(AB), TO), 3);
    const records = m.finish();
    expect(records.filter((r) => r.tunnel).map((r) => r.tunnel)).toEqual([
      ['vxlan', 42, 0],
      ['vxlan', 43, 21],
    ]);
    expect(records.reduce((n, r) => n + r.packets[0] + r.packets[1], 0)).toBe(2 + 19 + 2);
  });
});

describe('inner: one flow a packet', () => {
  test('of the innermost level, with no flow outside to name', () => {
    const m = meter('inner');
    m.feed(ipip(vxlan(9, frame(AB), { src: '10.1.0.1', dst: '10.1.0.2' }), TO), 1);
    m.feed(frame(AB), 1);
    expect(flows(m)).toEqual([
      [0, '192.168.0.1:5000 192.168.0.2:53', [1, 0], ['vxlan', 9, null]],
      [1, '192.168.0.1:5000 192.168.0.2:53', [1, 0], null],
    ]);
  });

  test.each([
    ['ARP', vxlan(9, ARP, TO)],
    ['nothing', vxlan(9, new Uint8Array(0), TO)],
    ['a cut packet', vxlan(9, frame(AB).subarray(0, 20), TO)],
    [
      'a part of it: the outer packet is a fragment',
      overIp(4, ipOf(frame(AB)), { ...TO, moreFragments: true }),
    ],
  ])('what has %s inside stays on the flow around it, and is counted', (_, packet) => {
    const m = meter('inner');
    m.feed(packet, 1);
    expect(m.finish()).toMatchObject([{ packets: [1, 0], src: expect.stringMatching(/^10\.0\.0\.1/) }]);
    expect(tunnelCounters(m)).toEqual([1, 1]);
  });
});

test.each(['inner', 'both'] as const)('%s: more levels than are followed end at the last one', (mode) => {
  const m = meter(mode);
  let packet = frame(AB);
  for (let level = 0; level < MAX_TUNNEL_LEVELS + 1; level++)
    packet = ipip(packet, { src: `10.9.0.${level}`, dst: '10.9.9.9' });
  m.feed(packet, 1);
  const records = m.finish();
  expect(records).toHaveLength(mode === 'both' ? 1 + MAX_TUNNEL_LEVELS : 1);
  expect(records.at(-1)).toMatchObject({ src: '10.9.0.0', proto: 4 });
  expect(tunnelCounters(m)).toEqual([1, 1]);
});

test('outer: a tunnel is a flow like any other, and nobody looks inside', () => {
  const m = meter('outer');
  m.feed(vxlan(42, frame(AB), TO), 1);
  expect(flows(m)).toEqual([[0, '10.0.0.1:40000 10.0.0.2:4789', [1, 0], null]]);
  expect(tunnelCounters(m)).toEqual([0, 0]);
});

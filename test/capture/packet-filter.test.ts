import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packetTest } from '../../daemon/capture/packet-subject.ts';
import { TunnelMeter } from '../../daemon/capture/tunnel-meter.ts';
import { FlowTable } from '../../daemon/flow/table.ts';
import { DEFAULT_TIMEOUTS } from '../../daemon/flow/timeouts.ts';
import { formatAddress } from '../../decoders/address.ts';
import type { FilterNode } from '../../storage/filter-ast.ts';
import { matcher } from '../../storage/filter-match.ts';
import { inapplicable, uses } from '../../storage/filter-scope.ts';
import { FlowBatch } from '../../storage/flow-batch.ts';
import { FlowSubject } from '../../storage/flow-subject.ts';
import { DECISIONS, filters, PLACES, PORTS, V4, V6 } from '../storage/filter-arbitraries.ts';
import { type FrameSpec, frame } from '../support/frames.ts';
import { noRoutes } from '../support/no-routes.ts';
import { gre, gtpU, ipOf, overIp, overUdp, vxlan } from '../support/tunnel-frames.ts';

const pick = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const text = (bytes: number[]): string =>
  formatAddress(Uint8Array.from(bytes), 0, bytes.length === 4 ? 4 : 6);

/** A frame, what it is wrapped in, the capture point and the route decision. */
interface Packet {
  bytes: Uint8Array;
  /** Source and destination address and, when it has them, ports of the innermost headers. */
  ends: Uint8Array;
  isInside: boolean;
  capture: number;
  decision: number;
}

const packets: fc.Arbitrary<Packet> = fc
  .record({
    addresses: fc.oneof(fc.tuple(pick(V4), pick(V4)), fc.tuple(pick(V6), pick(V6))),
    proto: pick([6, 6, 17, 50]),
    sport: pick(PORTS),
    dport: pick(PORTS),
    flags: pick(['S', 'SA', 'A', 'PA', 'RA', 'F', 'SFRPAUEC']),
    vlan: pick([[], [5], [5, 6], [0]]),
    payload: fc.nat(50),
    wrap: pick(['', '', 'gre', 'vxlan', 'gtp-u'] as const),
    capture: fc.nat(PLACES.length - 1),
    decision: fc.nat(DECISIONS.length - 1),
  })
  .map(({ addresses: [src, dst], wrap, capture, decision, ...spec }) => {
    const inner = frame({ ...spec, src: text(src), dst: text(dst) } satisfies FrameSpec);
    const packet = wrap === '' ? inner : frame({ ...spec, vlan: [], src: text(src), dst: text(dst) });
    const etherType = src.length === 4 ? 0x0800 : 0x86dd;
    const bytes = {
      '': () => inner,
      gre: () => overIp(47, gre(etherType, ipOf(packet), { key: 1 })),
      vxlan: () => overUdp(4789, vxlan(42, inner)),
      'gtp-u': () => overUdp(2152, gtpU(4_294_967_295, ipOf(packet))),
    }[wrap]();
    const ports =
      spec.proto === 50 ? [] : [spec.sport, spec.dport].flatMap((port) => [port >> 8, port & 255]);
    const ends = Uint8Array.from([...src, ...dst, ...ports]);
    return { bytes, ends, isInside: wrap !== '', capture, decision };
  });

/** Tells the record of a flow that has one packet only, into `subject`. */
function recorder(subject: FlowSubject): (packet: Packet) => TunnelMeter {
  const batch = new FlowBatch(8);
  let decision = 0;
  const table = new FlowTable(
    { maxFlows: 64, timeouts: DEFAULT_TIMEOUTS, checkpointSec: 0, seed: 7, tunnels: true },
    { batch: () => batch, changes: () => batch },
    { ...noRoutes(), heldUntil: () => -1, tag: () => decision },
  );
  const meter = new TunnelMeter(table, 'inner');
  return (packet) => {
    decision = packet.decision;
    const f = meter.fields;
    f.captureIndex = packet.capture;
    f.wireLen = packet.bytes.length;
    f.tsSec = 10;
    meter.packet(new DataView(packet.bytes.buffer), 0, packet.bytes.length);
    batch.clear();
    table.endAll('eof');
    expect(batch.count).toBe(1);
    const [netns, name] = PLACES[batch.columns.captureIndex[0]!]!;
    subject.setRecord(batch.columns, 0, { netns, interface: name }, 1, -1, (index) => DECISIONS[index]!);
    return meter;
  };
}

test('a packet is wanted when a flow of it alone would be found', () => {
  const flow = new FlowSubject();
  const record = recorder(flow);
  const reached = {
    turned: 0,
    plain: new Set<boolean>(),
    inside: new Set<boolean>(),
    kinds: new Set<string>(),
  };
  const placeOf = (index: number) => ({ netns: PLACES[index]![0], interface: PLACES[index]![1] });
  let decision = 0;
  fc.assert(
    fc.property(filters(), fc.array(packets, { minLength: 1, maxLength: 8 }), (node, list) => {
      fc.pre(inapplicable(node, 'packet').length === 0);
      const wanted = packetTest(node, placeOf, () => DECISIONS[decision]!);
      const matches = matcher(node);
      const looksInside = uses(node, 'tunnel', 'tunnelId');
      for (const packet of list) {
        // Of inner flows octets and route are another thing; and nobody looks for them who does not say so.
        if (packet.isInside && (!looksInside || uses(node, 'quantity', 'route', 'routeRule'))) continue;
        decision = packet.decision;
        const { fields } = record(packet);
        const view = new DataView(packet.bytes.buffer);
        // Whose originator is not the sender: an answer that came first.
        if (isTurned(flow, packet)) {
          reached.turned++;
          continue;
        }
        const expected = matches(flow);
        expect(wanted(view, fields), Buffer.from(packet.bytes).toString('hex')).toBe(expected);
        (packet.isInside ? reached.inside : reached.plain).add(expected);
        reached.kinds.add(node.kind);
      }
    }),
    { numRuns: 4000, size: 'max' } as fc.Parameters<[FilterNode, Packet[]]>,
  );
  expect(reached.turned).toBeGreaterThan(0);
  expect([reached.plain.size, reached.inside.size]).toEqual([2, 2]);
  expect([...reached.kinds].sort()).toEqual(
    [
      'and',
      'communityId',
      'flags',
      'host',
      'interface',
      'ipVersion',
      'net',
      'netns',
      'not',
      'or',
      'port',
      'proto',
    ].concat('quantity', 'route', 'routeRule', 'tunnel', 'tunnelId', 'vlan'),
  );
});

/** The flow has the ends of the packet the other way round. */
function isTurned(f: FlowSubject, { ends }: Packet): boolean {
  const size = f.addressWords * 4;
  const flow = Buffer.alloc(ends.length);
  for (let k = 0; k < f.addressWords; k++) {
    flow.writeInt32BE(f.addresses[k]!, k * 4);
    flow.writeInt32BE(f.addresses[4 + k]!, size + k * 4);
  }
  if (f.srcPort >= 0) {
    flow.writeUInt16BE(f.srcPort, size * 2);
    flow.writeUInt16BE(f.dstPort, size * 2 + 2);
  }
  return !flow.equals(ends);
}

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { flowJson } from '../../cli/format/flow-json.ts';
import { openForReading } from '../../storage/database.ts';
import type { Comparator, FilterNode, Side } from '../../storage/filter-ast.ts';
import { CONN_STATES, TUNNEL_TYPES } from '../../storage/flow-batch.ts';
import { type FlowRow, queryFlows } from '../../storage/query.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, decision, type RecordSpec, TEST_RUN } from './records.ts';
import { EVERYTHING, tempDb } from './temp-db.ts';

// Few distinct values, so that filters hit; the IPv6 ones begin like the IPv4 ones, which a range of BLOBs must not mix.
const V4 = [
  [10, 0, 0, 1],
  [10, 0, 0, 2],
  [10, 0, 1, 1],
  [255, 255, 255, 255],
  [0, 0, 0, 0],
];
const V6 = [10, 255, 0].map((first) => [first, 0, 0, 1, ...new Array(11).fill(0), first]);
const PORTS = [0, 8, 53, 80, 1024, 65_535];
const NETNS = [
  ['blue', 'veth0'],
  ['red', 'veth0'],
  [null, 'eth0'],
  ['blue', null],
] as const;
const DECISIONS = [
  decision(),
  decision({ type: 'blackhole', verdict: 'drop', gateway: null, dev: null, rule: 100, table: '100' }),
  decision({ type: 'unknown', verdict: null, rule: null, table: null, prefix: null, observed: 'n/a' }),
];
const QUANTITIES = [0, 1, 1000, 1_000_000];

const pick = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const pair = (arbitrary: fc.Arbitrary<number>): fc.Arbitrary<[number, number]> =>
  fc.tuple(arbitrary, arbitrary);

const record: fc.Arbitrary<RecordSpec> = fc.boolean().chain((isIPv6) =>
  fc.record({
    version: fc.constant(isIPv6 ? (6 as const) : (4 as const)),
    src: pick(isIPv6 ? V6 : V4),
    dst: pick(isIPv6 ? V6 : V4),
    proto: pick([1, 6, 17, 50, 58, 132]),
    ports: fc.option(pair(pick(PORTS)), { nil: null }),
    vlan: pick([[], [5], [5, 6], [6]]),
    tunnel: pick([null, null, [5, -1, -1], [7, 42, 0], [10, 4_294_967_295, 1]] as const),
    capture: fc.nat(NETNS.length - 1),
    start: fc.tuple(pick([-1, 0, 5, 9]), pick([0, 1, 999_999_999])),
    end: fc.tuple(pick([9, 10, 15]), pick([0, 999_999_999])),
    packets: pair(pick(QUANTITIES)),
    bytes: pair(pick(QUANTITIES)),
    flags: pair(pick([0, 2, 0x12, 0xff])),
    retransmits: pair(pick([0, 1])),
    connState: fc.nat(CONN_STATES.length - 1),
    route: pair(fc.integer({ min: -1, max: DECISIONS.length - 1 })),
    routeOrigSide: pick([null, null, 0, 1] as const),
  }),
);

const side = pick<Side>(['src', 'dst', 'any']);
const comparator = pick<Comparator>(['=', '!=', '>', '>=', '<', '<=']);
const listOf = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(arbitrary, { minLength: 1, maxLength: 3 });
const address = pick([...V4, ...V6]).map((bytes) => ({
  version: bytes.length === 4 ? (4 as const) : (6 as const),
  bytes: Uint8Array.from(bytes),
}));
const net = address.chain((a) => fc.nat(a.bytes.length * 8).map((prefixLen) => ({ ...a, prefixLen })));

const leaf: fc.Arbitrary<FilterNode> = fc.oneof(
  fc.record({ kind: fc.constant('host'), side, addresses: listOf(address) }),
  fc.record({ kind: fc.constant('net'), side, nets: listOf(net) }),
  fc
    .record({ kind: fc.constant('port'), side, comparator, values: listOf(pick(PORTS)) })
    .map((node) => (node.comparator === '=' ? node : { ...node, values: node.values.slice(0, 1) })),
  fc.record({ kind: fc.constant('proto'), numbers: listOf(pick([1, 6, 17, 99])) }),
  fc.record({ kind: fc.constant('ipVersion'), version: pick([4, 6] as const) }),
  fc.record({
    kind: pick(['netns', 'interface'] as const),
    names: listOf(pick(['blue', 'veth0', "x' OR 1"])),
  }),
  fc.record({ kind: fc.constant('vlan'), ids: fc.option(listOf(pick([5, 6, 7])), { nil: null }) }),
  fc.record({ kind: fc.constant('tunnel'), types: fc.option(listOf(pick([5, 7, 10])), { nil: null }) }),
  fc.record({
    kind: pick(['tunnelId', 'tunnelOuter'] as const),
    values: listOf(pick([0, 1, 42, 4_294_967_295])),
  }),
  fc.record({ kind: fc.constant('state'), states: listOf(pick(['S0', 'SF', 'OTH'])) }),
  fc.record({ kind: fc.constant('flags'), mask: pick([2, 0x12, 0x80]) }),
  fc.record({
    kind: fc.constant('quantity'),
    field: pick(['bytes', 'packets', 'retransmits'] as const),
    comparator,
    value: pick([0n, 1n, 2000n, 2n ** 70n]),
  }),
  fc.record({
    kind: fc.constant('quantity'),
    field: fc.constant('duration'),
    comparator,
    value: pick([0n, 999_999_999n, 10_000_000_000n]),
  }),
  fc.record({
    kind: fc.constant('quantity'),
    field: pick(['pps', 'bps', 'bpp'] as const),
    comparator,
    value: pick([0n, 1n, 100n, 800n, 1000n, 2n ** 70n]),
  }),
  fc.record({ kind: fc.constant('flowId'), values: listOf(pick([1, 7, 399, 2 ** 52])) }),
  fc.record({
    kind: fc.constant('communityId'),
    values: listOf(pick(['1:OSZO4vp4DWMALjBJujmi1p1XLfk=', '1:0DSRqeUAurktYtLPv7pMNMxZDFc='])),
  }),
  fc.record({
    kind: fc.constant('route'),
    field: pick(['type', 'verdict', 'table', 'prefix', 'gateway', 'dev', 'observed'] as const),
    values: listOf(pick(['unicast', 'blackhole', 'drop', 'main', '100', '10.2.0.0/24', 'veth0', 'n/a'])),
  }),
  fc.record({ kind: fc.constant('routeRule'), values: listOf(pick([100, 32766])) }),
  fc.record({ kind: fc.constant('routeChanged') }),
);

const filter: fc.Arbitrary<FilterNode> = fc.letrec<{ node: FilterNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.record({
      kind: pick(['and', 'or'] as const),
      nodes: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('not'), node: tie('node') }),
  ),
})).node;

/** The meaning of a filter, written a second time and without SQL. */
function matches(node: FilterNode, row: FlowRow): boolean {
  switch (node.kind) {
    case 'and':
      return node.nodes.every((each) => matches(each, row));
    case 'or':
      return node.nodes.some((each) => matches(each, row));
    case 'not':
      return !matches(node.node, row);
    case 'host':
      return ends(node.side, row).some(({ address: bytes }) =>
        node.addresses.some((wanted) => bytes.equals(wanted.bytes)),
      );
    case 'net':
      return ends(node.side, row).some(({ address: bytes }) =>
        node.nets.some(
          (wanted) =>
            bytes.length === wanted.bytes.length &&
            bits(bytes).slice(0, wanted.prefixLen) === bits(wanted.bytes).slice(0, wanted.prefixLen),
        ),
      );
    case 'port': {
      if (row.proto === 1 || row.proto === 58 || row.srcPort === null) return false;
      const ports = ends(node.side, row).map(({ port }) => port!);
      if (node.comparator === '!=') return ports.every((port) => !node.values.includes(port));
      return ports.some((port) => node.values.some((value) => compare(port, node.comparator, value)));
    }
    case 'proto':
      return node.numbers.includes(row.proto);
    case 'ipVersion':
      return row.ipVersion === node.version;
    case 'netns':
      return row.netns !== null && node.names.includes(row.netns);
    case 'interface':
      return row.interface !== null && node.names.includes(row.interface);
    case 'experiment':
      return row.experiments.some((name) => node.names.includes(name));
    case 'vlan': {
      const ids = [row.vlanOuter, row.vlanInner].filter((id) => id !== null);
      return node.ids === null ? ids.length > 0 : ids.some((id) => node.ids!.includes(id));
    }
    case 'tunnel': {
      const type = TUNNEL_TYPES.indexOf(row.tunnelType);
      return type > 0 && (node.types === null || node.types.includes(type));
    }
    case 'tunnelId':
      return row.tunnelId !== null && node.values.includes(row.tunnelId);
    case 'tunnelOuter':
      return row.tunnelOuterFlowId !== null && node.values.includes(row.tunnelOuterFlowId);
    case 'state':
      return row.connState !== null && node.states.includes(row.connState);
    case 'flags':
      return row.tcpFlagsFwd !== null && ((row.tcpFlagsFwd | row.tcpFlagsRev!) & node.mask) === node.mask;
    case 'flowId':
      return node.values.includes(row.flowId);
    case 'communityId':
      return node.values.includes(flowJson(row).community_id);
    case 'quantity': {
      const packets = row.packetsFwd + row.packetsRev;
      const bytes = row.bytesFwd + row.bytesRev;
      const ns = Number(row.endNs - row.startNs);
      const rate = (part: number, of: number): number | null => (of === 0 ? null : part / of);
      const value = {
        pps: rate(packets * 1e9, ns),
        bps: rate(bytes * 8e9, ns),
        bpp: rate(bytes, packets),
        bytes: BigInt(row.bytesFwd + row.bytesRev),
        packets: BigInt(row.packetsFwd + row.packetsRev),
        duration: row.endNs - row.startNs,
        retransmits: row.retransmitsFwd === null ? null : BigInt(row.retransmitsFwd + row.retransmitsRev!),
      }[node.field];
      return value !== null && compare<number | bigint>(value, node.comparator, node.value);
    }
    case 'route':
      return [row.routeFwd, row.routeRev].some((route) =>
        node.values.includes(route?.[node.field] ?? 'absent'),
      );
    case 'routeChanged':
      return row.routeChanges !== null;
    case 'routeRule':
      return [row.routeFwd, row.routeRev].some((route) => node.values.includes(route?.rule ?? -1));
  }
}

function ends(which: Side, row: FlowRow): { address: Buffer; port: number | null }[] {
  const src = { address: row.src, port: row.srcPort };
  const dst = { address: row.dst, port: row.dstPort };
  return which === 'any' ? [src, dst] : which === 'src' ? [src] : [dst];
}

function bits(bytes: Uint8Array): string {
  return [...bytes].map((octet) => octet.toString(2).padStart(8, '0')).join('');
}

function compare<T extends number | bigint>(a: T, by: Comparator, b: T): boolean {
  switch (by) {
    case '=':
      return a >= b && a <= b; // also of a double and a bigint
    case '!=':
      return a < b || a > b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
  }
}

test('SQL answers every filter as plain evaluation does', () => {
  const path = tempDb();
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  const specs = fc.sample(record, { numRuns: 400, seed: 7 }).map((spec, seq) => ({ ...spec, seq }));
  writer.write([
    ...NETNS.map(
      ([netns, name], index) =>
        [channel, { type: 'capture', info: captureInfo(index, { netns, interface: name }) }] as const,
    ),
    [channel, { type: 'decisions', base: 0, list: DECISIONS }],
    [channel, { type: 'batch', batch: batchOf(...specs) }],
  ]);
  writer.close();
  const db = openForReading(path);
  const all = [...queryFlows(db, EVERYTHING)];
  expect(all).toHaveLength(400);
  const reached = new Map<string, Set<string>>();
  fc.assert(
    fc.property(filter, (node) => {
      const expected = all.filter((row) => matches(node, row)).map(({ flowId }) => flowId);
      const answered = [...queryFlows(db, { ...EVERYTHING, filter: node })].map(({ flowId }) => flowId);
      expect(answered).toEqual(expected);
      const outcome = expected.length === 0 ? 'none' : expected.length === all.length ? 'all' : 'some';
      const outcomes = reached.get(node.kind) ?? new Set();
      reached.set(node.kind, outcomes.add(outcome));
    }),
    { numRuns: 2000, size: 'max' } as fc.Parameters<[FilterNode]>,
  );
  db.close();
  for (const kind of [
    'and',
    'or',
    'not',
    'host',
    'net',
    'port',
    'vlan',
    'tunnel',
    'tunnelId',
    'tunnelOuter',
    'flags',
    'flowId',
    'communityId',
    'quantity',
    'route',
    'routeRule',
  ])
    expect(reached.get(kind), kind).toContain('some');
});

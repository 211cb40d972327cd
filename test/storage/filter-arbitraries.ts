import fc from 'fast-check';
import type { Comparator, FilterNode, Side } from '../../storage/filter-ast.ts';
import { CONN_STATES } from '../../storage/flow-batch.ts';
import { decision, type RecordSpec } from './records.ts';

// Few distinct values, so that filters hit; the IPv6 ones begin like the IPv4 ones, which a range of BLOBs must not mix.
export const V4 = [
  [10, 0, 0, 1],
  [10, 0, 0, 2],
  [10, 0, 1, 1],
  [255, 255, 255, 255],
  [0, 0, 0, 0],
];
export const V6 = [10, 255, 0].map((first) => [first, 0, 0, 1, ...new Array(11).fill(0), first]);
export const PORTS = [0, 8, 53, 80, 1024, 65_535];
const QUANTITIES = [0, 1, 1000, 1_000_000];

/** Capture points of the records: namespace and interface. Half a surrogate pair is stored as U+FFFD. */
export const PLACES = [
  ['blue', 'veth0'],
  ['red', 'veth0'],
  [null, 'eth0'],
  ['blue', null],
  ['half\ufffd', 'veth1'],
] as const;

/** Decisions that the records point at. */
export const DECISIONS = [
  decision(),
  decision({ type: 'blackhole', verdict: 'drop', gateway: null, dev: null, rule: 100, table: '100' }),
  decision({ type: 'unknown', verdict: null, rule: null, table: null, prefix: null, observed: 'n/a' }),
];

const pick = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const pair = (arbitrary: fc.Arbitrary<number>): fc.Arbitrary<[number, number]> =>
  fc.tuple(arbitrary, arbitrary);

/** Flow records: of ten seconds around the epoch, and a few of the first and the last time that SQLite holds. */
export const records: fc.Arbitrary<RecordSpec> = fc.boolean().chain((isIPv6) =>
  fc.record({
    version: fc.constant(isIPv6 ? (6 as const) : (4 as const)),
    src: pick(isIPv6 ? V6 : V4),
    dst: pick(isIPv6 ? V6 : V4),
    proto: pick([1, 6, 6, 17, 50, 58, 132]),
    ports: fc.option(pair(pick(PORTS)), { nil: null }),
    vlan: pick([[], [5], [5, 6], [6], [0]]),
    tunnel: pick([null, null, [5, -1, -1], [7, 42, 0], [10, 4_294_967_295, 1]] as const),
    capture: fc.nat(PLACES.length - 1),
    start: fc.tuple(pick([-1, 0, 5, 9, -9_223_372_037, -9_300_000_000]), pick([0, 1, 999_999_999])),
    end: fc.tuple(pick([9, 10, 15, 9_223_372_036, 9_300_000_000]), pick([0, 999_999_999])),
    packets: pair(pick(QUANTITIES)),
    bytes: pair(pick([...QUANTITIES, 2 ** 52 - 1, 2 ** 52])),
    flags: pair(pick([0, 2, 0x12, 0xff])),
    retransmits: pair(pick([0, 1, 0xffff_ffff])),
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

/** Conditions of every kind; but those for experiments only name some of `names`. */
function leavesWith(names: readonly string[]): fc.Arbitrary<FilterNode> {
  if (names.length === 0) return LEAVES;
  const experiment = fc.record({ kind: fc.constant('experiment' as const), names: listOf(pick(names)) });
  return fc.oneof({ arbitrary: LEAVES, weight: 20 }, experiment);
}

const LEAVES: fc.Arbitrary<FilterNode> = fc.oneof(
  fc.record({ kind: fc.constant('host'), side, addresses: listOf(address) }),
  fc.record({ kind: fc.constant('net'), side, nets: listOf(net) }),
  fc
    .record({ kind: fc.constant('port'), side, comparator, values: listOf(pick(PORTS)) })
    .map((node) =>
      node.comparator === '=' || node.comparator === '!='
        ? node
        : { ...node, values: node.values.slice(0, 1) },
    ),
  fc.record({ kind: fc.constant('proto'), numbers: listOf(pick([1, 6, 17, 99])) }),
  fc.record({ kind: fc.constant('ipVersion'), version: pick([4, 6] as const) }),
  fc.record({
    kind: pick(['netns', 'interface'] as const),
    names: listOf(pick(['blue', 'veth0', "x' OR 1", 'half\ud800', 'veth1'])),
  }),
  fc.record({ kind: fc.constant('vlan'), ids: fc.option(listOf(pick([0, 5, 6, 7])), { nil: null }) }),
  fc.record({ kind: fc.constant('tunnel'), types: fc.option(listOf(pick([5, 7, 10])), { nil: null }) }),
  fc.record({
    kind: pick(['tunnelId', 'tunnelOuter'] as const),
    values: listOf(pick([0, 1, 2, 42, 4_294_967_295])),
  }),
  fc.record({ kind: fc.constant('state'), states: listOf(pick(['S0', 'SF', 'OTH'])) }),
  fc.record({ kind: fc.constant('flags'), mask: pick([2, 0x12, 0x80]) }),
  fc.record({
    kind: fc.constant('quantity'),
    field: pick(['bytes', 'packets', 'retransmits'] as const),
    comparator,
    value: pick([
      0n,
      1n,
      2000n,
      2n ** 32n - 1n,
      2n ** 53n - 2n,
      2n ** 53n - 1n,
      2n ** 53n + 1n,
      2n ** 63n - 1n,
      2n ** 70n,
    ]),
  }),
  fc.record({
    kind: fc.constant('quantity'),
    field: fc.constant('duration'),
    comparator,
    value: pick([0n, 999_999_999n, 10_000_000_000n, 10_000_000_001n, 2n ** 63n - 1n, 2n ** 70n]),
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
    field: pick([
      'type',
      'verdict',
      'table',
      'prefix',
      'gateway',
      'dev',
      'observed',
      'stage',
      'confidence',
    ] as const),
    values: listOf(
      pick([
        'unicast',
        'blackhole',
        'drop',
        'main',
        '100',
        '10.2.0.0/24',
        'veth0',
        'n/a',
        'forward',
        'exact',
      ]),
    ),
  }),
  fc.record({ kind: fc.constant('routeRule'), values: listOf(pick([100, 32766])) }),
  fc.record({ kind: fc.constant('routeChanged') }),
);

/** Filters of all kinds, nested; of experiments only those with one of the names. */
export function filters(experiments: readonly string[] = []): fc.Arbitrary<FilterNode> {
  return fc.letrec<{ node: FilterNode }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leavesWith(experiments),
      fc.record({
        kind: pick(['and', 'or'] as const),
        nodes: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
      }),
      fc.record({ kind: fc.constant('not'), node: tie('node') }),
    ),
  })).node;
}

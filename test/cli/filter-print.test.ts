import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../cli/errors.ts';
import { parseFilter } from '../../cli/filter/parse.ts';
import { printFilter } from '../../cli/filter/print.ts';
import type { Comparator, FilterNode, FlowQuantity, RouteTextField, Side } from '../../storage/filter-ast.ts';
import { CONN_STATES, TUNNEL_TYPES } from '../../storage/flow-batch.ts';

const pick = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const some = <T>(each: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(each, { minLength: 1, maxLength: 4 });
const side = pick<Side>(['src', 'dst', 'any']);
const comparator = pick<Comparator>(['=', '!=', '>', '>=', '<', '<=']);
const address = pick([4, 6] as const).chain((version) =>
  fc
    .uint8Array({ minLength: version === 4 ? 4 : 16, maxLength: version === 4 ? 4 : 16 })
    .map((bytes) => ({ version, bytes: Uint8Array.from(bytes) })),
);
const net = address.chain((a) => fc.nat(a.bytes.length * 8).map((prefixLen) => ({ ...a, prefixLen })));
/** With all that the grammar takes for its own. */
const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }),
  pick([
    'in',
    'IN',
    'and',
    'tcp',
    'a b',
    "it's",
    'say "x"',
    `"'`,
    '10.0.0.1',
    '80',
    'lab-r',
    '[',
    '\n',
    'port',
    '!=',
    '&',
    '1:x=',
  ]),
);
const ROUTE_WORDS: Readonly<Record<RouteTextField, readonly string[]>> = {
  type: ['unicast', 'no_route', 'blackhole'],
  verdict: ['drop', 'send'],
  table: ['main', 'local', '100', 'default'],
  prefix: ['0.0.0.0/0', '10.2.0.0/16', 'fe80::/64', '::/0'],
  gateway: ['10.0.0.1', 'fe80::1'],
  dev: ['eth0', 'in', 'a b'],
  observed: ['n/a', 'agrees'],
  stage: ['input', 'forward'],
  confidence: ['exact', 'assumed'],
};

const leaf: fc.Arbitrary<FilterNode> = fc.oneof(
  fc.record({ kind: fc.constant('host'), side, addresses: some(address) }),
  fc.record({ kind: fc.constant('net'), side, nets: some(net) }),
  fc.record({ kind: fc.constant('port'), side, comparator: fc.constant('='), values: some(fc.nat(65_535)) }),
  fc.record({ kind: fc.constant('port'), side, comparator, values: fc.nat(65_535).map((value) => [value]) }),
  fc.record({ kind: fc.constant('proto'), numbers: some(fc.nat(255)) }),
  fc.record({ kind: fc.constant('ipVersion'), version: pick([4, 6] as const) }),
  fc.record({ kind: pick(['netns', 'interface', 'experiment'] as const), names: some(name) }),
  fc.record({ kind: fc.constant('vlan'), ids: fc.option(some(fc.nat(4095)), { nil: null }) }),
  fc.record({
    kind: fc.constant('tunnel'),
    types: fc.option(some(fc.integer({ min: 1, max: TUNNEL_TYPES.length - 1 })), { nil: null }),
  }),
  fc.record({ kind: fc.constant('tunnelId'), values: some(fc.nat(0xffff_ffff)) }),
  fc.record({ kind: pick(['tunnelOuter', 'flowId'] as const), values: some(fc.nat(999_999_999_999_999)) }),
  fc.record({
    kind: fc.constant('communityId'),
    values: some(
      fc
        .uint8Array({ minLength: 20, maxLength: 20 })
        .map((hash) => `1:${Buffer.from(hash).toString('base64')}`),
    ),
  }),
  fc.record({
    kind: fc.constant('state'),
    states: some(pick(CONN_STATES.filter((state) => state !== null))),
  }),
  fc.record({ kind: fc.constant('flags'), mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({
    kind: fc.constant('quantity'),
    field: pick<FlowQuantity>(['bytes', 'packets', 'duration', 'retransmits', 'pps', 'bps', 'bpp']),
    comparator,
    value: fc.oneof(fc.bigInt(0n, 2n ** 70n), pick([0n, 1000n, 5_000_000_000n, 86_400_000_000_000n])),
  }),
  pick(Object.keys(ROUTE_WORDS) as RouteTextField[]).chain((field) =>
    fc.record({
      kind: fc.constant('route'),
      field: fc.constant(field),
      values: some(pick(ROUTE_WORDS[field])),
    }),
  ),
  fc.record({ kind: fc.constant('routeRule'), values: some(fc.nat(0xffff_ffff)) }),
  fc.constant<FilterNode>({ kind: 'routeChanged' }),
);

const filter = fc.letrec<{ node: FilterNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    leaf,
    fc.record({
      kind: pick(['and', 'or'] as const),
      nodes: fc.array(tie('node'), { minLength: 2, maxLength: 4 }),
    }),
    fc.record({ kind: fc.constant('not'), node: tie('node') }),
  ),
})).node;

test('a filter in print is read as the same filter', () => {
  const reached = new Set<string>();
  fc.assert(
    fc.property(filter, (node) => {
      const text = printFilter(node);
      expect(parseFilter(text), text).toEqual(node);
      walk(node, ({ kind }) => reached.add(kind));
    }),
    { numRuns: 3000, size: 'max' } as fc.Parameters<[FilterNode]>,
  );
  expect([...reached].sort()).toEqual(
    (
      'and communityId experiment flags flowId host interface ipVersion net netns not or port proto quantity route ' +
      'routeChanged routeRule state tunnel tunnelId tunnelOuter vlan'
    ).split(' '),
  );
});

test('an expression with letters changed, lost and added is a filter or a mistake, and says where', () => {
  const change = fc.record({ at: fc.nat(200), letter: fc.string({ maxLength: 2 }), isLost: fc.boolean() });
  const reached = { filter: 0, mistake: 0 };
  fc.assert(
    fc.property(filter, fc.array(change, { maxLength: 4 }), (node, changes) => {
      const text = changes.reduce(
        (of, { at, letter, isLost }) => of.slice(0, at) + letter + of.slice(isLost ? at + 1 : at),
        printFilter(node),
      );
      try {
        const read = parseFilter(text);
        reached.filter++;
        if (read !== null) expect(parseFilter(printFilter(read))).toEqual(read);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        reached.mistake++;
        const [what, shown, caret] = error.message.split(/\n(?= {2})/);
        expect(what).toMatch(/^filter: .{10,}/s);
        expect(caret).toMatch(/^ {2,}\^$/);
        expect(caret!.length).toBeLessThanOrEqual(shown!.length + 1);
      }
    }),
    { numRuns: 1500 },
  );
  expect(Math.min(reached.filter, reached.mistake)).toBeGreaterThan(100);
});

function walk(node: FilterNode, visit: (node: FilterNode) => void): void {
  visit(node);
  if (node.kind === 'not') walk(node.node, visit);
  if (node.kind === 'and' || node.kind === 'or') for (const each of node.nodes) walk(each, visit);
}

describe('a filter in print', () => {
  test.each([
    ['TCP port 80', 'tcp and port 80'],
    ['port 80 or 443', 'port 80 or port 443'],
    ['(tcp or udp) port in [53, 80]', '(tcp or udp) and port in [ 53 80 ]'],
    ['tcp or udp port 53', 'tcp or udp and port 53'],
    ['not (tcp && udp)', 'not (tcp and udp)'],
    ['netns != "a b"', 'not netns "a b"'],
    ['duration > 300s', 'duration > 5m'],
    ['bytes > 1.5M', 'bytes > 1500000'],
    ['flags as', 'flags AS'],
    ['tunnel none', 'not tunnel any'],
    ['route prefix default', 'route prefix in [ 0.0.0.0/0 ::/0 ]'],
    ['src or dst host FE80::0:1', 'host fe80::1'],
    ['proto 1 proto 47', 'icmp and proto gre'],
  ])('%s: %s', (expression, printed) => {
    expect(printFilter(parseFilter(expression)!)).toBe(printed);
  });
});

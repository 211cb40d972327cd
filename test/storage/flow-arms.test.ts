import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openForReading } from '../../storage/database.ts';
import { experimentCondition } from '../../storage/experiment-flows.ts';
import { changeExperiment } from '../../storage/experiments.ts';
import type { FilterNode, Side } from '../../storage/filter-ast.ts';
import { filterToSql } from '../../storage/filter-sql.ts';
import { type ArmUse, flowArms, unionArms } from '../../storage/flow-arms.ts';
import { firstFlows, firstStatements } from '../../storage/flow-first.ts';
import { piecesOf } from '../../storage/flow-pieces.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, decision, type RecordSpec, TEST_RUN } from './records.ts';
import { tempDb } from './temp-db.ts';

const SEC = 1_000_000_000n;
/** Of starts and bounds; longer ones than five minutes are in an index of their own. */
const DAY_SEC = 3600;
const HOSTS = [1, 2, 3, 4].map((last) => [10, 0, last & 1, last]);
const PORTS = [53, 80, 443];

const pick = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

const record: fc.Arbitrary<RecordSpec> = fc
  .record({
    src: pick(HOSTS),
    dst: pick(HOSTS),
    proto: pick([1, 6, 17]),
    ports: fc.tuple(pick(PORTS), pick(PORTS)),
    capture: fc.nat(3),
    route: fc.tuple(fc.integer({ min: -1, max: 3 }), fc.integer({ min: -1, max: 3 })),
    from: fc.nat(DAY_SEC),
    lasted: pick([0, 1, 299, 300, 301, 2000]),
  })
  .map(({ from, lasted, ...spec }) => ({ ...spec, start: [from, 5], end: [from + lasted, 5] }));

const side = pick<Side>(['src', 'dst', 'any']);
const some = <T>(values: readonly T[]): fc.Arbitrary<T[]> =>
  fc.array(pick(values), { minLength: 1, maxLength: 3 });
const address = pick(HOSTS).map((bytes) => ({ version: 4 as const, bytes: Uint8Array.from(bytes) }));

const leaf: fc.Arbitrary<FilterNode> = fc.oneof(
  fc.record({
    kind: fc.constant('host'),
    side,
    addresses: fc.array(address, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('net'),
    side,
    nets: fc.array(
      fc.tuple(address, pick([8, 24, 31])).map(([a, prefixLen]) => ({ ...a, prefixLen })),
      { minLength: 1, maxLength: 2 },
    ),
  }),
  fc.record({ kind: fc.constant('port'), side, comparator: fc.constant('='), values: some(PORTS) }),
  fc.record({
    kind: fc.constant('port'),
    side,
    comparator: pick(['>', '<=', '!='] as const),
    values: some([80, 1000]),
  }),
  fc.record({ kind: fc.constant('netns'), names: some(['ns0', 'ns1', 'none']) }),
  fc.record({ kind: fc.constant('experiment'), names: some(['one', 'two', 'none']) }),
  fc.record({
    kind: fc.constant('route'),
    field: fc.constant('type'),
    values: some(['blackhole', 'unicast', 'nat']),
  }),
  fc.record({ kind: fc.constant('routeRule'), values: some([100, 32766]) }),
  fc.record({ kind: fc.constant('proto'), numbers: some([6, 17]) }),
);

const filter = fc.letrec<{ node: FilterNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.record({
      kind: pick(['and', 'or'] as const),
      nodes: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('not'), node: tie('node') }),
  ),
})).node;

const bound = fc.option(
  fc.integer({ min: -10, max: 2 * DAY_SEC }).map((sec) => BigInt(sec) * SEC),
  { nil: null, freq: 1 },
);

/** Small, so that each way is taken by few flows. */
const limits = fc.record({
  countMax: pick([5, 50, 1000]),
  exactMax: pick([5, 50, 1000]),
  sortedMax: pick([0, 20, 1000]),
  valuesMax: pick([0, 4, 20]),
  wideShare: pick([0, 0.25, 1]),
});

/** Ids from one flow to the next: so each file has several pieces, one of which goes on in the next file. */
const IDS_APART = 2000;

test('whichever indexes are taken, the flows found are those of the condition, each once and in order', () => {
  const path = tempDb();
  const writer = new FlowWriter(path, TEST_RUN, true);
  const channel = writer.channel();
  const announced = [0, 1, 2, 3].map((index) => captureInfo(index, { netns: `ns${index & 1}` }));
  for (const info of announced) writer.write([[channel, { type: 'capture', info }]]);
  const drop = { type: 'blackhole', verdict: 'drop' } as const;
  const list = [
    decision(),
    decision({ ...drop, rule: 100 }),
    decision({ ...drop, prefix: null }),
    decision({ dev: null }),
  ];
  writer.write([[channel, { type: 'decisions', base: 0, list }]]);
  const records = fc
    .sample(record, { numRuns: 600, seed: 7 })
    .map((spec, n) => ({ ...spec, seq: n * IDS_APART }));
  for (let n = 0; n < 3; n++) {
    if (n > 0) writer.partitions!.begin();
    writer.write([[channel, { type: 'batch', batch: batchOf(...records.slice(n * 200, (n + 1) * 200)) }]]);
  }
  for (const [name, from, to] of [
    ['one', 100, 200],
    ['two', 150, 160],
    ['two', 3000, null],
  ] as const) {
    changeExperiment(
      writer.db,
      { type: 'start', name, netns: name === 'one' ? 'ns1' : null },
      BigInt(from) * SEC,
    );
    if (to !== null) changeExperiment(writer.db, { type: 'stop', name, id: null }, BigInt(to) * SEC);
  }
  writer.close();

  const db = openForReading(path);
  const seen = new Set<string>();
  expect(['main', 'p1', 'p2', 'p3'].map((schema) => piecesOf(db, schema).join(' '))).toEqual([
    '',
    '0 1 2 3',
    '3 4 5 6',
    '6 7 8 9',
  ]);
  const use = pick<ArmUse>([
    'first',
    'by start',
    'sorted',
    'added up',
    ...(['src', 'dst', 'src_port', 'dst_port'] as const).map((column) => `first by ${column}` as const),
  ]);
  fc.assert(
    fc.property(
      fc.option(filter, { nil: null }),
      bound,
      bound,
      use,
      limits,
      fc.boolean(),
      pick([1, 7, 40]),
      (node, since, until, what, within, descending, limit) => {
        const plain =
          node === null
            ? { sql: 'TRUE', params: [] }
            : filterToSql(node, (names) => experimentCondition(db, names));
        const newest = 'ORDER BY start_ns DESC, flow_id DESC LIMIT';
        const wanted = db
          .prepare(
            `SELECT flow_id, start_ns FROM flows f WHERE ${plain.sql} AND f.end_ns >= ? AND f.start_ns < ? ${newest} 40`,
          )
          .raw()
          .all(...plain.params, since ?? -1n, until ?? 2n ** 60n);
        const { arms, repeats } = flowArms(db, { filter: node, since, until }, what, within);
        const { sql, params } = unionArms(arms, 'f.flow_id, f.start_ns');
        const found = db
          .prepare<unknown[], [number, number]>(`${sql} ${newest} ${40 * repeats}`)
          .raw()
          .all(...params);
        const distinct = found.filter(([id], i) => id !== found[i - 1]?.[0]);
        expect(distinct.slice(0, 40)).toEqual(wanted);
        if (repeats === 1) expect(distinct).toHaveLength(found.length);
        else seen.add('repeats');
        const sort = what.startsWith('first by ') ? what.slice('first by '.length) : 'start_ns';
        const direction = descending ? 'DESC' : 'ASC';
        const first = db
          .prepare(
            `SELECT flow_id FROM flows f WHERE ${plain.sql} AND f.end_ns >= ? AND f.start_ns < ?
             ORDER BY ${sort} ${direction}, flow_id ${direction} LIMIT ${limit}`,
          )
          .pluck()
          .all(...plain.params, since ?? -1n, until ?? 2n ** 60n);
        const order = { sort: `f.${sort}`, descending, limit };
        const statements = firstStatements(arms, repeats, order);
        expect(firstFlows(db, statements, order).map(([id]) => id)).toEqual(first);
        if (statements.whole !== null && statements.byPiece.length > 0) seen.add('whole and by piece');
        for (const { from } of arms) seen.add(/BY (\w+)$|NOT INDEXED$|$/.exec(from)![0]);
        const alike = new Set(arms.map((arm) => arm.from + arm.where.sql)).size;
        if (alike < arms.length) seen.add('value by value');
      },
    ),
    { numRuns: 800 },
  );
  db.close();
  const indexes = [
    'src',
    'dst',
    'src_port',
    'dst_port',
    'capture',
    'route_fwd',
    'route_rev',
    'start',
    'long',
  ];
  expect([...seen].sort()).toEqual(
    [
      '',
      'NOT INDEXED',
      'repeats',
      'value by value',
      'whole and by piece',
      ...indexes.map((name) => `BY flows_${name}`),
    ].sort(),
  );
});

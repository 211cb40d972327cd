import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { LiveFlow } from '../../daemon/control/messages.ts';
import { liveFlow } from '../../daemon/live-records.ts';
import { setLiveFlow } from '../../daemon/live-subject.ts';
import { openForReading } from '../../storage/database.ts';
import { experimentCondition } from '../../storage/experiment-flows.ts';
import { experimentMatch } from '../../storage/experiment-match.ts';
import type { FilterNode } from '../../storage/filter-ast.ts';
import { matcher } from '../../storage/filter-match.ts';
import { inapplicable } from '../../storage/filter-scope.ts';
import { filterToSql } from '../../storage/filter-sql.ts';
import type { SqlValue } from '../../storage/flow-columns.ts';
import { FlowSubject } from '../../storage/flow-subject.ts';
import { FlowTap, type FlowTapMessage } from '../../storage/flow-tap.ts';
import { type FlowRow, queryFlows } from '../../storage/query.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { DECISIONS, filters, PLACES, records } from './filter-arbitraries.ts';
import { batchOf, captureInfo, TEST_RUN } from './records.ts';
import { EVERYTHING, tempDb } from './temp-db.ts';

/** Flows in the database. */
const FLOWS = 400;
/** Experiments, and then 40 of one name: more than SQL takes one by one. Times in nanoseconds; null: it goes on. */
const EXPERIMENTS: readonly (readonly [string, string | null, bigint, bigint | null])[] = [
  ['first', null, -1_000_000_000n, 4_999_999_999n],
  ['first', 'blue', 12_000_000_000n, null],
  ['pattern', '[br]*', 0n, 9_000_000_000n],
  ['last', null, 2n ** 63n - 1n, null],
  ['past', null, -(2n ** 63n), -1_000_000_000n],
  ...Array.from({ length: 40 }, (_, i) => {
    const startedNs = BigInt(i) * 250_000_000n;
    return ['many', i % 3 === 0 ? 'r*' : null, startedNs, startedNs + 100n] as const;
  }),
];
const NAMES = ['first', 'first#1', 'first#2', 'pattern', 'last', 'past', 'many', 'many#7', 'absent'];

/** The compiler sees to it that these are all there are. */
const KINDS: Record<FilterNode['kind'], true> = {
  and: true,
  or: true,
  not: true,
  host: true,
  net: true,
  port: true,
  proto: true,
  ipVersion: true,
  netns: true,
  interface: true,
  experiment: true,
  vlan: true,
  tunnel: true,
  tunnelId: true,
  tunnelOuter: true,
  state: true,
  flags: true,
  flowId: true,
  communityId: true,
  quantity: true,
  route: true,
  routeRule: true,
  routeChanged: true,
};

/** One a flow, made once: what is tested is the matcher. */
function subjects(set: (subject: FlowSubject, i: number) => void): FlowSubject[] {
  return Array.from({ length: FLOWS }, (_, i) => {
    const subject = new FlowSubject();
    set(subject, i);
    return subject;
  });
}

test('a filter in memory finds the flows that SQL finds: as rows, as records of a batch, and as live flows', () => {
  const path = tempDb();
  const batch = batchOf(
    ...fc.sample(records, { numRuns: FLOWS, seed: 7 }).map((spec, seq) => ({ ...spec, seq })),
  );
  const infos = PLACES.map(([netns, name], index) => captureInfo(index, { netns, interface: name }));
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  writer.write([
    ...infos.map((info) => [channel, { type: 'capture', info }] as const),
    [channel, { type: 'decisions', base: 0, list: DECISIONS }],
    [channel, { type: 'batch', batch }],
  ]);
  const insert = writer.db.prepare(
    'INSERT INTO main.experiments (name, netns, started_ns, ended_ns) VALUES (?, ?, ?, ?)',
  );
  for (const each of EXPERIMENTS) insert.run(...each);
  const { port1, port2 } = new MessageChannel();
  new FlowTap(port1, () => {}).add(channel, batch);
  const told: LiveFlow[] = (receiveMessageOnPort(port2)!.message as FlowTapMessage).flows.map((flow) =>
    liveFlow(flow, infos[flow.captureIndex]),
  );
  port1.close();
  const outerIds = Array.from({ length: FLOWS }, (_, i) => {
    const outer = batch.columns.outerSeq[i]!;
    return outer < 0 ? -1 : channel.idOf(outer);
  });
  const ids = Array.from({ length: FLOWS }, (_, i) => channel.idOf(i));
  writer.close();

  const db = openForReading(path);
  onTestFinished(() => void db.close());
  const rows: FlowRow[] = [...queryFlows(db, EVERYTHING)];
  expect(rows.map(({ flowId }) => flowId)).toEqual(ids);
  expect(told.map(({ flowId }) => flowId)).toEqual(ids);
  const experiments = experimentMatch(db);
  const asRows = subjects((subject, i) => subject.setRow(rows[i]!));
  const asRecords = subjects((subject, i) => {
    const info = infos[batch.columns.captureIndex[i]!]!;
    subject.setRecord(batch.columns, i, info, ids[i]!, outerIds[i]!, (index) => DECISIONS[index]!);
  });
  const asLive = subjects((subject, i) => setLiveFlow(subject, told[i]!));
  const reached = new Map<string, Set<string>>();
  const liveOutcomes = new Set<string>();
  fc.assert(
    fc.property(filters(NAMES), (node) => {
      const where = filterToSql(node, (names) => experimentCondition(db, names));
      const expected = db
        .prepare<SqlValue[], number>(`SELECT f.flow_id FROM flows f WHERE ${where.sql} ORDER BY f.flow_id`)
        .pluck()
        .all(...where.params);
      const matches = matcher(node, experiments);
      const found = (all: readonly FlowSubject[]): number[] => ids.filter((_, i) => matches(all[i]!));
      expect(found(asRows), 'rows').toEqual(expected);
      expect(found(asRecords), 'records').toEqual(expected);
      const isLive = inapplicable(node, 'liveFlow').length === 0;
      if (isLive) expect(found(asLive), 'live flows').toEqual(expected);
      const outcome = expected.length === 0 ? 'none' : expected.length === FLOWS ? 'all' : 'some';
      const outcomes = reached.get(node.kind) ?? new Set();
      reached.set(node.kind, outcomes.add(outcome));
      if (isLive) liveOutcomes.add(outcome);
    }),
    { numRuns: 4000, size: 'max' } as fc.Parameters<[FilterNode]>,
  );
  for (const kind of Object.keys(KINDS)) expect(reached.get(kind), kind).toContain('some');
  for (const kind of ['and', 'or', 'not'] as const)
    expect([...reached.get(kind)!].sort(), kind).toEqual(['all', 'none', 'some']);
  expect([...liveOutcomes].sort()).toEqual(['all', 'none', 'some']);
});

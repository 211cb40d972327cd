import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseFilter } from '../../cli/filter/parse.ts';
import { type FlowDatabase, openForReading } from '../../storage/database.ts';
import { changeExperiment } from '../../storage/experiments.ts';
import type { FilterNode } from '../../storage/filter-ast.ts';
import type { SqlCondition } from '../../storage/filter-sql.ts';
import { allFlowsSql, firstFlowsSql, type FlowQuery, queryFlows } from '../../storage/query.ts';
import { groupSql } from '../../storage/query-by.ts';
import { routeUseSql } from '../../storage/route-use.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, decision, TEST_RUN } from './records.ts';
import { EVERYTHING } from './temp-db.ts';

const FIRST = 1_700_000_000n * 1_000_000_000n;
let db: FlowDatabase;
/** The same in two partitions. */
let parted: FlowDatabase;

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-test-'));
  db = filled(join(folder, 'flows.db'), false);
  parted = filled(join(folder, 'parted.db'), true);
  return () => {
    db.close();
    parted.close();
    rmSync(folder, { recursive: true });
  };
});

function filled(path: string, isPartitioned: boolean): FlowDatabase {
  const writer = new FlowWriter(path, TEST_RUN, isPartitioned);
  const channel = writer.channel();
  const specs = Array.from({ length: 1000 }, (_, seq) => ({
    seq,
    start: [1_700_000_000 + seq, 0] as [number, number],
    // Four longer than five minutes, which are in an index of their own.
    end: [1_700_000_000 + seq + (seq % 250 === 0 ? 301 : 0), 0] as [number, number],
    ports: [40_000 + seq, seq % 10 === 0 ? 80 : 443] as [number, number],
    src: [10, 0, 0, seq % 50],
    route: (seq % 100 === 0 ? [1, 2] : [0, 2]) as [number, number],
  }));
  const drop = {
    type: 'blackhole',
    verdict: 'drop',
    prefix: '10.66.0.0/16',
    gateway: null,
    dev: null,
  } as const;
  const local = {
    type: 'local',
    table: 'local',
    rule: 0,
    prefix: '10.0.0.1/32',
    gateway: null,
    dev: 'lo',
  } as const;
  writer.write([
    [channel, { type: 'capture', info: captureInfo(0) }],
    [channel, { type: 'decisions', base: 0, list: [decision(), decision(drop), decision(local)] }],
    [channel, { type: 'batch', batch: batchOf(...specs.slice(0, 500)) }],
  ]);
  writer.partitions?.begin();
  writer.write([[channel, { type: 'batch', batch: batchOf(...specs.slice(500)) }]]);
  const at = (second: number): bigint => FIRST + BigInt(second) * 1_000_000_000n;
  for (const [name, from, to] of [
    ['early', 10, 20],
    ['twice', 30, 40],
    ['twice', 960, 970],
    ['open', 990, null],
  ] as const) {
    changeExperiment(writer.db, { type: 'start', name, netns: name === 'early' ? 'blue' : null }, at(from));
    if (to !== null) changeExperiment(writer.db, { type: 'stop', name, id: null }, at(to));
  }
  writer.close();
  return openForReading(path);
}

/** The plan of the 50 newest flows, a line each. */
function fullPlan(of: FlowDatabase, filter: string, more: Partial<FlowQuery> = {}): string[] {
  const query = {
    ...EVERYTHING,
    filter: parseFilter(filter),
    sort: 'start',
    descending: true,
    limit: 50,
    ...more,
  };
  if (query.limit === null) return explain(of, allFlowsSql(of, query));
  const { whole, byPiece } = firstFlowsSql(of, query, query.limit);
  return [
    ...(whole === null ? [] : explain(of, whole)),
    ...byPiece.flatMap(({ sql, params, isBound }) =>
      explain(of, { sql, params: [0, ...(isBound ? [0] : []), ...params, 50] }),
    ),
  ];
}

function explain(of: FlowDatabase, { sql, params }: SqlCondition): string[] {
  const lines = of.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...params);
  return lines.map(({ detail }) => detail);
}

/** What SQLite does with flows: the index of each part of the statement, or SCAN and the index that it walks. */
function indexes(lines: string[]): string[] {
  return lines.flatMap((line) => {
    const match =
      /^(SEARCH|SCAN) (?:f|\w*\.?flows)\b(?: USING (?:COVERING )?(?:INDEX )?(INTEGER PRIMARY KEY|\w+))?/.exec(
        line,
      );
    if (match === null) return [];
    const [, verb, index] = match;
    return [verb === 'SCAN' ? ['SCAN', ...(index === undefined ? [] : [index])].join(' ') : index!];
  });
}

const sorted = (names: string[]): string[] => [...new Set(names)].sort();

/** Filters, and the indexes that answer them. */
const BY_INDEX: [filter: string, indexes: string[]][] = [
  ['host 10.0.0.1', ['flows_src', 'flows_dst']],
  ['src host 2001:db8::1', ['flows_src']],
  ['host in [10.0.0.1 10.0.0.2]', ['flows_src', 'flows_dst']],
  ['net 10.0.0.0/24', ['flows_src', 'flows_dst']],
  ['dst net 2001:db8::/32', ['flows_dst']],
  ['port 80', ['flows_src_port', 'flows_dst_port']],
  ['port 80 or 443', ['flows_src_port', 'flows_dst_port']],
  ['dst port in [80 443]', ['flows_dst_port']],
  ['src port > 1024', ['flows_src_port']],
  ['tcp port 80 and bytes > 1M', ['flows_src_port', 'flows_dst_port']],
  ['netns blue', ['flows_capture']],
  ['if veth0', ['flows_capture']],
  ['experiment early', ['flows_start', 'flows_long']],
  ['experiment open', ['flows_start', 'flows_long']],
  ['experiment twice', ['flows_start', 'flows_long']],
  ['experiment twice#2 and tcp', ['flows_start', 'flows_long']],
  ['experiment in [ early open ]', ['flows_start', 'flows_long']],
  ['route type blackhole', ['flows_route_fwd', 'flows_route_rev']],
  ['route verdict drop', ['flows_route_fwd', 'flows_route_rev']],
  ['route table main', ['flows_route_fwd', 'flows_route_rev']],
  ['route prefix 10.66.0.0/16', ['flows_route_fwd', 'flows_route_rev']],
  ['route gateway 10.1.0.254', ['flows_route_fwd', 'flows_route_rev']],
  ['route dev lo', ['flows_route_fwd', 'flows_route_rev']],
  ['route rule 32766', ['flows_route_fwd', 'flows_route_rev']],
  ['route stage forward', ['flows_route_fwd', 'flows_route_rev']],
  ['route observed agrees', ['flows_route_fwd', 'flows_route_rev']],
  ['route confidence exact', ['flows_route_fwd', 'flows_route_rev']],
  ['flow 17', ['INTEGER PRIMARY KEY']],
  ['flow in [ 17 18 ] or host 10.0.0.1', ['INTEGER PRIMARY KEY', 'flows_dst', 'flows_src']],
  ['flow 17 and tcp', ['INTEGER PRIMARY KEY']],
  ['route changed', ['flows_route_changed']],
  ['tunnel vxlan', ['flows_tunnel']],
  ['tunnel outer 17', ['flows_tunnel_outer']],
  ['host 10.0.0.1 or port 80', ['flows_src', 'flows_dst', 'flows_src_port', 'flows_dst_port']],
  [
    'host 10.0.0.1 or ( route type blackhole and tcp )',
    ['flows_src', 'flows_dst', 'flows_route_fwd', 'flows_route_rev'],
  ],
  // Of several the one that finds the fewest.
  ['host 10.0.0.7 and route type blackhole', ['flows_route_fwd', 'flows_route_rev']],
  ['host 10.0.0.0 and route table main', ['flows_src', 'flows_dst']],
  ['netns blue and host 10.0.0.1', ['flows_src', 'flows_dst']],
  ['port 443 and net 10.0.0.3/32', ['flows_src', 'flows_dst']],
  ['experiment twice and src host 10.0.0.1', ['flows_src']],
];

const at = (second: number): bigint => FIRST + BigInt(second) * 1_000_000_000n;

describe.each([
  ['one file', () => db],
  ['partitions', () => parted],
])('SQLite answers from an index: %s', (_, of) => {
  test.each(BY_INDEX)('%s', (filter, wanted) => {
    const found = indexes(fullPlan(of(), filter));
    expect(sorted(found)).toEqual(wanted.toSorted());
    expect(sorted(indexes(fullPlan(of(), filter, { sort: 'bytes' })))).toEqual(wanted.toSorted());
    expect(indexes(fullPlan(of(), filter, { limit: null })).join()).not.toMatch(/SCAN/);
  });

  test.each(BY_INDEX)('%s, within a time', (filter) => {
    for (const bounds of [{ since: at(100) }, { until: at(900) }, { since: at(100), until: at(900) }])
      expect(indexes(fullPlan(of(), filter, bounds)).join()).not.toMatch(/SCAN/);
  });

  test('a time, between two bounds of the start of flows, and those that live long by themselves', () => {
    const between = (since: bigint | null, until: bigint | null) =>
      sorted(indexes(fullPlan(of(), '', { since, until })));
    expect(between(at(900), null)).toEqual(['flows_long', 'flows_start']);
    expect(between(null, at(100))).toEqual(['flows_start']);
    expect(between(at(900), at(950))).toEqual(['flows_long', 'flows_start']);
    expect(fullPlan(of(), '', { since: at(900), until: at(950) }).join('\n')).toMatch(
      /flows_start \(start_ns>\? AND start_ns<\?\)/,
    );
  });

  test('a host in a time, by both at once', () => {
    const lines = fullPlan(of(), 'src host 10.0.0.1', { since: at(400), until: at(950) });
    expect(lines.join('\n')).toMatch(/flows_src \(<expr>=\? AND src=\? AND start_ns>\? AND start_ns<\?\)/);
  });

  test('walks from the newest on when there is no index that helps, and sorts nothing', () => {
    for (const filter of ['', 'not host 10.0.0.1', 'host 10.0.0.1 or tcp']) {
      const lines = fullPlan(of(), filter);
      expect(sorted(indexes(lines))).toEqual(['SCAN flows_start']);
      expect(lines.join('\n')).not.toMatch(/TEMP B-TREE/);
    }
  });

  test('the newest of one value come in that order', () => {
    expect(fullPlan(of(), 'dst port 443').join('\n')).not.toMatch(/TEMP B-TREE/);
    expect(fullPlan(of(), 'host 10.0.0.1').join('\n')).not.toMatch(/TEMP B-TREE/);
    expect(fullPlan(of(), '', { sort: 'dst_port' }).join('\n')).toMatch(/INDEX flows_dst_port/);
  });

  test.each(['src', 'host', 'netns', 'route_type'])('what is added up by %s', (by) => {
    const query = { ...EVERYTHING, by: [by], sort: 'bytes', filter: parseFilter('dst port 53') };
    expect(sorted(indexes(explain(of(), groupSql(of(), query))))).toEqual(['flows_dst_port']);
    const everything = indexes(explain(of(), groupSql(of(), { ...query, filter: null })));
    expect(sorted(everything)).toEqual(['SCAN']);
  });
});

describe('a database in partitions', () => {
  test('has a part for each file that may have such flows', () => {
    expect(indexes(fullPlan(parted, ''))).toHaveLength(2);
    expect(indexes(fullPlan(parted, '', { until: at(100) }))).toHaveLength(1);
  });

  test('is merged, and nothing is sorted but file by file', () => {
    const newest = fullPlan(parted, '').join('\n');
    expect(newest).toMatch(/MERGE/);
    const largest = fullPlan(parted, '', { sort: 'bytes' });
    expect(largest.join('\n')).toMatch(/MERGE/);
    expect(largest.filter((line) => line === 'USE TEMP B-TREE FOR ORDER BY')).toHaveLength(2);
  });
});

test('the use of routes is one pass over the flows, or over those that an index of time or captures finds, without sorting', () => {
  const ALL = { filter: null, since: null, until: null };
  for (const [since, wanted] of [
    [null, ['flows_capture']],
    [at(900), ['flows_capture', 'flows_long']],
  ] as const) {
    const lines = explain(parted, routeUseSql(parted, ['blue'], { ...ALL, since }));
    expect(lines.join('\n')).not.toMatch(/TEMP B-TREE/);
    expect(sorted(indexes(lines))).toEqual([...wanted]);
  }
});

test('thousands of values, and hundreds of alternatives, fit into a statement', () => {
  const hosts = Array.from({ length: 5000 }, (_, n) => ({
    version: 4 as const,
    bytes: Uint8Array.of(10, 0, n >> 8, n & 255),
  }));
  const host = { kind: 'host' as const, side: 'any' as const };
  const addresses = Array.from({ length: 800 }, (_, i) => `10.${i >> 8}.${i & 255}.1`);
  const nets = hosts.slice(0, 400).map((each) => ({ ...each, prefixLen: 32 }));
  const filters: FilterNode[] = [
    { ...host, addresses: hosts },
    { kind: 'or', nodes: hosts.slice(0, 400).map((each) => ({ ...host, addresses: [each] })) },
    { kind: 'or', nodes: nets.map((net) => ({ kind: 'net', side: 'src', nets: [net] })) },
    {
      kind: 'port',
      side: 'any',
      comparator: '=',
      values: Array.from({ length: 3000 }, (_, n) => 39_000 + n),
    },
  ];
  for (const text of [
    addresses.map((each) => `host ${each}`).join(' or '),
    `net in [ ${addresses.map((each) => `${each}/30`).join(' ')} ]`,
    addresses.map((each) => `not host ${each}`).join(' and '),
  ])
    expect(fullPlan(parted, text, { since: at(10) }).length).toBeGreaterThan(0);
  const not: FilterNode = { kind: 'not', node: { ...host, addresses: hosts.slice(4000) } };
  filters.push({ kind: 'or', nodes: Array.from({ length: 9 }, () => not) });
  for (const of of [db, parted])
    for (const filter of filters)
      for (const limit of [50, null])
        expect([...queryFlows(of, { ...EVERYTHING, filter, sort: 'start', limit })]).toHaveLength(
          limit ?? 1000,
        );
});

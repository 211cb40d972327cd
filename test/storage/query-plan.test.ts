import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseFilter } from '../../cli/filter/parse.ts';
import { type FlowDatabase, openForReading } from '../../storage/database.ts';
import { changeExperiment } from '../../storage/experiments.ts';
import type { SqlCondition } from '../../storage/filter-sql.ts';
import { type FlowQuery, flowSql } from '../../storage/query.ts';
import { groupSql } from '../../storage/query-by.ts';
import { routeUseSql } from '../../storage/route-use.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from './records.ts';
import { EVERYTHING } from './temp-db.ts';

const FIRST = 1_700_000_000n * 1_000_000_000n;
const FILES = ['main', 'p1', 'p2'];
let db: FlowDatabase;
/** The same with two partitions. */
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
  }));
  writer.write([
    [channel, { type: 'capture', info: captureInfo(0) }],
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
  return explain(of, flowSql(of, query));
}

function explain(of: FlowDatabase, { sql, params }: SqlCondition): string[] {
  const lines = of.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...params);
  return lines.map(({ detail }) => detail);
}

/** What SQLite does with `flows`. */
function plan(filter: string, since: bigint | null = null, until: bigint | null = null): string[] {
  return fullPlan(db, filter, { since, until }).filter((detail) => /^(SEARCH|SCAN) f\b/.test(detail));
}

/** Index by file: what SQLite does with the flows of each; a scan without one is "SCAN". */
function indexes(lines: string[]): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const line of lines) {
    const match =
      /^(SEARCH|SCAN) (\w+)\.flows\b(?: USING (?:COVERING )?(?:INDEX )?(INTEGER PRIMARY KEY|\w+))?/.exec(
        line,
      );
    if (match === null) continue;
    const [, verb, file, index] = match;
    found[file!] = [...(found[file!] ?? []), index ?? verb!];
  }
  return found;
}

/** Filters, and the indexes that answer them. */
const BY_INDEX: [filter: string, indexes: string[]][] = [
  ['host 10.0.0.1', ['flows_src', 'flows_dst']],
  ['src host 2001:db8::1', ['flows_src']],
  ['host in [10.0.0.1 10.0.0.2]', ['flows_src', 'flows_dst']],
  ['net 10.0.0.0/24', ['flows_src', 'flows_dst']],
  ['dst net 2001:db8::/32', ['flows_dst']],
  ['port 80', ['flows_src_port', 'flows_dst_port']],
  ['dst port in [80 443]', ['flows_dst_port']],
  ['tcp port 80 and bytes > 1M', ['flows_src_port', 'flows_dst_port']],
  ['route changed', ['flows_route_changed']],
  ['flow 17', ['INTEGER PRIMARY KEY']],
  ['netns blue', ['flows_capture']],
  ['experiment early', ['flows_start']],
  ['experiment open', ['flows_end']],
  ['experiment twice', ['flows_start', 'flows_end']],
  ['experiment twice#2 and tcp', ['flows_end']],
  ['experiment in [ early open ]', ['flows_start', 'flows_end']],
  ['experiment twice and host 10.0.0.1', ['flows_src', 'flows_dst']],
  ['if veth0', ['flows_capture']],
  ['host 10.0.0.1 or port 80', ['flows_src', 'flows_dst', 'flows_src_port', 'flows_dst_port']],
];

describe('SQLite answers from an index', () => {
  test.each(BY_INDEX)('%s', (filter, wanted) => {
    const lines = plan(filter);
    expect(lines.join('\n')).not.toMatch(/SCAN/);
    expect(lines.map((line) => /USING (?:INDEX )?(INTEGER PRIMARY KEY|\w+)/.exec(line)?.[1]).sort()).toEqual(
      wanted.toSorted(),
    );
  });

  test('thousands of hosts and networks in one filter', () => {
    const addresses = Array.from({ length: 2000 }, (_, i) => `10.${i >> 8}.${i & 255}.1`);
    for (const filter of [
      addresses.map((text) => `host ${text}`).join(' or '),
      `net in [ ${addresses.map((text) => `${text}/30`).join(' ')} ]`,
      addresses.map((text) => `not host ${text}`).join(' and '),
    ])
      expect(plan(filter).length).toBeGreaterThan(0);
  });

  test('a time bound, by the index that leaves fewer flows', () => {
    const at = (second: bigint): bigint => FIRST + second * 1_000_000_000n;
    expect(plan('', at(900n))).toEqual(['SEARCH f USING INDEX flows_end (end_ns>?)']);
    expect(plan('', null, at(100n))).toEqual(['SEARCH f USING INDEX flows_start (start_ns<?)']);
    expect(plan('', at(900n), at(950n))).toEqual(['SEARCH f USING INDEX flows_end (end_ns>?)']);
    expect(plan('', at(50n), at(100n))).toEqual(['SEARCH f USING INDEX flows_start (start_ns<?)']);
  });

  test('but walks when there is none that helps', () => {
    expect(plan('not host 10.0.0.1')).toEqual(['SCAN f USING INDEX flows_start']);
    expect(plan('host 10.0.0.1 or tcp')).toEqual(['SCAN f USING INDEX flows_start']);
  });

  test('the newest 50, without sorting', () => {
    expect(plan('')).toEqual(['SCAN f USING INDEX flows_start']);
  });
});

describe('and of each partition from its own', () => {
  const ofEach = (wanted: string[]) => Object.fromEntries(FILES.map((file) => [file, wanted.toSorted()]));
  const sorted = (found: Record<string, string[]>) =>
    Object.fromEntries(Object.entries(found).map(([file, list]) => [file, list.toSorted()]));

  test.each(BY_INDEX)('%s', (filter, wanted) => {
    expect(sorted(indexes(fullPlan(parted, filter)))).toEqual(ofEach(wanted));
  });

  test('a time bound, by the index that leaves fewer flows of all', () => {
    const at = (second: bigint): bigint => FIRST + second * 1_000_000_000n;
    const bounded = (since: bigint | null, until: bigint | null) =>
      indexes(fullPlan(parted, '', { since, until }));
    expect(bounded(at(900n), at(950n))).toEqual(ofEach(['flows_end']));
    expect(bounded(at(50n), at(100n))).toEqual(ofEach(['flows_start']));
  });

  test('the newest 50 are merged, and nothing is sorted', () => {
    const lines = fullPlan(parted, '');
    expect(indexes(lines)).toEqual(ofEach(['flows_start']));
    expect(lines.filter((line) => line.startsWith('MERGE'))).toHaveLength(2);
    expect(lines.join('\n')).not.toMatch(/TEMP B-TREE/);
    expect(fullPlan(parted, '', { sort: 'dst_port' }).join('\n')).not.toMatch(/TEMP B-TREE/);
  });

  test('another order is sorted file by file, and merged', () => {
    const lines = fullPlan(parted, '', { sort: 'bytes' });
    expect(lines.filter((line) => line.startsWith('MERGE'))).toHaveLength(2);
    expect(lines.filter((line) => line === 'USE TEMP B-TREE FOR ORDER BY')).toHaveLength(3);
  });

  test.each(['src', 'host', 'netns'])('what is added up by %s', (by) => {
    const query = { ...EVERYTHING, by: [by], sort: 'bytes', filter: parseFilter('dst port 53') };
    const found = indexes(explain(parted, groupSql(parted, query)));
    expect(found).toEqual(ofEach(by === 'host' ? ['flows_dst_port', 'flows_dst_port'] : ['flows_dst_port']));
  });
});

test('the use of routes is one pass over the flows, or over those that an index of time or captures finds, without sorting', () => {
  const ALL = { filter: null, since: null, until: null };
  const since = FIRST + 900_000_000_000n;
  for (const [selection, isSmall, index] of [
    [ALL, false, 'SCAN'],
    [ALL, true, 'flows_capture'],
    [{ ...ALL, since }, false, 'flows_end'],
    [{ ...ALL, since }, true, 'flows_end'],
  ] as const) {
    const lines = explain(parted, routeUseSql(parted, [1], isSmall, selection));
    const used = indexes(lines);
    for (const file of FILES) expect(new Set(used[file])).toEqual(new Set([index]));
    expect(lines.filter((line) => line.includes('TEMP B-TREE'))).toEqual([]);
  }
});

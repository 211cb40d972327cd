import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseFilter } from '../../cli/filter/parse.ts';
import { type FlowDatabase, openForWriting } from '../../storage/database.ts';
import { flowSql } from '../../storage/query.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from './records.ts';
import { EVERYTHING } from './temp-db.ts';

const FIRST = 1_700_000_000n * 1_000_000_000n;
let db: FlowDatabase;

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-test-'));
  const path = join(folder, 'flows.db');
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  const specs = Array.from({ length: 1000 }, (_, seq) => ({
    seq,
    start: [1_700_000_000 + seq, 0] as [number, number],
  }));
  writer.write([
    [channel, { type: 'capture', info: captureInfo(0) }],
    [channel, { type: 'batch', batch: batchOf(...specs) }],
  ]);
  writer.close();
  db = openForWriting(path);
  return () => {
    db.close();
    rmSync(folder, { recursive: true });
  };
});

/** What SQLite does with `flows`, a line each. */
function plan(filter: string, since: bigint | null = null, until: bigint | null = null): string[] {
  const query = {
    ...EVERYTHING,
    filter: parseFilter(filter),
    since,
    until,
    sort: 'start',
    descending: true,
    limit: 50,
  };
  const { sql, params } = flowSql(db, query);
  const lines = db.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...params);
  return lines.map(({ detail }) => detail).filter((detail) => /^(SEARCH|SCAN) f\b/.test(detail));
}

describe('SQLite answers from an index', () => {
  test.each([
    ['host 10.0.0.1', ['flows_src', 'flows_dst']],
    ['src host 2001:db8::1', ['flows_src']],
    ['host in [10.0.0.1 10.0.0.2]', ['flows_src', 'flows_dst']],
    ['net 10.0.0.0/24', ['flows_src', 'flows_dst']],
    ['dst net 2001:db8::/32', ['flows_dst']],
    ['port 80', ['flows_src_port', 'flows_dst_port']],
    ['dst port in [80 443]', ['flows_dst_port']],
    ['tcp port 80 and bytes > 1M', ['flows_src_port', 'flows_dst_port']],
    ['route changed', ['flows_route_changed']],
    ['netns blue', ['flows_capture']],
    ['if veth0', ['flows_capture']],
    ['host 10.0.0.1 or port 80', ['flows_src', 'flows_dst', 'flows_src_port', 'flows_dst_port']],
  ])('%s', (filter, indexes) => {
    const lines = plan(filter);
    expect(lines.join('\n')).not.toMatch(/SCAN/);
    expect(lines.map((line) => /USING INDEX (\w+)/.exec(line)?.[1]).sort()).toEqual(indexes.sort());
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

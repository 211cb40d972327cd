import { parseFilter } from '../cli/filter/parse.ts';
import { type FlowDatabase, openForReading } from '../storage/database.ts';
import { queryFlows } from '../storage/query.ts';
import { queryBy } from '../storage/query-by.ts';
import { DAY_BEGIN_SEC, DAY_SEC, SHORT_NETNS } from './query-db.ts';
import type { BenchOptions } from './report.ts';

const LARGEST = 10_000_000;

/** A question to a database, as `nstap flows` has it. */
export interface Asked {
  name: string;
  /** Of `nstap flows`. */
  args: string[];
  /** No index answers it: it has to look at the flows that one finds. */
  isSearch?: boolean;
  ask(db: FlowDatabase): unknown[];
}

const ns = (sec: number): bigint => BigInt(DAY_BEGIN_SEC + sec) * 1_000_000_000n;

export function newest(filter: string, since: number | null = null, until: number | null = null): Asked {
  const bounds = [
    ...(since === null ? [] : ['--since', String(DAY_BEGIN_SEC + since)]),
    ...(until === null ? [] : ['--until', String(DAY_BEGIN_SEC + until)]),
  ];
  const query = {
    filter: parseFilter(filter),
    since: since === null ? null : ns(since),
    until: until === null ? null : ns(until),
    sort: 'start',
    descending: true,
    limit: 50,
    offset: 0,
  };
  return {
    name:
      `${filter}${since === null ? '' : ` --since ${since} s`}${until === null ? '' : ` --until ${until} s`}` ||
      'no filter',
    args: [filter, ...bounds],
    ask: (db) => [...queryFlows(db, query)],
  };
}

/** What indexes answer, and what has to look at the flows they find. */
export function points(): Asked[] {
  const noon = DAY_SEC / 2;
  return [
    newest(''),
    newest('host 10.1.7.208'),
    newest('host 172.16.0.0'),
    newest('src host 10.1.7.208 and dst port 443'),
    newest('port 2049'),
    newest('port 443'),
    { ...newest('port 443 and bytes > 1400k'), isSearch: true },
    newest('net 172.16.5.0/24'),
    newest('net 10.0.0.0/8'),
    newest('netns lab-3'),
    newest(`netns ${SHORT_NETNS}`),
    newest('netns lab-0 and host 10.1.7.208'),
    newest('route type blackhole'),
    newest('route type unreachable'),
    newest('route table main'),
    newest('route dev eth3'),
    newest('route prefix 172.16.16.0/20'),
    newest('host 172.16.0.0 and route type blackhole'),
    newest('flow 4711'),
    newest('', noon, noon + 60),
    newest('port 443', noon, noon + 60),
    newest('route type blackhole', noon, noon + 3600),
    newest('', DAY_SEC - 60),
  ];
}

export function addedUp(by: string[], since: number | null = null, until: number | null = null): Asked {
  const bounds =
    since === null
      ? []
      : ['--since', String(DAY_BEGIN_SEC + since), '--until', String(DAY_BEGIN_SEC + until!)];
  const query = {
    filter: null,
    since: since === null ? null : ns(since),
    until: until === null ? null : ns(until),
    by,
    sort: 'bytes',
    descending: true,
    limit: 10,
    offset: 0,
  };
  return {
    name: `--by ${by}${since === null ? '' : ' of an hour'}`,
    args: ['--by', by.join(), '--limit', '10', ...bounds],
    ask: (db) => [...queryBy(db, query)],
  };
}

/** Sums of an hour at noon. */
export function talkers(): Asked[] {
  const noon = DAY_SEC / 2;
  return [addedUp(['src', 'dst'], noon, noon + 3600), addedUp(['host'], noon, noon + 3600)];
}

/** Sums of all flows. */
export function sums(): Asked[] {
  return [addedUp(['src']), addedUp(['protocol']), addedUp(['netns']), addedUp(['src', 'dst'])];
}

/** Asks, with opening. @returns milliseconds */
export function askOnce(path: string, { ask }: Asked): number {
  const begin = performance.now();
  const db = openForReading(path);
  try {
    ask(db);
  } finally {
    db.close();
  }
  return performance.now() - begin;
}

/** Flows of the largest database of a run. */
export function largestOf({ flows = String(LARGEST), quick = false }: BenchOptions): number {
  return Number(flows) / (quick ? 100 : 1);
}

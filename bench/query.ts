import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseFilter } from '../cli/filter/parse.ts';
import { type FlowDatabase, openForReading } from '../storage/database.ts';
import { databaseFiles } from '../storage/partition-files.ts';
import { queryFlows } from '../storage/query.ts';
import { queryBy } from '../storage/query-by.ts';
import { exportToNfdump, hasNfdump, nfdumpTotals } from './nfdump-peer.ts';
import { DAY_BEGIN_SEC, DAY_SEC, makeFlowsDb, SHORT_NETNS } from './query-db.ts';
import { median, NSTAP, printTable } from './support.ts';

const ROUNDS = 7;
/** Of whole processes, and of what takes seconds. */
const SLOW_ROUNDS = 3;

/** Options of `npm run bench -- query`. */
export interface QueryBenchOptions {
  /** How many; 10 million when left out. */
  flows?: string;
  /** Of what is fast; 7 when left out. */
  rounds?: string;
  /** Where the database is kept from run to run. */
  folder?: string;
}

interface Asked {
  name: string;
  /** Of `nstap flows`. */
  args: string[];
  ask(db: FlowDatabase): unknown[];
}

/**
 * Queries of a day of flows: what finds few, the top talkers of an hour, and sums of all, beside nfdump on the same flows. The
 * database is made once, which takes some minutes and 350 MB a million.
 */
export async function run({
  flows = '10000000',
  rounds = String(ROUNDS),
  folder,
}: QueryBenchOptions = {}): Promise<void> {
  const count = Number(flows);
  const home = folder ?? join(tmpdir(), 'nstap-bench-query');
  mkdirSync(home, { recursive: true });
  const path = join(home, `flows-${count}.db`);
  const began = performance.now();
  makeFlowsDb(path, count, (written) => process.stderr.write(`\r${written} flows of ${count}`));
  const tookSec = (performance.now() - began) / 1000;
  const octets = databaseFiles(path).filter((file) => existsSync(file));
  process.stdout.write(`${count} flows, ${octets.length} files, ready after ${tookSec.toFixed(0)} s\n`);

  const fast = Number(rounds);
  const slow = Math.min(fast, SLOW_ROUNDS);
  measure(path, points(), fast, slow);
  measure(path, talkers(), slow, slow);
  measure(path, sums(), slow, 0);
  if (hasNfdump()) await peers(path, join(home, `nfdump-${count}`), slow);
  else process.stdout.write('nfdump is not installed: no ratio\n');
}

const ns = (sec: number): bigint => BigInt(DAY_BEGIN_SEC + sec) * 1_000_000_000n;

function newest(filter: string, since: number | null = null, until: number | null = null): Asked {
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

function points(): Asked[] {
  const noon = DAY_SEC / 2;
  return [
    newest(''),
    newest('host 10.1.7.208'),
    newest('host 172.16.0.0'),
    newest('src host 10.1.7.208 and dst port 443'),
    newest('port 2049'),
    newest('port 443'),
    newest('port 443 and bytes > 1400k'),
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

function addedUp(by: string[], since: number | null = null, until: number | null = null): Asked {
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

function talkers(): Asked[] {
  const noon = DAY_SEC / 2;
  return [addedUp(['src', 'dst'], noon, noon + 3600), addedUp(['host'], noon, noon + 3600)];
}

function sums(): Asked[] {
  return [addedUp(['src']), addedUp(['protocol']), addedUp(['netns']), addedUp(['src', 'dst'])];
}

function measure(path: string, all: Asked[], rounds: number, processes: number): void {
  const rows = all.map(({ name, args, ask }) => {
    evict(path);
    const first = timed(() => asked(path, ask));
    const before = process.cpuUsage();
    const times = Array.from({ length: rounds }, () => timed(() => asked(path, ask)));
    const { user, system } = process.cpuUsage(before);
    const cpu = (user + system) / 1000 / rounds;
    const words = [NSTAP, 'flows', ...args, '--db', path];
    const whole = Array.from({ length: processes }, () =>
      timed(() => spawnSync(process.execPath, words, { stdio: 'ignore' })),
    );
    const cells = [first, cpu, Math.min(...times), median(times), Math.max(...times)];
    return [
      name,
      ...cells.map((cell) => cell.toFixed(1)),
      whole.length === 0 ? '' : Math.min(...whole).toFixed(0),
    ];
  });
  process.stdout.write('\n');
  printTable(
    ['ms with opening', 'files not in memory', 'CPU', 'least', 'median', 'most', 'whole process, least'],
    rows,
  );
}

function asked(path: string, ask: Asked['ask']): void {
  const db = openForReading(path);
  try {
    ask(db);
  } finally {
    db.close();
  }
}

/** Takes the files out of the page cache. dd(1): nocache */
function evict(path: string): void {
  for (const file of databaseFiles(path))
    if (existsSync(file)) execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' });
}

async function peers(path: string, folder: string, rounds: number): Promise<void> {
  const file = await exportToNfdump(path, folder);
  const db = openForReading(path);
  const own = db
    .prepare('SELECT count(*) AS flows, sum(bytes_fwd + bytes_rev) AS bytes FROM flows')
    .get() as {
    flows: number;
    bytes: number;
  };
  db.close();
  const theirs = nfdumpTotals(file);
  process.stdout.write(
    `\nflows and octets: nstap ${own.flows} ${own.bytes}, nfdump ${theirs.flows} ${theirs.bytes}\n`,
  );
  if (own.flows !== theirs.flows || own.bytes !== theirs.bytes) throw new Error('not the same flows');
  const rows = [
    ['src', 'srcip'],
    ['protocol', 'proto'],
    ['src,dst', 'srcip,dstip'],
  ].map(([by, word]) => {
    const rank = by === 'src,dst' ? ['-A', word!, '-O', 'bytes'] : ['-s', `${word}/bytes`];
    const run = (words: string[], command: string): number =>
      Math.min(
        ...Array.from({ length: rounds }, () => timed(() => spawnSync(command, words, { stdio: 'ignore' }))),
      );
    const nstap = run([NSTAP, 'flows', '--by', by!, '--limit', '10', '--db', path], process.execPath);
    const nfdump = run(['-r', file, ...rank, '-n', '10'], 'nfdump');
    return [`--by ${by}`, (nstap / 1000).toFixed(2), (nfdump / 1000).toFixed(2), (nstap / nfdump).toFixed(2)];
  });
  printTable(['s a process, least', 'nstap', 'nfdump', 'ratio'], rows);
}

function timed(work: () => void): number {
  const before = performance.now();
  work();
  return performance.now() - before;
}

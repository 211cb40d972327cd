import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openForReading } from '../storage/database.ts';
import { databaseFiles } from '../storage/partition-files.ts';
import { exportToNfdump, hasNfdump, nfdumpTotals } from './nfdump-peer.ts';
import { makeFlowsDb } from './query-db.ts';
import { type Asked, askOnce, largestOf, points, sums, talkers } from './questions.ts';
import { type BenchOptions, Report } from './report.ts';
import { median, NSTAP, printTable } from './support.ts';

const ROUNDS = 7;
/** Of whole processes, and of what takes a second. */
const SLOW_ROUNDS = 3;
/** Of what takes ten and more, and of pairs with nfdump. */
const SUM_ROUNDS = 1;
const PAIRS = 2;

/**
 * Queries of a day of flows: what finds few, the top talkers of an hour, and sums of all, beside nfdump on the same flows. The
 * database is made once, which takes some minutes and 350 MB a million.
 */
export async function run(options: BenchOptions = {}, report = new Report()): Promise<void> {
  const { rounds = String(ROUNDS), folder } = options;
  const count = largestOf(options);
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
  const quick = measure(path, points(), fast, slow);
  const indexed = points().flatMap(({ isSearch }, i) => (isSearch ? [] : [quick[i]!]));
  const slowest = indexed.toSorted((a, b) => median(b) - median(a))[0]!;
  report.row('query.points', `the slowest point query of ${count} flows, with opening`, 'ms', slowest);
  for (const [i, asked] of points().entries())
    report.row(`query.${asked.name}`, `\`flows ${asked.name}\``, 'ms', quick[i]!);
  for (const [asked, times] of [
    ...zip(talkers(), measure(path, talkers(), slow, slow)),
    ...zip(sums(), measure(path, sums(), SUM_ROUNDS, 0)),
  ])
    report.row(`query.${asked.name}`, `\`flows ${asked.name}\``, 'ms', times);
  if (hasNfdump()) await peers(path, join(home, `nfdump-${count}`), PAIRS, report);
  else report.note('not found here: nfdump, so no ratio of queries');
}

function zip<A, B>(a: A[], b: B[]): [A, B][] {
  return a.map((each, i) => [each, b[i]!]);
}

/** @returns milliseconds of each round, of each question */
function measure(path: string, all: Asked[], rounds: number, processes: number): number[][] {
  const took: number[][] = [];
  const rows = all.map((question) => {
    const { name, args } = question;
    evict(path);
    const first = askOnce(path, question);
    const before = process.cpuUsage();
    const times = Array.from({ length: rounds }, () => askOnce(path, question));
    took.push(times);
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
  return took;
}

/** Takes the files out of the page cache. dd(1): nocache */
function evict(path: string): void {
  for (const file of databaseFiles(path))
    if (existsSync(file)) execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' });
}

async function peers(path: string, folder: string, rounds: number, report: Report): Promise<void> {
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
    const nstapWords = [NSTAP, 'flows', '--by', by!, '--limit', '10', '--db', path];
    const nfdumpWords = ['-r', file, ...rank, '-n', '10'];
    const pairs = Array.from({ length: rounds }, (): [number, number] => [
      timed(() => spawnSync(process.execPath, nstapWords, { stdio: 'ignore' })),
      timed(() => spawnSync('nfdump', nfdumpWords, { stdio: 'ignore' })),
    ]);
    const ratios = pairs.map(([nstap, nfdump]) => nstap / nfdump);
    report.row(`query.nfdump.${by}`, `nstap / nfdump, \`--by ${by}\` of all flows`, 'times', ratios);
    const cells = [
      median(pairs.map(([nstap]) => nstap / 1000)),
      median(pairs.map(([, nfdump]) => nfdump / 1000)),
    ];
    return [`--by ${by}`, ...cells.map((cell) => cell.toFixed(2)), median(ratios).toFixed(2)];
  });
  printTable(['s a process, median', 'nstap', 'nfdump', 'ratio'], rows);
}

function timed(work: () => void): number {
  const before = performance.now();
  work();
  return performance.now() - before;
}

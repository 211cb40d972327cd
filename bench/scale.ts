import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { databaseFiles } from '../storage/partition-files.ts';
import { DAY_SEC, makeFlowsDb } from './query-db.ts';
import { type Asked, addedUp, askOnce, largestOf, newest } from './questions.ts';
import { type BenchOptions, figure, Report } from './report.ts';
import { median, printTable } from './support.ts';

const SIZES = [1_000_000, 3_000_000];
const ROUNDS = 5;
const NOON = DAY_SEC / 2;

/** Short names of curves, and what is asked; of what takes seconds once. */
const QUESTIONS: [name: string, asked: Asked, rounds: number][] = [
  ['newest', newest(''), ROUNDS],
  ['host', newest('host 10.1.7.208'), ROUNDS],
  ['blackhole', newest('route type blackhole'), ROUNDS],
  ['flow', newest('flow 4711'), ROUNDS],
  ['hour', addedUp(['src', 'dst'], NOON, NOON + 3600), 1],
  ['all', addedUp(['src']), 1],
];

/**
 * Databases of more and more flows: records a second while they are written, octets a flow, and what questions take. All have eight
 * partitions, as retention makes them. The largest is left for the part `query` where a folder is given.
 */
export async function run(options: BenchOptions = {}, report = new Report()): Promise<void> {
  const largest = largestOf(options);
  const smaller = (options.quick ? SIZES.map((size) => size / 100) : SIZES).filter((size) => size < largest);
  measure([...smaller, largest], options, report);
}

/** @param sizes numbers of flows, in ascending order */
export function measure(sizes: readonly number[], options: BenchOptions, report: Report): void {
  const home = options.folder ?? join(tmpdir(), 'nstap-bench-scale');
  mkdirSync(home, { recursive: true });
  const largest = sizes.at(-1)!;
  const rows: string[][] = [];
  for (const flows of sizes) {
    const path = join(home, `flows-${flows}.db`);
    remove(path);
    const progress = (written: number): boolean => process.stderr.write(`\r${written} flows of ${flows}`);
    const seconds = makeFlowsDb(path, flows, progress)!;
    process.stderr.write('\n');
    const octets = databaseFiles(path).reduce(
      (sum, file) => sum + (existsSync(file) ? statSync(file).size : 0),
      0,
    );
    const name = flows.toLocaleString('en-US');
    report.row(`scale.${flows}.insert`, `writing ${name} flows`, 'records/s', [flows / seconds]);
    report.row(`scale.${flows}.size`, `database of ${name} flows, a flow`, 'octets', [octets / flows]);
    const times = QUESTIONS.map(([question, asked, rounds]) => {
      askOnce(path, asked); // pages into memory
      const list = Array.from({ length: rounds }, () => askOnce(path, asked));
      report.row(`scale.${flows}.${question}`, `\`flows ${asked.name}\` of ${name}`, 'ms', list);
      return median(list);
    });
    report.point('store', flows, {
      insert: flows / seconds,
      octets: octets / flows,
      ...Object.fromEntries(QUESTIONS.map(([question], i) => [question, times[i]!])),
    });
    rows.push([name, figure(flows / seconds), figure(octets / flows), ...times.map(figure)]);
    if (flows < largest || (options.folder === undefined && !options.keep)) remove(path);
  }
  const questions = QUESTIONS.map(([name]) => `${name}, ms`);
  printTable(['flows', 'records/s', 'octets a flow', ...questions], rows);
}

function remove(path: string): void {
  for (const file of databaseFiles(path)) rmSync(file, { force: true });
}

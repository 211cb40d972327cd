import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { databaseFiles, partitionPath } from '../storage/partition-files.ts';
import { FlowFiller, SUSTAINED_BATCHES } from './query-db.ts';
import { type BenchOptions, Report } from './report.ts';
import { median, printTable } from './support.ts';

const ROUNDS = 3;
const FLOWS = 200_000;
/** Batches in one transaction: of a writer that keeps up, and of one that is behind, which takes all that has arrived. */
const BATCHES = [1, SUSTAINED_BATCHES];
/** So many more flows go on being added to one file, to see what becomes of the cost; the last of them where there is a million. */
const SUSTAINED = 1_250_000;
const STEP = 250_000;

/**
 * What a flow record costs the writer, with all indexes: new flows, and later records of flows that are in the database; what becomes of
 * it while a file grows, and the octets of a flow. A flow has hosts, ports, namespaces and route decisions as in the part `query`. Making
 * the records is not counted.
 */
export async function run(_options: BenchOptions = {}, report = new Report()): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  try {
    const rows = BATCHES.flatMap((batches) => {
      const rounds = Array.from({ length: ROUNDS }, () => once(folder, batches));
      if (batches === 1) {
        report.row(
          'store.new',
          'a new record into SQLite',
          'us CPU',
          cpuOf(rounds.map(({ added }) => added)),
        );
        report.row(
          'store.later',
          'a later record of a flow',
          'us CPU',
          cpuOf(rounds.map(({ again }) => again)),
        );
      }
      return [
        costRow(
          `new flows, ${batches} batches a commit`,
          rounds.map(({ added }) => added),
        ),
        costRow(
          `later records of them, ${batches}`,
          rounds.map(({ again }) => again),
        ),
      ];
    });
    printTable([`us CPU a record, ${FLOWS}`, 'least', 'median', 'most', 'records a second'], rows);
    process.stdout.write('\n');
    sustained(folder, report);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Cost {
  cpuUs: number;
  wallUs: number;
}

function once(folder: string, batches: number): { added: Cost; again: Cost } {
  return withFiller(folder, FLOWS, batches, (filler) => ({
    added: costOf(filler, FLOWS, true),
    again: costOf(filler, FLOWS, false),
  }));
}

function sustained(folder: string, report: Report): void {
  withFiller(folder, SUSTAINED, BATCHES.at(-1)!, (filler, path) => {
    const rates: number[] = [];
    const rows = Array.from({ length: SUSTAINED / STEP }, (_, n) => {
      const { cpuUs, wallUs } = costOf(filler, STEP, true);
      rates.push(1e6 / wallUs);
      return [`${n * STEP} to ${(n + 1) * STEP}`, cpuUs.toFixed(1), (1e6 / wallUs).toFixed(0)];
    });
    printTable(['new flows into one file', 'us CPU', 'records a second'], rows);
    // Of the clock, each step while the file grows to a million flows, and what is added to that.
    report.row('store.insert', 'new records into SQLite, a second', 'records/s', rates.slice(0, -1));
    report.row(
      'store.insert.million',
      'the same into a file of a million flows',
      'records/s',
      rates.slice(-1),
    );
    process.stdout.write('\n');
    printTable(['octets a flow', 'unused'], octets(partitionPath(path, 1)));
  });
}

/** By table and index, of a file of SUSTAINED flows. https://sqlite.org/dbstat.html */
function octets(path: string): string[][] {
  const db = new Database(path, { readonly: true });
  try {
    const parts = db
      .prepare<[], { name: string; size: number; unused: number }>(
        'SELECT name, sum(pgsize) AS size, sum(unused) AS unused FROM dbstat GROUP BY name ORDER BY size DESC',
      )
      .all();
    const whole = parts.reduce((sum, { size }) => sum + size, 0);
    return [...parts.filter(({ size }) => size >= SUSTAINED), { name: 'all', size: whole, unused: 0 }].map(
      ({ name, size, unused }) => [
        `${name} ${(size / SUSTAINED).toFixed(1)}`,
        name === 'all' ? '' : (unused / SUSTAINED).toFixed(1),
      ],
    );
  } finally {
    db.close();
  }
}

function withFiller<T>(
  folder: string,
  flows: number,
  batches: number,
  work: (filler: FlowFiller, path: string) => T,
): T {
  const path = join(folder, 'store.db');
  const filler = new FlowFiller(path, flows, batches);
  try {
    return work(filler, path);
  } finally {
    filler.close();
    for (const file of databaseFiles(path)) rmSync(file, { force: true });
  }
}

function costOf(filler: FlowFiller, flows: number, isNew: boolean): Cost {
  const { cpuUs, wallUs } = { ...filler.spent };
  filler.write(flows, isNew);
  return { cpuUs: (filler.spent.cpuUs - cpuUs) / flows, wallUs: (filler.spent.wallUs - wallUs) / flows };
}

function cpuOf(costs: Cost[]): number[] {
  return costs.map(({ cpuUs }) => cpuUs);
}

function costRow(name: string, costs: Cost[]): string[] {
  const cpu = cpuOf(costs);
  const shown = [Math.min(...cpu), median(cpu), Math.max(...cpu)].map((us) => us.toFixed(1));
  return [name, ...shown, (1e6 / median(costs.map(({ wallUs }) => wallUs))).toFixed(0)];
}

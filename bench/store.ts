import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { databaseFiles } from '../storage/partition-files.ts';
import { FlowFiller } from './query-db.ts';
import { type BenchOptions, Report } from './report.ts';
import { median, printTable } from './support.ts';

const ROUNDS = 5;
const FLOWS = 200_000;

/**
 * What a flow record costs the writer, with all indexes: new flows, and later records of flows that are in the database. A flow has
 * hosts, ports, namespaces and route decisions as in the part `query`.
 */
export async function run(_options: BenchOptions = {}, report = new Report()): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  const costs: { inserted: number[]; updated: number[] } = { inserted: [], updated: [] };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const path = join(folder, `${round}.db`);
      const filler = new FlowFiller(path, FLOWS);
      costs.inserted.push(cpuUs(() => filler.write(FLOWS, true)));
      costs.updated.push(cpuUs(() => filler.write(FLOWS, false)));
      filler.close();
      for (const file of databaseFiles(path)) rmSync(file, { force: true });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  report.row('store.new', 'a new record into SQLite', 'us CPU', costs.inserted);
  report.row('store.later', 'a later record of a flow', 'us CPU', costs.updated);
  report.row(
    'store.insert',
    'new records into SQLite, a second',
    'records/s',
    costs.inserted.map((us) => 1e6 / us),
  );
  const row = (name: string, values: number[]): string[] => [
    name,
    Math.min(...values).toFixed(1),
    median(values).toFixed(1),
    Math.max(...values).toFixed(1),
  ];
  printTable(
    [`us CPU a record, ${FLOWS}`, 'least', 'median', 'most'],
    [row('new flows', costs.inserted), row('later records of them', costs.updated)],
  );
}

function cpuUs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / FLOWS;
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TableUsage } from '../cli/route-use.ts';
import { snapshotOfRoutes } from '../daemon/routes/load-snapshot.ts';
import { type FlowDatabase, openForReading } from '../storage/database.ts';
import type { FlowSelection } from '../storage/flow-arms.ts';
import { FlowBatch } from '../storage/flow-batch.ts';
import { readRouteUse } from '../storage/route-use.ts';
import { FlowWriter } from '../storage/writer.ts';
import { addRecord, captureInfo, decision, TEST_RUN } from '../test/storage/records.ts';
import { Random } from '../test/support/random.ts';
import { median, printTable } from './support.ts';

const FLOWS = 1_000_000;
const BATCH = 10_000;
const ROUTES = 1000;
const CAPTURES = 8;
const ROUNDS = 3;
const FLOWS_A_SECOND = 300;
const FIRST_SEC = 1_700_000_000;
const LAST_SEC = FIRST_SEC + FLOWS / FLOWS_A_SECOND;

/** `nstap routes` with counters: CPU of counting the flows of a namespace by its routes, in one pass, beside SQLite's own sums. */
export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  try {
    const path = join(folder, 'flows.db');
    fill(path);
    const all: FlowSelection = { filter: null, since: null, until: null };
    const late = { ...all, since: BigInt(Math.floor(LAST_SEC - 50_000 / FLOWS_A_SECOND)) * 1_000_000_000n };
    const rows = [
      measured(path, `${FLOWS} flows, ${ROUTES} routes`, (db) => count(db, all)),
      measured(path, 'of them the last 50,000', (db) => count(db, late)),
      measured(path, 'all, added up by SQLite', (db) =>
        db
          .prepare(
            `SELECT capture_id, route_fwd, route_rev, count(*), sum(packets_fwd), sum(packets_rev), sum(bytes_fwd), sum(bytes_rev)
             FROM flows GROUP BY 1, 2, 3`,
          )
          .raw()
          .all(),
      ),
    ];
    printTable(['', 'CPU ms'], rows);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function prefix(i: number): string {
  return `10.${i >> 8}.${i & 255}.0/24`;
}

function fill(path: string): void {
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  const list = Array.from({ length: ROUTES }, (_, i) =>
    decision({ prefix: prefix(i), gateway: '10.1.0.254', dev: `veth${i % CAPTURES}`, observed: 'agrees' }),
  );
  writer.write([
    ...Array.from(
      { length: CAPTURES },
      (_, i) => [channel, { type: 'capture', info: captureInfo(i, { interface: `veth${i}` }) }] as const,
    ),
    [channel, { type: 'decisions', base: 0, list }],
  ]);
  const next = new Random(1);
  // Few routes carry most.
  const route = (): number => Math.floor(next.fraction() ** 3 * ROUTES);
  for (let seq = 0; seq < FLOWS; ) {
    const batch = new FlowBatch(BATCH);
    for (let i = 0; i < BATCH; i++, seq++) {
      const start: [number, number] = [FIRST_SEC + Math.floor(seq / FLOWS_A_SECOND), 0];
      addRecord(batch, {
        seq,
        start,
        end: [start[0] + 1, 5],
        capture: next.below(CAPTURES),
        packets: [5, 4],
        bytes: [500, 400],
        route: [route(), route()],
      });
    }
    writer.write([[channel, { type: 'batch', batch }]]);
  }
  writer.close();
}

function count(db: FlowDatabase, selection: FlowSelection): void {
  const lines = Array.from(
    { length: ROUTES },
    (_, i) => `${prefix(i)} via 10.1.0.254 dev veth${i % CAPTURES} proto static`,
  );
  const usage = new TableUsage(snapshotOfRoutes(lines.join('\n'), 'bench'));
  readRouteUse(db, ['blue'], selection, usage);
  if (usage.gone.length > 0) throw new Error('bench: flows have routes that are not in the table');
}

function measured(path: string, name: string, work: (db: FlowDatabase) => unknown): [string, string] {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const db = openForReading(path);
    const before = process.cpuUsage();
    work(db);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
    db.close();
  }
  return [name, median(times).toFixed(0)];
}

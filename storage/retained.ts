import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import { databaseOctets, partitionPath, partitionRows } from './partition-files.ts';
import { flowSchemas } from './partition-views.ts';

/** What is counted of everything that retention has dropped; rows of `meta`. */
const COUNTS = ['dropped_partitions', 'dropped_flows', 'dropped_octets'] as const;
type DropCounts = Record<(typeof COUNTS)[number], number>;

/** What a database keeps, and what it no longer has. */
export interface Retained {
  partitions: number;
  /** Of all files. */
  octets: number;
  /** Nanoseconds since the epoch: from then on all flows that ended are kept; null when there are none. */
  fromNs: bigint | null;
  /** Since the database was made. */
  droppedPartitions: number;
  droppedFlows: number;
  droppedOctets: number;
}

/** What the database that is open in `db`, for reading, keeps. @throws StorageError */
export function readRetained(db: FlowDatabase): Retained {
  try {
    const partitions = partitionRows(db);
    const counts = droppedSoFar(db);
    return {
      partitions: partitions.length,
      octets: partitions.reduce(
        (sum, { number }) => sum + databaseOctets(partitionPath(db.name, number)),
        databaseOctets(db.name),
      ),
      fromNs: earliestEnd(db),
      droppedPartitions: counts.dropped_partitions,
      droppedFlows: counts.dropped_flows,
      droppedOctets: counts.dropped_octets,
    };
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

/** The earliest end of a flow in nanoseconds since the epoch: what lives on for long does not make the past longer. */
export function earliestEnd(db: FlowDatabase): bigint | null {
  // File by file: of all as one, SQLite would read every flow.
  const each = flowSchemas(db).map((schema) => `SELECT min(end_ns) AS end_ns FROM ${schema}.flows`);
  const sql = `SELECT min(end_ns) FROM (${each.join(' UNION ALL ')})`;
  return db.prepare<[], bigint | null>(sql).pluck().safeIntegers().get() ?? null;
}

/** Adds to what is counted as dropped; in whatever transaction is open. */
export function countDropped(db: FlowDatabase, counts: Partial<DropCounts>): void {
  const add = db.prepare<[string, number]>(
    'INSERT INTO main.meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value',
  );
  for (const [name, count] of Object.entries(counts)) add.run(name, count);
}

function droppedSoFar(db: FlowDatabase): DropCounts {
  const value = db.prepare<[string], number>('SELECT value FROM main.meta WHERE name = ?').pluck();
  return Object.fromEntries(COUNTS.map((name) => [name, value.get(name) ?? 0])) as DropCounts;
}

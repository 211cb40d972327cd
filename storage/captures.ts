import { COUNTER_COLUMNS } from './counter-columns.ts';
import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import type { CaptureCounters, CaptureInfo } from './messages.ts';

/** A capture point with what it counted, as far as it is in the database. */
export interface CaptureRow
  extends CaptureCounters,
    Pick<CaptureInfo, 'netns' | 'netnsId' | 'interface' | 'source' | 'file' | 'filter'> {
  /** 1: nothing more comes from it. 0: it goes on, or its run ended without having said so. */
  ended: 0 | 1;
}

/**
 * Every capture point of the database, oldest first. Counters of a running daemon are at most a second old.
 * @param runId only those of this run
 * @throws StorageError
 */
export function readCaptures(db: FlowDatabase, runId: number | null = null): CaptureRow[] {
  const counters = COUNTER_COLUMNS.map(([key, column]) => `${column} AS ${key}`);
  try {
    return db
      .prepare<[number | null], CaptureRow>(
        `SELECT netns, netns_id AS netnsId, interface, source, file, filter, ended, ${counters.join(', ')}
         FROM captures WHERE run_id = coalesce(?, run_id) ORDER BY capture_id`,
      )
      .all(runId);
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

/** A time in which an interface was not captured because an engine had ended. Nanoseconds since the epoch. */
export interface CaptureGap {
  netns: string | null;
  interface: string | null;
  /** Time of the last packet that was counted before; null: nothing is known of that capture. */
  fromNs: bigint | null;
  /** Time of the first packet after it, else when capture went on. */
  toNs: bigint;
  reason: string;
}

/** Gaps in what a run captured, oldest first. @throws StorageError */
export function readGaps(db: FlowDatabase, runId: number): CaptureGap[] {
  try {
    return db
      .prepare<[number], CaptureGap>(
        `SELECT netns, interface, from_ns AS fromNs, to_ns AS toNs, reason FROM capture_gaps
         WHERE run_id = ? ORDER BY capture_id`,
      )
      .safeIntegers()
      .all(runId);
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

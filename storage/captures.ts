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

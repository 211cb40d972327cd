import { loadSnapshot, type SnapshotSources } from '../daemon/routes/load-snapshot.ts';
import type { RouteSnapshot } from '../daemon/routes/snapshot.ts';
import { UsageError } from './errors.ts';

/** Flags that say whose routing is meant, and as of when. */
export interface SnapshotFlags extends SnapshotSources {
  netns: string;
  /** Time of the history to go back to, as `parseTime` takes it. */
  at?: string;
  /** Zone of that time where it has none. */
  tz?: string;
  /** Database with the history. */
  db?: string;
}

/**
 * The routing that the flags name: of files, or of the history. What is said about the history goes to stderr.
 * @returns null when they name neither: the live kernel is meant
 * @throws UsageError; RouteTextError, Error of node:fs for files; StorageError, RouteUpdateError for the history
 */
export async function namedSnapshot(flags: SnapshotFlags): Promise<RouteSnapshot | null> {
  if (flags.at === undefined) {
    if (flags.db !== undefined)
      throw new UsageError('--db names the database with the history, and needs --at beside it');
    if (flags.tz !== undefined) throw new UsageError('--tz is the zone of --at, and needs it beside it');
    return loadSnapshot(flags);
  }
  // Loaded by those only who ask: the binding of SQLite takes longer than to read a small table.
  const { pastSnapshot } = await import('./past-snapshot.ts');
  const { parseTimeZone } = await import('./time-zone.ts');
  return pastSnapshot(flags.netns, flags.at, flags.db, parseTimeZone(flags.tz));
}

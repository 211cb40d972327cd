import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import type { RouteAuditCounts, RouteMirrorCounts } from './messages.ts';

/** Counts and the run they are of. */
type OfRun<T> = T & { runId: number };

/** What the audits of each run, or of one, found in each namespace, oldest run first. @throws StorageError */
export function routeAudits(db: FlowDatabase, runId: number | null = null): OfRun<RouteAuditCounts>[] {
  return rows(db, 'route_audits', 'asked, agreed, disagreed, unasked', runId);
}

/** What was counted of a mirror, and updates of it that did not reach the database because it took nothing for too long. */
export type RouteMirrorRow = OfRun<RouteMirrorCounts> & { shedUpdates: number };

/** How each run, or one, followed the tables of each namespace, oldest run first. @throws StorageError */
export function routeMirrors(db: FlowDatabase, runId: number | null = null): RouteMirrorRow[] {
  const counts = 'resyncs, reloads, applied, interrupted, shed_updates AS shedUpdates';
  return rows(db, 'route_mirrors', counts, runId);
}

function rows<T>(db: FlowDatabase, table: string, counts: string, runId: number | null): T[] {
  try {
    return db
      .prepare<[number | null], T>(
        `SELECT run_id AS runId, netns, netns_id AS netnsId, ${counts} FROM ${table}
         WHERE run_id = coalesce(?, run_id) ORDER BY run_id, netns, netns_id`,
      )
      .all(runId);
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

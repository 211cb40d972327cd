import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import type { RouteAuditCounts, RouteMirrorCounts } from './messages.ts';

/** Counts and the run they are of. */
type OfRun<T> = T & { runId: number };

/** What the audits of each run found in each namespace, oldest run first. @throws StorageError */
export function routeAudits(db: FlowDatabase): OfRun<RouteAuditCounts>[] {
  return rows(db, 'route_audits', 'asked, agreed, disagreed, unasked');
}

/** What was counted of a mirror, and updates of it that did not reach the database because it took nothing for too long. */
export type RouteMirrorRow = OfRun<RouteMirrorCounts> & { shedUpdates: number };

/** How each run followed the tables of each namespace, oldest run first. @throws StorageError */
export function routeMirrors(db: FlowDatabase): RouteMirrorRow[] {
  return rows(db, 'route_mirrors', 'resyncs, reloads, applied, interrupted, shed_updates AS shedUpdates');
}

function rows<T>(db: FlowDatabase, table: string, counts: string): T[] {
  try {
    return db
      .prepare<[], T>(
        `SELECT run_id AS runId, netns, netns_id AS netnsId, ${counts} FROM ${table} ORDER BY run_id, netns, netns_id`,
      )
      .all();
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

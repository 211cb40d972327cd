import { listRoutes } from './list-routes.ts';
import { RouteTables } from './route-tables.ts';
import type { RouteShape } from './shapes.ts';
import type { RouteSnapshot } from './snapshot.ts';
import type { RouteContext, RouteUpdate } from './update.ts';
import { RouteUpdateError } from './update-codec.ts';

/**
 * The tables of a namespace after these updates, as one object.
 * @param updates in the order in which they were made; the first one is full. Each is taken when its turn comes, so that one
 *                at a time is in memory
 * @param takenAt for the snapshot, RFC 3339
 * @throws RouteUpdateError when the first one is not full, or one relies on what none before it told
 */
export function snapshotOfUpdates(updates: Iterable<RouteUpdate>, takenAt: string): RouteSnapshot {
  let context: RouteContext | null = null;
  let shapes: RouteShape[] = [];
  let tables = new RouteTables([], false);
  for (const update of updates) {
    if (update.isFull) {
      context = null;
      shapes = [];
      tables = new RouteTables([], false);
    }
    context = update.context ?? context;
    if (context === null) throw new RouteUpdateError('says what changed, but not what it was before');
    for (const { id, shape } of update.shapes) shapes[id] = shape;
    tables.apply(update.ops, 0, update.ops.length);
  }
  if (context === null) throw new RouteUpdateError('there is none');
  try {
    return { ...context, takenAt, routes: listRoutes(tables, shapes) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RouteUpdateError(error.message, { cause: error });
  }
}

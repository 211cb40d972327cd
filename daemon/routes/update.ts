import type { RouteShape } from './shapes.ts';
import type { RouteSnapshot } from './snapshot.ts';

/** Everything of a snapshot but the routes: what is small, and is sent whole when any of it changes. */
export type RouteContext = Omit<RouteSnapshot, 'routes'>;

/**
 * A change of a namespace's routing, as the thread that mirrors it tells those that decide by it. Plain data, to be sent to
 * another thread with the buffer of `ops` transferred. Updates must be applied in the order in which they were made.
 */
export interface RouteUpdate {
  /** The first of its namespace, or all of it anew: what was known before is to be forgotten. Has a context. */
  isFull: boolean;
  /** Wall clock, milliseconds since the epoch, at which the kernel had told the first of these changes. */
  atMs: number;
  /** Null when nothing but routes changed. */
  context: RouteContext | null;
  /** Shapes that `ops` name for the first time; a number that is defined anew has no route any more that is not in `ops`. */
  shapes: { id: number; shape: RouteShape }[];
  /** Operations of RouteOps. */
  ops: Int32Array<ArrayBuffer>;
}

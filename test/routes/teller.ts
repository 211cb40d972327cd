import { snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import { RouteOps } from '../../daemon/routes/route-tables.ts';
import { ShapeIndex } from '../../daemon/routes/shape-index.ts';
import type { RouteShape } from '../../daemon/routes/shapes.ts';
import type { RouteSnapshot } from '../../daemon/routes/snapshot.ts';
import type { RouteContext, RouteUpdate } from '../../daemon/routes/update.ts';
import { snapshotPrefix } from '../../daemon/routes/words.ts';
import { kernelSnapshot } from './router.ts';

/** Makes updates as a mirror does: shapes have numbers that hold from one update to the next. */
export class Teller {
  readonly #index = new ShapeIndex();
  readonly #told = new Set<number>();

  /** @param lines of `ip route show table all`: all routes of each prefix that changed; "del PREFIX" for none */
  update(lines: string[], more: Partial<RouteUpdate> = {}): RouteUpdate {
    const shapes: { id: number; shape: RouteShape }[] = [];
    const ops = new RouteOps();
    const lists = new Map<string, { words: Int32Array; len: number; list: number[] }>();
    for (const line of lines) {
      const isGone = line.startsWith('del ');
      const [route] = snapshotOfRoutes(isGone ? `${line.slice(4)} dev d0` : line, 'test').routes;
      const id = this.#index.idOf(route!);
      const key = `${route!.family} ${route!.table} ${route!.prefix}`;
      const entry = lists.get(key) ?? { ...snapshotPrefix(route!.prefix), list: [] };
      lists.set(key, entry);
      if (isGone) continue;
      entry.list.push(id);
      if (!this.#told.has(id)) shapes.push({ id, shape: this.#index.shapes[id]! });
      this.#told.add(id);
    }
    for (const [key, { words, len, list }] of lists) {
      const [family, table] = key.split(' ').map(Number);
      ops.add(family as 4 | 6, table!, words, len, list);
    }
    return { isFull: false, atMs: 0, context: null, shapes, ops: ops.take(), ...more };
  }
}

/** Everything but the routes of `kernelSnapshot`. */
export function contextOf(change: (snapshot: RouteSnapshot) => void = () => {}): RouteContext {
  const { routes: _, ...context } = kernelSnapshot('', change);
  return context;
}

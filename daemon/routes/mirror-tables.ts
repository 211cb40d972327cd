import { RT_TABLE_LOCAL } from '../kernel/netlink-constants.ts';
import type { ProbedRoute, ProbedRoutes } from '../netlink/probe.ts';
import { eachPrefix, listRoutes } from './list-routes.ts';
import { type RouteOrder, type RouteShape, sameSource } from './shapes.ts';
import { RouteOps, RouteTables } from './route-tables.ts';
import { ShapeIndex } from './shape-index.ts';
import type { SnapshotRoute } from './snapshot.ts';
import type { FibTable } from './tables.ts';

/** Shapes that no route has any more, kept at most: a route that goes and comes back finds its own again. */
const UNUSED_MAX = 1024;

/** What became of a notification. */
export const Applied = {
  /** The tables are as it says. */
  Yes: 0,
  /** They were so before. */
  NoChange: 1,
  /** Not certain where it belongs: the table has to be read anew. */
  Unclear: 2,
} as const;
export type Applied = (typeof Applied)[keyof typeof Applied];

/** A change of one route, as a notification tells it. */
export interface RouteChange {
  isRemoval: boolean;
  /** NLM_F_REPLACE: it takes the place of its equal. */
  isReplacement: boolean;
  /** It may be part of the tables already: it was told while they were read. */
  isRepeated: boolean;
}

/** The routes of a mirrored namespace, and what of them was not told to those who follow. */
export class MirrorTables implements ProbedRoutes {
  readonly index = new ShapeIndex();
  #tables = new RouteTables([], false);
  readonly #ops = new RouteOps();
  /** By number of a shape: those who follow know it. */
  readonly #told: boolean[] = [];
  #fresh: number[] = [];

  /** Routes in all tables. */
  get size(): number {
    return this.#tables.size;
  }

  /** Tables to read a dump into, for `settle`. */
  startOver(): RouteTables {
    return new RouteTables([], false);
  }

  /** Puts tables that a dump was read into in place of those before, and notes where they differ. */
  settle(fresh: RouteTables): void {
    const old = this.#tables;
    const prefix = new Int32Array(4);
    for (const family of [4, 6] as const) {
      const of = (tables: RouteTables): ReadonlyMap<number, FibTable> =>
        family === 4 ? tables.tables4 : tables.tables6;
      const store = fresh.store(family);
      for (const table of of(fresh).values()) {
        const before = of(old).get(table.id);
        table.each((id) => {
          store.prefix(id, prefix);
          const len = store.prefixLen(id);
          if (before !== undefined && sameRoutes(fresh, id, old, before.first(prefix, len), family)) return;
          this.#note(table, prefix, len, fresh.list(table, prefix, len));
        });
      }
      const oldStore = old.store(family);
      for (const table of of(old).values()) {
        const after = of(fresh).get(table.id);
        table.each((id) => {
          oldStore.prefix(id, prefix);
          const len = oldStore.prefixLen(id);
          if (after === undefined || after.first(prefix, len) === -1) this.#note(table, prefix, len, []);
        });
      }
    }
    this.#tables = fresh;
  }

  /**
   * Applies a notification.
   * @param prefix four words
   * @param shape  of the route it is about
   */
  change(
    family: 4 | 6,
    tableId: number,
    prefix: Int32Array,
    len: number,
    shape: number,
    how: RouteChange,
  ): Applied {
    const { orders } = this.index;
    const table = this.#tables.table(family, tableId);
    const list = this.#tables.list(table, prefix, len);
    const equals = list.filter((other) => isEqual(orders[other]!, orders[shape]!));
    const first = equals[0];
    if (how.isRemoval) {
      if (first === undefined) return how.isRepeated ? Applied.NoChange : Applied.Unclear;
      // An IPv6 multipath route is told hop by hop, so a removal is certain only of what is just the same.
      if (equals.length > 1 || !sameHops(this.index.shapes[first]!, this.index.shapes[shape]!))
        return Applied.Unclear;
      list.splice(list.indexOf(first), 1);
    } else if (first === undefined) {
      this.#tables.insert(table, prefix, len, shape, orders);
      this.#note(table, prefix, len, this.#tables.list(table, prefix, len));
      return Applied.Yes;
    } else if (equals.length === 1 && (how.isReplacement || (how.isRepeated && first === shape))) {
      if (first === shape) return Applied.NoChange;
      list[list.indexOf(first)] = shape;
    } else return Applied.Unclear;
    this.#tables.replace(table, prefix, len, list);
    this.#note(table, prefix, len, list);
    return Applied.Yes;
  }

  /** All changes since the last call: operations, and the shapes they name that were not told before. */
  take(): { shapes: { id: number; shape: RouteShape }[]; ops: Int32Array<ArrayBuffer> } {
    const shapes = this.#fresh.map((id) => ({ id, shape: this.index.shapes[id]! }));
    this.#fresh = [];
    return { shapes, ops: this.#ops.take() };
  }

  /**
   * Gives up shapes that no route has, when they are many. Only after `take`: operations may still name them before.
   * @returns true when there were some: their numbers mean nothing any more
   */
  releaseUnused(): boolean {
    const { uses } = this.#tables;
    const { shapes } = this.index;
    // Also those that were never told: what a message says of a route that goes, or that is read anew because of it.
    const unused: number[] = [];
    for (let id = 0; id < shapes.length; id++) if (!uses[id] && this.index.has(id)) unused.push(id);
    if (unused.length <= UNUSED_MAX) return false;
    for (const id of unused) {
      this.#told[id] = false;
      this.index.release(id);
    }
    return true;
  }

  /**
   * All routes as operations, with every shape that a later update may name without telling it: for somebody who knows
   * nothing yet.
   */
  full(): { shapes: { id: number; shape: RouteShape }[]; ops: Int32Array<ArrayBuffer> } {
    const ops = new RouteOps();
    eachPrefix(this.#tables, (table, prefix, len) =>
      ops.add(table.family, table.id, prefix, len, this.#tables.list(table, prefix, len)),
    );
    const shapes: { id: number; shape: RouteShape }[] = [];
    for (let id = 0; id < this.index.shapes.length; id++)
      if (this.#tables.uses[id] || this.#told[id]) shapes.push({ id, shape: this.index.shapes[id]! });
    return { shapes, ops: ops.take() };
  }

  /** All routes as objects, see `listRoutes`. */
  routes(): SnapshotRoute[] {
    return listRoutes(this.#tables, this.index.shapes);
  }

  /** The routes of the IPv4 table local for one address. */
  own4(): ProbedRoute[] {
    return this.#routesOf(4, RT_TABLE_LOCAL).filter(({ prefix }) => prefix.endsWith('/32'));
  }

  routes6(table: number): ProbedRoute[] {
    return this.#routesOf(6, table);
  }

  #routesOf(family: 4 | 6, tableId: number): ProbedRoute[] {
    const routes: ProbedRoute[] = [];
    const store = this.#tables.store(family);
    const table = (family === 4 ? this.#tables.tables4 : this.#tables.tables6).get(tableId);
    table?.each((id) => {
      routes.push({ type: this.index.shapes[store.shape(id)]!.type, prefix: store.prefixText(id) });
    });
    return routes;
  }

  #note(table: FibTable, prefix: Int32Array, len: number, list: readonly number[]): void {
    for (const id of list) {
      if (this.#told[id]) continue;
      this.#told[id] = true;
      this.#fresh.push(id);
    }
    this.#ops.add(table.family, table.id, prefix, len, list);
  }
}

/** What the kernel tells routes of one prefix and table apart by, beside their next hops. */
function isEqual(a: RouteOrder, b: RouteOrder): boolean {
  return a.tos === b.tos && a.metric === b.metric && sameSource(a, b);
}

/** True when the two lists are the same. @param a, b number of the first route of each, or -1 */
function sameRoutes(fresh: RouteTables, a: number, old: RouteTables, b: number, family: 4 | 6): boolean {
  const [storeA, storeB] = [fresh.store(family), old.store(family)];
  for (; a >= 0 && b >= 0; a = storeA.next(a), b = storeB.next(b))
    if (storeA.shape(a) !== storeB.shape(b)) return false;
  return a === b;
}

function sameHops(a: RouteShape, b: RouteShape): boolean {
  if (a.type !== b.type || a.nhid !== b.nhid || a.nextHops.length !== b.nextHops.length) return false;
  return a.nextHops.every((hop, i) => {
    const other = b.nextHops[i]!;
    return hop.ifIndex === other.ifIndex && hop.gateway === other.gateway && hop.weight === other.weight;
  });
}

import { samePrefix } from './prefix-hash.ts';
import type { RouteTables } from './route-tables.ts';
import type { FibTable } from './tables.ts';

/** In tables with more prefixes each source-specific route is taken to be doubtful. */
const PREFIXES_MAX = 100_000;

/**
 * The IPv6 routes with a source that the kernel may pass over. A prefix that has such routes alone is a node of the tree; where
 * the node was there before as the fork of two longer prefixes, it goes on naming one of their routes (fib6_add of
 * net/ipv6/ip6_fib.c keeps `fn->leaf`), and the lookup, which compares the destination with that, does not enter its sources
 * (fib6_node_lookup_1). In which order the routes were added, no dump tells.
 */
export class Subtrees {
  readonly #tables: RouteTables;
  /** What was found, by number of the route. */
  readonly #known = new Map<number, boolean>();
  readonly #at = new Int32Array(4);
  readonly #below = new Int32Array(4);

  constructor(tables: RouteTables) {
    this.#tables = tables;
  }

  /** The routes are others now. */
  clear(): void {
    this.#known.clear();
  }

  /** True when the kernel may pass over a source-specific route of an IPv6 table. */
  isDoubtful(table: FibTable, routeId: number): boolean {
    let isDoubtful = this.#known.get(routeId);
    if (isDoubtful === undefined) {
      isDoubtful = this.#find(table, routeId);
      this.#known.set(routeId, isDoubtful);
    }
    return isDoubtful;
  }

  #find(table: FibTable, routeId: number): boolean {
    const store = this.#tables.v6;
    const len = store.prefixLen(routeId);
    if (len === 0) return false;
    store.prefix(routeId, this.#at);
    for (let id = table.first(this.#at, len); id >= 0; id = store.next(id))
      if (table.shape(id).fromLen === 0) return false;
    if (table.size > PREFIXES_MAX) return true;
    let branches = 0;
    table.each((id) => {
      if (store.prefixLen(id) <= len) return;
      store.prefix(id, this.#below);
      if (samePrefix(this.#below, this.#at, len)) branches |= 1 << bitAt(this.#below, len);
    });
    return branches === 3;
  }
}

function bitAt(words: Int32Array, bit: number): number {
  return (words[bit >> 5]! >>> (31 - (bit & 31))) & 1;
}

import { maskWord } from './prefix-hash.ts';
import { R, type RouteStore } from './route-store.ts';
import type { RouteTables } from './route-tables.ts';
import type { RouteShape } from './shapes.ts';
import type { SnapshotRoute } from './snapshot.ts';
import type { FibTable } from './tables.ts';

/** Tables of a namespace hang in this many lists, by number. net/ipv4/fib_frontend.c FIB_TABLE_HASHSZ, net/ipv6/ip6_fib.c */
const TABLE_LISTS = 256;

/**
 * Calls back with each prefix that has routes, of all tables, in no order.
 * @param callback its `prefix` has four words, and is good until it returns
 */
export function eachPrefix(
  tables: RouteTables,
  callback: (table: FibTable, prefix: Int32Array, len: number) => void,
): void {
  const prefix = new Int32Array(4);
  for (const family of [tables.tables4, tables.tables6])
    for (const table of family.values()) {
      const store = tables.store(table.family);
      table.each((id) => {
        store.prefix(id, prefix);
        callback(table, prefix, store.prefixLen(id));
      });
    }
}

/**
 * All routes as objects, in the order in which the kernel dumps them, so that a table looks as `ip route` shows it: tables by
 * the list they hang in; IPv4 by address, and of one address the longest prefix first (net/ipv4/fib_trie.c fn_trie_dump_leaf);
 * IPv6 by address, and what is within a prefix before it (net/ipv6/ip6_fib.c fib6_walk_continue).
 * @param shapes by number
 * @throws RangeError for a route whose shape is not among them
 */
export function listRoutes(tables: RouteTables, shapes: readonly RouteShape[]): SnapshotRoute[] {
  const routes: SnapshotRoute[] = [];
  // A copy whose prefix is set takes half the time of an object put together, and most routes share few shapes.
  const blanks: SnapshotRoute[] = [];
  for (const family of [tables.tables4, tables.tables6]) {
    for (const table of [...family.values()].sort(compareTables)) {
      const store = tables.store(table.family);
      for (const first of sortedPrefixes(table, store)) {
        const prefix = store.prefixText(first);
        for (let id = first; id >= 0; id = store.next(id)) {
          const number = store.shape(id);
          blanks[number] ??= blankOf(shapes[number], number, prefix);
          const route = { ...blanks[number] };
          route.prefix = prefix;
          routes.push(route);
        }
      }
    }
  }
  return routes;
}

/** The route of a shape, with a prefix to be replaced, and its keys in the order of `parseRoute`. */
function blankOf(shape: RouteShape | undefined, number: number, prefix: string): SnapshotRoute {
  if (shape === undefined) throw new RangeError(`${prefix}: no shape ${number}`);
  const { family, type, table, ...rest } = shape;
  return { family, type, table, prefix, ...rest };
}

function compareTables(a: FibTable, b: FibTable): number {
  return (a.id % TABLE_LISTS) - (b.id % TABLE_LISTS) || a.id - b.id;
}

/** Numbers of the first routes of all prefixes of a table. */
function sortedPrefixes(table: FibTable, store: RouteStore): Int32Array {
  const ids = new Int32Array(table.size);
  let count = 0;
  table.each((id) => {
    ids[count++] = id;
  });
  return ids.sort((a, b) => comparePrefixes(store, a, b));
}

function comparePrefixes({ words, shift, family }: RouteStore, a: number, b: number): number {
  const atA = a << shift;
  const atB = b << shift;
  const lenA = words[atA + R.len]! & 0xff;
  const lenB = words[atB + R.len]! & 0xff;
  // Unused bits are zero, so whole addresses can be compared.
  const bits = family === 4 ? 32 : Math.min(lenA, lenB);
  for (let i = 0; i * 32 < bits; i++) {
    const mask = maskWord(bits, i);
    const wordA = words[atA + R.dst + i]! & mask;
    const wordB = words[atB + R.dst + i]! & mask;
    if (wordA !== wordB) return wordA >>> 0 < wordB >>> 0 ? -1 : 1;
  }
  return lenB - lenA;
}

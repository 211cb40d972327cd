import { LpmTable } from './lpm.ts';
import { maskWord, samePrefix } from './prefix-hash.ts';
import { R, type RouteStore } from './route-store.ts';
import { select6, select6Hop } from './select6.ts';
import { type CompiledRoute, IPTOS_RT_MASK, sameSource } from './shapes.ts';

/** One routing table of one family. */
export class FibTable {
  readonly id: number;
  readonly family: 4 | 6;
  /** Of the route that was found: which next hop, -1 when the route has none (reject routes); its number in the store; and
   *  its prefix length. */
  hop = -1;
  routeId = -1;
  prefixLen = -1;
  /** Length of the prefix at which the last find4 left the leaf, or -1. */
  missed4 = -1;
  readonly #lpm: LpmTable;
  readonly #store: RouteStore;
  readonly #shapes: readonly CompiledRoute[];

  /**
   * @param store  takes the routes of all tables of the family
   * @param shapes by number; may grow and change later
   * @param searched false: the table is only written and listed, not asked for a route
   */
  constructor(id: number, store: RouteStore, shapes: readonly CompiledRoute[], searched: boolean) {
    this.id = id;
    this.family = store.family;
    this.#store = store;
    this.#shapes = shapes;
    this.#lpm = new LpmTable(store.family === 4 ? 1 : 4, searched);
  }

  /** Prefixes in the table. */
  get size(): number {
    return this.#lpm.size;
  }

  /**
   * Gives a prefix its routes in the order in which the kernel looks at them; none takes it out.
   * @param words  holds the prefix from `at` on, one word or four, and the numbers of `count` shapes from `first` on
   */
  set(words: Int32Array, at: number, len: number, first: number, count: number): void {
    const store = this.#store;
    const prefix = words.subarray(at, at + (this.family === 4 ? 1 : 4));
    const head = this.#lpm.get(prefix, len);
    let spare = head === -1 ? -1 : store.next(head);
    if (count === 0) {
      if (head === -1) return;
      this.#lpm.remove(prefix, len);
      store.remove(head);
    } else if (head === -1) {
      this.#lpm.insert(prefix, len, store.add(words, at, len, words[first]!));
    } else {
      // The first route keeps its number, so that nothing but this word changes for lookups.
      store.put(head, words[first]!, 0);
    }
    for (; spare !== -1; ) {
      const next = store.next(spare);
      store.remove(spare);
      spare = next;
    }
    if (count < 2) return;
    let last = this.#lpm.get(prefix, len);
    for (let i = 1; i < count; i++) {
      const id = store.add(words, at, len, words[first + i]!);
      store.words[(last << store.shift) + R.next] = id + 1;
      last = id;
    }
  }

  /** Calls back with the number of the first route of each prefix, in no order. */
  each(callback: (routeId: number) => void): void {
    this.#lpm.each(callback);
  }

  /** Number of the first route of exactly this prefix, or -1; the others follow by `RouteStore.next`. */
  first(prefix: Int32Array, len: number): number {
    return this.#lpm.get(prefix, len);
  }

  /** Number of the next route of the same prefix, or -1. */
  next(routeId: number): number {
    return this.#store.next(routeId);
  }

  /** The shape of a route. */
  shape(routeId: number): CompiledRoute {
    return this.#shapes[this.#store.shape(routeId)]!;
  }

  /** The prefix of a route as text. */
  prefixText(routeId: number): string {
    return this.#store.prefixText(routeId);
  }

  /**
   * The IPv4 lookup. net/ipv4/fib_trie.c fib_table_lookup
   * @param oif next hops must go there; 0 for any
   * @returns the route, with `hop`, `routeId` and `prefixLen` set; null for none. A route that throws is returned too.
   */
  find4(dst: Int32Array, tos: number, oif: number, maxLen: number): CompiledRoute | null {
    const lpm = this.#lpm;
    this.missed4 = -1;
    for (let id = lpm.find(dst, maxLen); id >= 0; id = lpm.find(dst, lpm.matchedLen - 1)) {
      if (this.missed4 !== -1 && isSameLeaf4(dst[0]!, this.missed4, lpm.matchedLen)) continue;
      const { words } = this.#store;
      for (let at = id; at >= 0; at = words[(at << 3) + R.next]! - 1) {
        const route = this.#shapes[words[(at << 3) + R.shape]!]!;
        if (this.#isUsable4(route, tos, oif)) {
          this.routeId = at;
          this.prefixLen = lpm.matchedLen;
          return route;
        }
        if (route.route.nhid === null || !tosMatches(route, tos)) continue;
        // No next hop of a nexthop object will do: the kernel leaves the leaf, which holds all prefixes that begin with the
        // same address ("goto miss"), and does not look at what else is in it.
        this.missed4 = lpm.matchedLen;
        break;
      }
    }
    return null;
  }

  /** True when the IPv4 lookup ends with this route; sets `hop`. */
  #isUsable4(route: CompiledRoute, tos: number, oif: number): boolean {
    if (!tosMatches(route, tos)) return false;
    this.hop = -1;
    if (route.rejects || route.throws || route.hopCount === 0) return true;
    if (route.usable && (oif === 0 || route.ifIndex === oif)) {
      this.hop = 0;
      return true;
    }
    for (let n = 1; n < route.hopCount; n++) {
      const hop = route.hops[n]!;
      if (!hop.usable || (oif !== 0 && hop.ifIndex !== oif)) continue;
      this.hop = n;
      return true;
    }
    return false;
  }

  /**
   * The IPv6 lookup. net/ipv6/route.c fib6_table_lookup, rt6_score_route; the neighbours' state is not known here.
   * @param oif    prefers (or with `strict` demands) next hops there; 0 for any
   * @param strict a destination that only means something on its link
   * @returns as `find4`
   */
  find6(dst: Int32Array, src: Int32Array, oif: number, strict: boolean): CompiledRoute | null {
    const lpm = this.#lpm;
    // Backtracking looks at routes without a source, where the way down does not: see below.
    let isBacktracking = false;
    for (let id = lpm.find(dst, 128); id >= 0; id = lpm.find(dst, lpm.matchedLen - 1)) {
      this.prefixLen = lpm.matchedLen;
      const { words } = this.#store;
      const first = this.#shapes[words[(id << 4) + R.shape]!]!;
      const isPlain = words[(id << 4) + R.next] === 0 && first.fromLen === 0 && first.hopCount === 1;
      if (isPlain && !first.rejects && !first.throws) {
        // What follows would say the same; this is a tenth faster in a large table.
        if (first.usable && (!strict || oif === 0 || first.ifIndex === oif)) {
          this.hop = 0;
          this.routeId = id;
          return first;
        }
        isBacktracking = true;
        continue;
      }
      // Source-specific routes stand in front, longest source first; each source prefix is a node of its own. Where none
      // of them has the source, the kernel goes on with a shorter destination, and passes over this one's routes without
      // a source (fib6_node_lookup_1: "if (!sfn) goto backtrack"); not so when it is on its way back up (fib6_backtrack), nor
      // at the root, which is where it looks when it found nothing (fib6_node_lookup).
      let isEntered = isBacktracking || first.fromLen === 0 || lpm.matchedLen === 0;
      for (let start = id; start >= 0; ) {
        const source = this.#shapes[words[(start << 4) + R.shape]!]!;
        const end = this.#endOfSource(start, source);
        if (source.fromLen === 0 ? isEntered : samePrefix(src, source.fromWords, source.fromLen)) {
          isEntered = true;
          isBacktracking = true;
          this.hop = -1;
          const found = select6(this.#store, this.#shapes, start, end, oif, strict);
          if (found >= 0) {
            this.hop = select6Hop;
            this.routeId = found;
            return this.shape(found);
          }
        }
        start = end;
      }
    }
    return null;
  }

  /** Number of the first route behind `start` that has another source prefix, or -1. */
  #endOfSource(start: number, source: CompiledRoute): number {
    let id = this.#store.next(start);
    while (id >= 0 && sameSource(this.#shapes[this.#store.shape(id)]!, source)) id = this.#store.next(id);
    return id;
  }
}

function tosMatches(route: CompiledRoute, tos: number): boolean {
  return route.tos === 0 || route.tos === (tos & IPTOS_RT_MASK);
}

/** True when the prefixes of both lengths that hold `word` begin with the same address. */
export function isSameLeaf4(word: number, longer: number, shorter: number): boolean {
  return (word & (maskWord(longer, 0) ^ maskWord(shorter, 0))) === 0;
}

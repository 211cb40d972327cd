import type { LinkTable } from './links.ts';
import { LpmTable, maskWord } from './lpm.ts';
import { select6, select6Hop } from './select6.ts';
import type { SnapshotNextHop, SnapshotRoute } from './snapshot.ts';
import { snapshotPrefix } from './words.ts';

/** Bits of a TOS octet that an IPv4 route or `tos` rule compares: IPTOS_RT_MASK without the ECN bit. linux/in_route.h */
export const IPTOS_RT_MASK = 0x1c;

/** Routes whose lookup ends with an error: fib_props of net/ipv4/fib_semantics.c. */
const REJECT_TYPES: ReadonlySet<string> = new Set(['blackhole', 'unreachable', 'prohibit']);

/** A next hop and what may be sent by it. */
export interface CompiledHop {
  hop: SnapshotNextHop;
  ifIndex: number;
  /** False when dead, or without carrier where the interface ignores such routes. */
  usable: boolean;
}

/** A route ready for lookups. */
export interface CompiledRoute {
  /** Number within the engine. */
  index: number;
  route: SnapshotRoute;
  prefixLen: number;
  /** The lookup ends here with an error. */
  rejects: boolean;
  /** The lookup in this table ends here, and the next rule is tried. */
  throws: boolean;
  tos: number;
  metric: number;
  /** Score of an IPv6 router preference: low 1, medium 2, high 3. net/ipv6/route.c IPV6_DECODE_PREF */
  preference: number;
  /** Source prefix of an IPv6 route; length 0 for none. */
  fromWords: Int32Array;
  fromLen: number;
  hops: CompiledHop[];
  /** RTN_* in lower case, and the table: as in `route`. What a lookup reads is here, so that it loads one object. */
  type: string;
  table: number;
  /** How many `hops` there are, and of the first: interface (0 for none) and whether it may be used. */
  hopCount: number;
  ifIndex: number;
  usable: boolean;
  /** All routes of the prefix in the order in which the kernel looks at them, this one first; null when it is alone. */
  siblings: CompiledRoute[] | null;
  /** Local only because the text of `ip route` has it as a preferred source. */
  isInferred: boolean;
}

/** Of all routes that are not source-specific; a typed array each would be most of a large table's memory. */
const ANY_SOURCE = new Int32Array(4);

/** Makes a route ready. @throws RangeError for a source prefix that is none */
export function compileRoute(
  route: SnapshotRoute,
  prefixLen: number,
  index: number,
  links: LinkTable,
  ignoresLinkdown: (family: 4 | 6, ifIndex: number) => boolean,
  isInferred: boolean,
): CompiledRoute {
  const from = route.from === null ? null : snapshotPrefix(route.from);
  const hops = route.nextHops.map((hop): CompiledHop => {
    const ifIndex = hop.ifIndex !== 0 ? hop.ifIndex : hop.dev === null ? 0 : links.addName(hop.dev);
    const ignored = hop.linkdown && ignoresLinkdown(route.family, ifIndex);
    return { hop, ifIndex, usable: !hop.dead && !ignored };
  });
  return {
    index,
    route,
    prefixLen,
    rejects: REJECT_TYPES.has(route.type) || route.nhBlackhole === true,
    throws: route.type === 'throw',
    tos: route.tos,
    metric: route.metric ?? 0,
    preference: route.pref === 'high' ? 3 : route.pref === 'low' ? 1 : 2,
    fromWords: from?.words ?? ANY_SOURCE,
    fromLen: from?.len ?? 0,
    hops,
    type: route.type,
    table: route.table,
    hopCount: hops.length,
    ifIndex: hops[0]?.ifIndex ?? 0,
    usable: hops[0]?.usable ?? false,
    siblings: null,
    isInferred,
  };
}

/** True when the first `len` bits are equal. */
export function samePrefix(a: Int32Array, b: Int32Array, len: number): boolean {
  for (let i = 0; i * 32 < len; i++) if (((a[i]! ^ b[i]!) & maskWord(len, i)) !== 0) return false;
  return true;
}

/** One routing table of one family. */
export class FibTable {
  readonly id: number;
  readonly family: 4 | 6;
  /** Which next hop of the route that was found; -1 when the route has none (reject routes). */
  hop = -1;
  /** Length of the prefix at which the last find4 left the leaf, or -1. */
  missed4 = -1;
  /** Routes in the table. */
  size = 0;
  readonly #lpm: LpmTable;
  /** The list of a prefix's only route, as `#routesOf` gives it. */
  readonly #single: CompiledRoute[] = [];
  /** By the prefix's number: the first of its routes. */
  readonly #leaves: CompiledRoute[] = [];

  constructor(id: number, family: 4 | 6) {
    this.id = id;
    this.family = family;
    this.#lpm = new LpmTable(family === 4 ? 1 : 4);
  }

  /**
   * Adds a route behind those that the kernel looks at first, and behind its equals.
   * @param words its prefix
   */
  add(compiled: CompiledRoute, words: Int32Array): void {
    const len = compiled.prefixLen;
    const leaf = this.#lpm.get(words, len);
    if (leaf === -1) {
      this.#lpm.insert(words, len, this.#leaves.push(compiled) - 1);
      this.size++;
      return;
    }
    const first = this.#leaves[leaf]!;
    const routes = first.siblings ?? [first];
    first.siblings = null;
    let at = routes.length;
    while (at > 0 && goesBefore(compiled, routes[at - 1]!)) at--;
    routes.splice(at, 0, compiled);
    routes[0]!.siblings = routes;
    this.#leaves[leaf] = routes[0]!;
    this.size++;
  }

  /**
   * The IPv4 lookup. net/ipv4/fib_trie.c fib_table_lookup
   * @param oif next hops must go there; 0 for any
   * @returns the route, with `hop` set; null for none. A route that throws is returned too.
   */
  find4(dst: Int32Array, tos: number, oif: number, maxLen: number): CompiledRoute | null {
    this.missed4 = -1;
    for (
      let leaf = this.#lpm.find(dst, maxLen);
      leaf >= 0;
      leaf = this.#lpm.find(dst, this.#lpm.matchedLen - 1)
    ) {
      if (this.missed4 !== -1 && isSameLeaf4(dst[0]!, this.missed4, this.#lpm.matchedLen)) continue;
      const routes = this.#routesOf(leaf);
      for (let i = 0; i < routes.length; i++) {
        const route = routes[i]!;
        if (this.#isUsable4(route, tos, oif)) return route;
        if (route.route.nhid === null || !tosMatches(route, tos)) continue;
        // No next hop of a nexthop object will do: the kernel leaves the leaf, which holds all prefixes that begin with the
        // same address ("goto miss"), and does not look at what else is in it.
        this.missed4 = this.#lpm.matchedLen;
        break;
      }
    }
    return null;
  }

  /** The routes of a prefix, in order; the list is good until the next call. */
  #routesOf(leaf: number): readonly CompiledRoute[] {
    const first = this.#leaves[leaf]!;
    if (first.siblings !== null) return first.siblings;
    this.#single[0] = first;
    return this.#single;
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
   */
  find6(dst: Int32Array, src: Int32Array, oif: number, strict: boolean): CompiledRoute | null {
    // Backtracking looks at routes without a source, where the way down does not: see below.
    let isBacktracking = false;
    for (
      let leaf = this.#lpm.find(dst, 128);
      leaf >= 0;
      leaf = this.#lpm.find(dst, this.#lpm.matchedLen - 1)
    ) {
      const first = this.#leaves[leaf]!;
      const isPlain = first.siblings === null && first.fromLen === 0 && first.hopCount === 1;
      if (isPlain && !first.rejects && !first.throws) {
        // What follows would say the same; this is a tenth faster in a large table.
        if (first.usable && (!strict || oif === 0 || first.ifIndex === oif)) {
          this.hop = 0;
          return first;
        }
        isBacktracking = true;
        continue;
      }
      const routes = this.#routesOf(leaf);
      // Source-specific routes stand in front, longest source first; each source prefix is a node of its own. Where none
      // of them has the source, the kernel goes on with a shorter destination, and passes over this one's routes without
      // a source (fib6_node_lookup_1: "if (!sfn) goto backtrack"); not so when it is on its way back up (fib6_backtrack), nor
      // at the root, which is where it looks when it found nothing (fib6_node_lookup).
      let isEntered = isBacktracking || routes[0]!.fromLen === 0 || this.#lpm.matchedLen === 0;
      for (let start = 0; start < routes.length; ) {
        const source = routes[start]!;
        let end = start + 1;
        while (end < routes.length && sameSource(routes[end]!, source)) end++;
        if (source.fromLen === 0 ? isEntered : samePrefix(src, source.fromWords, source.fromLen)) {
          isEntered = true;
          isBacktracking = true;
          this.hop = -1;
          const found = select6(routes, start, end, oif, strict);
          if (found !== null) {
            this.hop = select6Hop;
            return found;
          }
        }
        start = end;
      }
    }
    return null;
  }
}

function tosMatches(route: CompiledRoute, tos: number): boolean {
  return route.tos === 0 || route.tos === (tos & IPTOS_RT_MASK);
}

/** True when the prefixes of both lengths that hold `word` begin with the same address. */
export function isSameLeaf4(word: number, longer: number, shorter: number): boolean {
  return (word & (maskWord(longer, 0) ^ maskWord(shorter, 0))) === 0;
}

function sameSource(a: CompiledRoute, b: CompiledRoute): boolean {
  return a.fromLen === b.fromLen && samePrefix(a.fromWords, b.fromWords, a.fromLen);
}

/** The kernel's order within one prefix: IPv4 by TOS down and metric up, IPv6 by source down and metric up. */
function goesBefore(a: CompiledRoute, b: CompiledRoute): boolean {
  if (a.route.family === 4) return a.tos !== b.tos ? a.tos > b.tos : a.metric < b.metric;
  if (a.fromLen !== b.fromLen) return a.fromLen > b.fromLen;
  if (!sameSource(a, b)) {
    for (let i = 0; i < 4; i++)
      if (a.fromWords[i] !== b.fromWords[i]) return a.fromWords[i]! < b.fromWords[i]!;
  }
  return a.metric < b.metric;
}

import type { LinkTable } from './links.ts';
import { samePrefix } from './prefix-hash.ts';
import type { SnapshotNextHop, SnapshotRoute } from './snapshot.ts';
import { snapshotPrefix } from './words.ts';

/** Bits of a TOS octet that an IPv4 route or `tos` rule compares: IPTOS_RT_MASK without the ECN bit. linux/in_route.h */
export const IPTOS_RT_MASK = 0x1c;

/** Routes whose lookup ends with an error: fib_props of net/ipv4/fib_semantics.c. */
const REJECT_TYPES: ReadonlySet<string> = new Set(['blackhole', 'unreachable', 'prohibit']);

/**
 * A route without its prefix. Large tables have a million prefixes and few shapes (one for each next hop, protocol and
 * metric in use), so a route is its prefix and the number of a shape.
 */
export interface RouteShape extends Omit<SnapshotRoute, 'prefix'> {
  /** Local only because the text of `ip route` has it as a preferred source; absent means no. */
  isInferred?: boolean;
}

/** True for an IPv4 route of type local that somebody added: net->ipv4.fib_has_custom_local_routes. */
export function isCustomLocal({ family, type, protocol }: RouteShape): boolean {
  return family === 4 && type === 'local' && protocol !== 'kernel';
}

/** A next hop and what may be sent by it. */
export interface CompiledHop {
  hop: SnapshotNextHop;
  ifIndex: number;
  /** False when dead, or without carrier where the interface ignores such routes. */
  usable: boolean;
}

/** A shape ready for lookups. */
export interface CompiledRoute {
  route: RouteShape;
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
  /** RTN_* in lower case, and the table: as in `route`. */
  type: string;
  table: number;
  /** How many `hops` there are, and of the first: interface (0 for none) and whether it may be used. */
  hopCount: number;
  ifIndex: number;
  usable: boolean;
  isInferred: boolean;
}

/** Of all routes that are not source-specific. */
const ANY_SOURCE = new Int32Array(4);

/** Makes a shape ready. @throws RangeError for a source prefix that is none */
export function compileShape(
  route: RouteShape,
  links: LinkTable,
  ignoresLinkdown: (family: 4 | 6, ifIndex: number) => boolean,
): CompiledRoute {
  const from = route.from === null ? null : snapshotPrefix(route.from);
  const hops = route.nextHops.map((hop): CompiledHop => {
    const ifIndex = hop.ifIndex !== 0 ? hop.ifIndex : hop.dev === null ? 0 : links.addName(hop.dev);
    const ignored = hop.linkdown && ignoresLinkdown(route.family, ifIndex);
    return { hop, ifIndex, usable: !hop.dead && !ignored };
  });
  return {
    route,
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
    isInferred: route.isInferred === true,
  };
}

/** What the kernel orders the routes of one prefix by, and tells them apart by. */
export interface RouteOrder {
  family: 4 | 6;
  tos: number;
  metric: number;
  fromWords: Int32Array;
  fromLen: number;
}

/** The order of a shape. @throws RangeError for a source prefix that is none */
export function orderOf(shape: RouteShape): RouteOrder {
  const from = shape.from === null ? null : snapshotPrefix(shape.from);
  return {
    family: shape.family,
    tos: shape.tos,
    metric: shape.metric ?? 0,
    fromWords: from?.words ?? ANY_SOURCE,
    fromLen: from?.len ?? 0,
  };
}

/** True when the two have the same source prefix. */
export function sameSource(
  a: Pick<RouteOrder, 'fromLen' | 'fromWords'>,
  b: Pick<RouteOrder, 'fromLen' | 'fromWords'>,
): boolean {
  return a.fromLen === b.fromLen && samePrefix(a.fromWords, b.fromWords, a.fromLen);
}

/**
 * The kernel's order within one prefix: IPv4 by TOS down and metric up (net/ipv4/fib_trie.c fib_insert_alias), IPv6 by
 * source down and metric up (net/ipv6/ip6_fib.c fib6_add_rt2node).
 * @returns below 0 when `a` is looked at first, 0 for equals, which stay in the order in which they were added
 */
export function compareRoutes(a: RouteOrder, b: RouteOrder): number {
  if (a.family === 4) return a.tos !== b.tos ? b.tos - a.tos : a.metric - b.metric;
  if (a.fromLen !== b.fromLen) return b.fromLen - a.fromLen;
  if (!sameSource(a, b)) {
    for (let i = 0; i < 4; i++)
      if (a.fromWords[i] !== b.fromWords[i]) return a.fromWords[i]! < b.fromWords[i]! ? -1 : 1;
  }
  return a.metric - b.metric;
}

import type { Answer } from './answer.ts';
import type { LinkTable } from './links.ts';
import type { Resolver } from './resolve.ts';
import { Doubt } from './rules.ts';
import { type CompiledRoute, IPTOS_RT_MASK } from './shapes.ts';

/**
 * Chooses among several next hops: the one that is demanded or that the packet was seen leaving by; else the answer keeps
 * the one that the lookup found, and says that this is an assumption. The kernel chooses by a hash with a seed that it keeps
 * to itself: fib_select_multipath of net/ipv4/fib_semantics.c, fib6_select_path of net/ipv6/route.c, nexthop_select_path of
 * net/ipv4/nexthop.c.
 * @param seen interface that the packet was seen leaving by; 0 when it was not
 * @param leg  the next hop to take where it can be used; -1 for any
 * @param only interface that next hops must be on; 0 for any
 * @returns true when the hash decides
 */
export function chooseHop(
  route: CompiledRoute,
  seen: number,
  leg: number,
  only: number,
  links: LinkTable,
  a: Answer,
): boolean {
  let hasOthers = false;
  let first = -1;
  let seenHops = 0;
  let seenHop = -1;
  for (let i = 0; i < route.hops.length; i++) {
    const hop = route.hops[i]!;
    if (!hop.usable || (only !== 0 && hop.ifIndex !== only)) continue;
    if (i === leg) {
      a.hop = i;
      return false;
    }
    if (first === -1) first = i;
    else if (!isSameHop(route, first, i)) hasOthers = true;
    if (seen === 0 || !links.carries(hop.ifIndex, seen)) continue;
    if (seenHops++ === 0) seenHop = i;
  }
  if (seenHop !== -1) a.hop = seenHop;
  const isOpen = hasOthers && seenHops !== 1;
  if (isOpen && a.doubt === Doubt.None) a.doubt = Doubt.Multipath;
  return isOpen;
}

function isSameHop(route: CompiledRoute, a: number, b: number): boolean {
  const one = route.hops[a]!;
  const other = route.hops[b]!;
  return one.ifIndex === other.ifIndex && one.hop.gateway === other.hop.gateway;
}

/**
 * True when the kernel may take another default route than the lookup found: among several of equal rank, one whose gateway
 * answers. What neighbours do is not in the tables. fib_select_default, fib_detect_death of net/ipv4/fib_semantics.c
 */
export function hasRival({ route, table, prefixLen }: Resolver, tos: number): boolean {
  if (route === null || table === null || prefixLen !== 0 || !hasGateway(route)) return false;
  let last = route;
  for (let id = table.next(table.first(DEFAULT_PREFIX, 0)); id >= 0; id = table.next(id)) {
    const other = table.shape(id);
    if (other.tos !== 0 && other.tos !== (tos & IPTOS_RT_MASK)) continue;
    if (other.metric > last.metric && other.tos === last.tos) {
      if (other.tos !== 0) continue;
      return false;
    }
    if (hasGateway(other) && other.route.scope === route.route.scope) return true;
    last = other;
  }
  return false;
}

const DEFAULT_PREFIX = new Int32Array(4);

function hasGateway(route: CompiledRoute): boolean {
  return route.type === 'unicast' && route.hopCount === 1 && route.hops[0]!.hop.gateway !== null;
}

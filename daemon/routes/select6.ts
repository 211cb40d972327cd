import { LOOPBACK_IFINDEX } from './links.ts';
import type { CompiledRoute } from './tables.ts';

/** Which next hop of the route that `select6` gave last; -1 when the route has none. */
export let select6Hop = -1;

/**
 * The IPv6 route among those of one prefix and source: the best score among the lowest metric; when none of it can be used,
 * among all the others. find_rr_leaf, rt6_score_route of net/ipv6/route.c
 * @param start, end the routes, in the kernel's order
 * @param oif        prefers (or with `strict` demands) next hops there; 0 for any
 * @returns null when none can be used; sets `select6Hop`
 */
export function select6(
  routes: readonly CompiledRoute[],
  start: number,
  end: number,
  oif: number,
  strict: boolean,
): CompiledRoute | null {
  const lowest = routes[start]!.metric;
  let best: CompiledRoute | null = null;
  let bestScore = -1;
  select6Hop = -1;
  for (let i = start; i < end; i++) {
    const route = routes[i]!;
    if (best !== null && route.metric !== lowest && best.metric === lowest) break;
    if (route.route.nhBlackhole === true) {
      // __find_rr_leaf ends here, whatever was found before.
      select6Hop = -1;
      return route;
    }
    if (route.hopCount === 0 || route.rejects || route.throws) {
      // Reject routes are on the loopback device.
      const score = scoreOf(route, LOOPBACK_IFINDEX, oif, strict);
      if (score <= bestScore) continue;
      best = route;
      bestScore = score;
      select6Hop = -1;
      continue;
    }
    const isObject = route.route.nhid !== null;
    for (let n = 0; n < route.hopCount; n++) {
      const hop = route.hops[n]!;
      if (!hop.usable) continue;
      const score = scoreOf(route, hop.ifIndex, oif, strict);
      if (score <= bestScore) continue;
      best = route;
      bestScore = score;
      select6Hop = n;
      // Of a nexthop object the first that will do is taken, not the best (nexthop_for_each_fib6_nh).
      if (isObject) break;
    }
  }
  return best;
}

/** -1 for a next hop that must not be taken. */
function scoreOf(route: CompiledRoute, ifIndex: number, oif: number, strict: boolean): number {
  const onDevice = oif === 0 || ifIndex === oif;
  if (!onDevice && strict) return -1;
  return (route.preference << 2) | (onDevice ? 2 : 0);
}

import { LOOPBACK_IFINDEX } from './links.ts';
import type { RouteStore } from './route-store.ts';
import type { CompiledRoute } from './shapes.ts';

/** Which next hop of the route that `select6` gave last; -1 when the route has none. */
export let select6Hop = -1;

/**
 * The IPv6 route among those of one prefix and source: the best score among the lowest metric; when none of it can be used,
 * among all the others. find_rr_leaf, rt6_score_route of net/ipv6/route.c
 * @param start the first route in the kernel's order; `end` is the first that is not of the source any more, or -1
 * @param oif   prefers (or with `strict` demands) next hops there; 0 for any
 * @returns its number, or -1 when none can be used; sets `select6Hop`
 */
export function select6(
  store: RouteStore,
  shapes: readonly CompiledRoute[],
  start: number,
  end: number,
  oif: number,
  strict: boolean,
): number {
  const lowest = shapes[store.shape(start)]!.metric;
  let best = -1;
  let bestMetric = 0;
  let bestScore = -1;
  select6Hop = -1;
  for (let id = start; id !== end; id = store.next(id)) {
    const route = shapes[store.shape(id)]!;
    if (best !== -1 && route.metric !== lowest && bestMetric === lowest) break;
    if (route.route.nhBlackhole === true) {
      // __find_rr_leaf ends here, whatever was found before.
      select6Hop = -1;
      return id;
    }
    if (route.hopCount === 0 || route.rejects || route.throws) {
      // Reject routes are on the loopback device.
      const score = scoreOf(route, LOOPBACK_IFINDEX, oif, strict);
      if (score <= bestScore) continue;
      best = id;
      bestMetric = route.metric;
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
      best = id;
      bestMetric = route.metric;
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

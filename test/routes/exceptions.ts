import type { NetlinkError } from '../../daemon/netlink/errors.ts';
import { tableNames } from '../../daemon/netlink/names.ts';
import type { RouteSnapshot, SnapshotRoute } from '../../daemon/routes/snapshot.ts';
import type { KernelAnswer } from '../../daemon/routes/verify.ts';
import { prefixWords } from '../../daemon/routes/words.ts';
import { samePrefix } from '../../daemon/routes/prefix-hash.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { Question } from './random-questions.ts';

/** The errno of a message that is too long, or of an answer that the kernel cannot write down. asm-generic/errno.h */
const EMSGSIZE = 90;

/**
 * The classes of answers that are not compared with the kernel's, each with the kernel's source that makes it so (Linux 6.18).
 * Beside them `agreesWithKernel` (daemon/routes/verify.ts) accepts, where it says why:
 * - any next hop of a multipath route, in a decision that says that it is assumed: fib_select_multipath of
 *   net/ipv4/fib_semantics.c and fib6_select_path of net/ipv6/route.c hash with a seed of the kernel's own;
 * - the type unicast for a group address: rt_cache_route of net/ipv4/route.c caches an answer by next hop, which routes with
 *   the same attributes share;
 * - another IPv6 route with the same next hop by a nexthop object: rt6_get_pcpu_route of net/ipv6/route.c caches an answer,
 *   and the route that it is of, with the object.
 */
export const EXCEPTIONS = {
  /** ip6mr_get_route asks for a multicast route, and rt6_fill_node of net/ipv6/route.c cannot write the answer: EMSGSIZE. */
  multicastInput6: 'IPv6 multicast input cannot be asked for: rt6_fill_node, net/ipv6/route.c',
  /** br_handle_frame takes the packets of a port before any route lookup; `ip route get` does one nevertheless. */
  bridgePort: 'ports of a bridge are not routed: br_handle_frame, net/bridge/br_input.c',
  /**
   * Where the tree forked at a prefix before its first route with a source came, the kernel passes over those routes: the fork
   * goes on naming a longer route (fib6_add keeps fn->leaf), which the destination is compared with (fib6_node_lookup_1). What
   * was deleted since is in no dump. Accepted only where the kernel answers as if the prefix had no such routes.
   */
  subtree: 'source-specific routes of a former fork are passed over: fib6_add, net/ipv6/ip6_fib.c',
  /**
   * fib6_dump_node of net/ipv6/ip6_fib.c jumps from the first to the last next hop of an IPv6 multipath route, each of which is
   * a route of its own in the list, and leaves out whatever was appended in between with the same metric. Accepted only where
   * the kernel answers with a route that no dump has, rejects within the prefix of a multipath route, or answers as if a throw
   * route were in its place.
   */
  hidden:
    'routes between the next hops of an IPv6 multipath route are in no dump: fib6_dump_node, net/ipv6/ip6_fib.c',
  /** The mirror of a running daemon does not follow who joins a group: its decisions say that they assume it. */
  membership: 'membership in a group is assumed: ip_check_mc_rcu, net/ipv4/igmp.c',
} as const;
export type Exception = keyof typeof EXCEPTIONS;

/** The exception that an error of the kernel is, or null. */
export function exceptionOf(error: NetlinkError, question: Question): Exception | null {
  const isGroup = question.version === 6 && question.dst.startsWith('ff');
  return error.errno === EMSGSIZE && isGroup && question.iif !== null ? 'multicastInput6' : null;
}

/** The exception that a decision is, or null. */
export function exceptionFor(decision: RouteDecision): Exception | null {
  if (decision.type === 'not_routed') return 'bridgePort';
  const isAssumed = decision.confidence === 'assumed' && decision.type === 'multicast';
  return isAssumed && decision.stage === 'input' ? 'membership' : null;
}

/** The snapshot without the source-specific routes of the decision's prefix; null when it is no such route. */
export function withoutSubtree(snapshot: RouteSnapshot, decision: RouteDecision): RouteSnapshot | null {
  if (decision.text === null || !decision.text.includes(' from ')) return null;
  const isIn = (table: number, prefix: string): boolean =>
    prefix === decision.prefix && table === tableOf(decision);
  const routes = snapshot.routes.filter(({ table, prefix, from }) => from === null || !isIn(table, prefix));
  const hasPlain = routes.some(({ table, prefix }) => isIn(table, prefix));
  return hasPlain ? null : { ...snapshot, routes };
}

function tableOf({ table }: RouteDecision): number {
  return tableNames.number(table!)!;
}

/** The snapshot with a throw route in place of the decision's IPv6 multipath route; null when it is no such route. */
export function withThrow(snapshot: RouteSnapshot, decision: RouteDecision): RouteSnapshot | null {
  if (decision.table === null) return null;
  const id = tableOf(decision);
  const isIt = (route: SnapshotRoute): boolean =>
    route.family === 6 &&
    route.table === id &&
    route.prefix === decision.prefix &&
    route.from === null &&
    route.nhid === null &&
    route.nextHops.length > 1;
  if (!snapshot.routes.some(isIt)) return null;
  const routes = snapshot.routes.map((route) =>
    isIt(route) ? { ...route, type: 'throw', nextHops: [], pref: 'high' } : route,
  );
  return { ...snapshot, routes };
}

/** True when the kernel's answer may come from a route that it leaves out of its dumps. */
export function isHidden(snapshot: RouteSnapshot, kernel: KernelAnswer, dst: string): boolean {
  const words = prefixWords(dst)!.words;
  const multipaths = snapshot.routes.filter(
    (route) => route.family === 6 && route.nextHops.length > 1 && route.nhid === null,
  );
  const covers = (prefix: string): boolean => {
    const own = prefixWords(prefix)!;
    return samePrefix(words, own.words, own.len);
  };
  if (kernel.error !== null) return multipaths.some(({ prefix }) => covers(prefix));
  const isThere = snapshot.routes.some(
    (route) =>
      route.prefix === kernel.prefix &&
      route.type === kernel.type &&
      tableNames.name(route.table) === kernel.table &&
      route.nextHops.some(({ dev, gateway }) => dev === kernel.dev && gateway === kernel.gateway),
  );
  return !isThere && multipaths.some(({ prefix }) => prefix === kernel.prefix);
}

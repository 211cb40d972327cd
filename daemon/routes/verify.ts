import type { RouteDecision } from '../../storage/route-decision.ts';
import * as k from '../kernel/netlink-constants.ts';
import type { NetlinkClient } from '../netlink/dump.ts';
import { NetlinkError } from '../netlink/errors.ts';
import { tableNames } from '../netlink/names.ts';
import { type KernelRouteQuery, getRoute } from '../netlink/get-route.ts';
import { formatRoute } from './format.ts';
import type { SnapshotRoute } from './snapshot.ts';

/** The kernel's own answer: a route, or the error that it drops packets with. */
export interface KernelAnswer {
  /** As in a decision; null where the kernel answered with an error. */
  type: string | null;
  table: string | null;
  prefix: string | null;
  gateway: string | null;
  dev: string | null;
  /** Name of the errno ("ENETUNREACH"), or null. */
  error: string | null;
  /** One line as `ip route` prints it, or null. */
  text: string | null;
}

/** Errors with which the kernel says that it drops the packet; any other is a question it could not answer. */
const DROP_ERRNOS: ReadonlySet<number> = new Set([
  k.EACCES,
  k.EINVAL,
  k.ENETUNREACH,
  k.EHOSTUNREACH,
  18 /* EXDEV: reverse path filter */,
]);

/**
 * Asks the kernel for the matching route, as `ip route get fibmatch` does; where it has an answer without a route of the
 * tables (limited broadcasts, multicast groups), for that answer.
 * @throws NetlinkError for errors that do not mean that the packet is dropped
 */
export function askKernel(
  client: NetlinkClient,
  query: Omit<KernelRouteQuery, 'fibMatch'>,
  nameOf: (ifIndex: number) => string | null,
  object: string,
): KernelAnswer {
  try {
    return ofRoute(getRoute(client, { ...query, fibMatch: true }, nameOf, object));
  } catch (error) {
    if (!isDrop(error)) throw error;
    // EHOSTUNREACH is also said of a packet that is sent or delivered without any route of the tables.
    if (error.errno !== k.EHOSTUNREACH) return ofError(error);
  }
  try {
    const route = getRoute(client, { ...query, fibMatch: false }, nameOf, object);
    return { ...ofRoute(route), table: null, prefix: null };
  } catch (error) {
    if (!isDrop(error)) throw error;
    return ofError(error);
  }
}

/** A sentence of the kernel means that it did not take the question; packets are dropped without one. */
function isDrop(error: unknown): error is NetlinkError {
  return error instanceof NetlinkError && error.extAck === null && DROP_ERRNOS.has(error.errno);
}

function ofError(error: NetlinkError): KernelAnswer {
  return { type: null, table: null, prefix: null, gateway: null, dev: null, error: error.code, text: null };
}

function ofRoute(route: SnapshotRoute): KernelAnswer {
  const hop = route.nextHops.length === 1 ? route.nextHops[0]! : null;
  return {
    type: route.type,
    table: tableNames.name(route.table),
    prefix: route.prefix,
    gateway: hop?.gateway ?? null,
    dev: hop?.dev ?? null,
    error: null,
    text: formatRoute(route),
  };
}

/** What of the question and the namespace has to be known to compare answers. */
export interface Compared {
  version: 4 | 6;
  /** The question named the interface that the packet comes in by. */
  isInput: boolean;
  /**
   * The namespace has the IPv4 rules that it started with: the kernel then keeps the table local within main, and calls it
   * main.
   */
  isMerged: boolean;
}

/**
 * True when the kernel's answer is the decision's, or one of those that it might make instead.
 * @param others decisions for other next hops, where the kernel's hash chooses (RouteEngine.alternatives): its seed is the
 *        kernel's secret, so any of them is right for a decision that says that it is assumed
 * @returns null where the kernel is asked what it is not for: a bridge forwards the packets of its ports, no route does
 */
export function agreesWithKernel(
  decision: RouteDecision,
  kernel: KernelAnswer,
  compared: Compared,
  others: readonly RouteDecision[],
): boolean | null {
  if (decision.type === 'not_routed') return null;
  return isSame(decision, kernel, compared) || others.some((other) => isSame(other, kernel, compared));
}

function isSame(decision: RouteDecision, kernel: KernelAnswer, compared: Compared): boolean {
  if (kernel.error !== null)
    return decision.verdict === 'drop' && errorsOf(decision, compared).includes(kernel.error);
  // What IPv6 drops for want of forwarding, it drops behind the lookup; the route is the answer to compare.
  if (decision.verdict === 'drop' && (decision.prefix === null || compared.version === 4)) return false;
  if (decision.type !== kernel.type) return isCachedType(decision, kernel, compared.isMerged);
  if (kernel.prefix === null)
    return decision.prefix === null && (decision.verdict !== 'send' || decision.dev === kernel.dev);
  return isSameRoute(decision, kernel, compared.isMerged) || isSharedNexthop(decision, kernel, compared);
}

function isSameRoute(decision: RouteDecision, kernel: KernelAnswer, isMerged: boolean): boolean {
  if (decision.prefix !== kernel.prefix) return false;
  const sameTable =
    decision.table === kernel.table || (isMerged && decision.table === 'local' && kernel.table === 'main');
  if (!sameTable) return false;
  // The kernel lists all next hops of a multipath route, and no single one.
  if (kernel.dev === null && kernel.gateway === null) return true;
  return decision.dev === kernel.dev && decision.gateway === kernel.gateway;
}

/**
 * IPv4 routes with the same attributes share one fib_info, whose next hop caches the answer: the kernel may say the type of
 * what it was asked before. rt_cache_route, __mkroute_output of net/ipv4/route.c
 */
function isCachedType(decision: RouteDecision, kernel: KernelAnswer, isMerged: boolean): boolean {
  const isSent = decision.stage === 'output' && decision.verdict === 'send';
  if (!isSent || kernel.prefix === null || kernel.prefix.includes(':')) return false;
  return SENT_TYPES.has(kernel.type ?? '') && isSameRoute(decision, kernel, isMerged);
}

/** Types that a next hop may be cached with. */
const SENT_TYPES: ReadonlySet<string> = new Set(['unicast', 'multicast', 'anycast', 'broadcast']);

/**
 * IPv6 routes by the same nexthop object share its cache, and with it the route that the cached answer is said to be of: the
 * kernel may name any of them, the way is the same. rt6_get_pcpu_route, rt6_make_pcpu_route of net/ipv6/route.c
 */
function isSharedNexthop(decision: RouteDecision, kernel: KernelAnswer, { version }: Compared): boolean {
  if (version !== 6 || !hasNexthopObject(decision.text) || !hasNexthopObject(kernel.text)) return false;
  const isGroup = kernel.dev === null && kernel.gateway === null;
  return isGroup || (decision.dev === kernel.dev && decision.gateway === kernel.gateway);
}

function hasNexthopObject(text: string | null): boolean {
  return text !== null && / nhid \d/.test(text);
}

/** Names of the errno with which the kernel drops what is dropped for that reason. */
function errorsOf(decision: RouteDecision, { version, isInput }: Compared): string[] {
  switch (decision.type) {
    case 'martian':
      // Until Linux 6.13 the reverse path filter said EXDEV.
      return ['EINVAL', 'EXDEV'];
    case 'multicast':
      return decision.prefix === null ? ['EINVAL'] : ['EHOSTUNREACH'];
    default: {
      const errors = rejectErrors(decision);
      // fib_lookup's error is replaced where the interface does not forward. ip_route_input_slow
      return version === 4 && isInput ? [...errors, 'EHOSTUNREACH'] : errors;
    }
  }
}

function rejectErrors(decision: RouteDecision): string[] {
  switch (decision.type) {
    case 'blackhole':
      return ['EINVAL'];
    case 'prohibit':
      return ['EACCES'];
    case 'unreachable':
      return decision.prefix === null ? ['ENETUNREACH'] : ['EHOSTUNREACH'];
    case 'no_route':
      return ['ENETUNREACH'];
    default:
      return [];
  }
}

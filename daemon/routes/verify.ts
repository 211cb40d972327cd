import type { RouteDecision } from '../../storage/route-decision.ts';
import * as k from '../kernel/netlink-constants.ts';
import type { NetlinkClient } from '../netlink/dump.ts';
import { NetlinkError } from '../netlink/errors.ts';
import { tableNames } from '../netlink/names.ts';
import { type KernelRouteQuery, getRoute } from '../netlink/rtnetlink.ts';
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

/**
 * True when the kernel's answer is the decision's.
 * @param isMerged the namespace has the IPv4 rules that it started with: the kernel then keeps the table local within main,
 *        and calls it main
 */
export function agreesWithKernel(decision: RouteDecision, kernel: KernelAnswer, isMerged: boolean): boolean {
  if (kernel.error !== null) return decision.verdict === 'drop';
  // What IPv6 drops for want of forwarding, it drops behind the lookup; the route is the answer to compare.
  if (decision.verdict === 'drop' && decision.prefix === null) return false;
  if (decision.type !== kernel.type) return false;
  if (kernel.prefix === null) return decision.type === 'multicast' || decision.type === 'broadcast';
  if (decision.prefix !== kernel.prefix) return false;
  const sameTable =
    decision.table === kernel.table || (isMerged && decision.table === 'local' && kernel.table === 'main');
  if (!sameTable) return false;
  // The kernel lists all next hops of a multipath route, and no single one.
  if (kernel.dev === null && kernel.gateway === null) return true;
  return decision.dev === kernel.dev && decision.gateway === kernel.gateway;
}

import * as k from '../kernel/netlink-constants.ts';
import type { NetlinkSocket } from '../kernel/netlink-socket.ts';
import { NetlinkClient } from '../netlink/dump.ts';
import { parseRoute } from '../netlink/route.ts';
import { probeMemory } from '../netlink/probe.ts';
import { type RoutingDump, dumpRouting } from '../netlink/rtnetlink.ts';
import { assembleSnapshot, takenNow } from './assemble.ts';
import type { RouteSnapshot, SnapshotRoute } from './snapshot.ts';

/** Multicast groups that the socket of a mirror must be in (`openNetlinkFd`). */
export const ROUTE_GROUPS: readonly number[] = [
  k.RTNLGRP_LINK,
  k.RTNLGRP_IPV4_IFADDR,
  k.RTNLGRP_IPV4_ROUTE,
  k.RTNLGRP_IPV4_RULE,
  k.RTNLGRP_IPV6_IFADDR,
  k.RTNLGRP_IPV6_ROUTE,
  k.RTNLGRP_IPV6_RULE,
  k.RTNLGRP_IPV4_NETCONF,
  k.RTNLGRP_IPV6_NETCONF,
  k.RTNLGRP_NEXTHOP,
];

/** Rounds of dumps within one load, while notifications keep saying that something changed meanwhile. */
const LOAD_ROUNDS = 4;

/**
 * Follows the routing tables of one namespace over one netlink socket. Everything is synchronous, for a thread that blocks
 * in poll over several of them: poll `fd` for POLLIN, then `drain`, then `snapshot` when it said true.
 *
 * Single route changes are applied as they are told. Everything else (links, addresses, rules, settings, and route
 * changes whose place among equals a message does not say) is read anew, because the kernel removes routes without a word
 * when an IPv4 interface or address goes away (fib_sync_down_dev sends no RTM_DELROUTE).
 */
export class RouteMirror {
  readonly netns: string;
  /** Times the tables were read anew because notifications were lost (ENOBUFS) or a dump stayed inconsistent. */
  resyncs = 0;
  /** Times the tables were read anew because of a change that is not applied by itself. */
  reloads = 0;
  /** Single route changes applied. */
  applied = 0;
  readonly #socket: NetlinkSocket;
  readonly #client: NetlinkClient;
  #dump: RoutingDump | null = null;
  /** Routes by what identifies them in the kernel; more than one under a key are equals in order. */
  #byKey = new Map<string, SnapshotRoute[]>();
  #stale = true;
  #changed = false;
  /** A dump is being read: nobody can say whether it holds a change that is told meanwhile. */
  #loading = false;

  /** @param socket in the groups `ROUTE_GROUPS`; owned by the mirror from now on */
  constructor(socket: NetlinkSocket, netns: string) {
    this.#socket = socket;
    this.#client = new NetlinkClient(socket);
    this.#client.onNotification = (type, view, off, end) => this.#apply(type, view, off, end);
    this.netns = netns;
  }

  /** Descriptor to poll for POLLIN. */
  get fd(): number {
    return this.#socket.fd;
  }

  /** Dumps that were asked again because the table changed while it was read (NLM_F_DUMP_INTR). */
  get interrupted(): number {
    return this.#client.interrupted;
  }

  /**
   * Reads everything.
   * @throws NetlinkError, SyscallError; what was known before stays
   */
  load(): void {
    for (let round = 1; ; round++) {
      const lostBefore = this.#client.lost;
      // What was told so far is part of the dump that follows.
      this.#client.drain();
      const dump = this.#read();
      this.#index(dump);
      const lost = this.#client.lost !== lostBefore;
      if (lost || !dump.consistent) this.resyncs++;
      if (!lost && dump.consistent && !this.#stale) return;
      // Changes that came during the dump: read again, but a namespace that never rests must not hold us here.
      if (round === LOAD_ROUNDS) {
        this.#stale = true;
        return;
      }
    }
  }

  /**
   * Takes in the notifications that are there.
   * @returns true when the tables changed since the last `snapshot`
   * @throws NetlinkError, SyscallError
   */
  drain(): boolean {
    if (!this.#client.drain()) {
      this.resyncs++;
      this.#stale = true;
      this.#changed = true;
    }
    return this.#changed;
  }

  /**
   * The tables as they are now; reads them anew first when a change could not be applied by itself. The routes in it are
   * shared with the mirror and must not be changed.
   * @throws NetlinkError, SyscallError
   */
  snapshot(): RouteSnapshot {
    if (this.#stale || this.#dump === null) {
      this.reloads++;
      this.load();
    }
    this.#changed = this.#stale;
    const dump = this.#dump!;
    const routes: SnapshotRoute[] = [];
    for (const equals of this.#byKey.values()) for (const route of equals) routes.push(route);
    return assembleSnapshot({ ...dump, routes }, this.netns, takenNow());
  }

  /** Closes the socket. Idempotent. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #read(): RoutingDump {
    this.#stale = false;
    this.#loading = true;
    try {
      const dump = dumpRouting(this.#client, this.netns);
      dump.memory = probeMemory(this.#client, dump, this.netns, this.#dump?.memory);
      return dump;
    } catch (error) {
      this.#stale = true;
      throw error;
    } finally {
      this.#loading = false;
    }
  }

  #index(dump: RoutingDump): void {
    this.#byKey = new Map();
    for (const route of dump.routes) {
      const key = keyOf(route);
      const equals = this.#byKey.get(key);
      if (equals === undefined) this.#byKey.set(key, [route]);
      else equals.push(route);
    }
    this.#dump = dump;
  }

  #apply(type: number, view: DataView, off: number, end: number): void {
    this.#changed = true;
    if (
      this.#stale ||
      this.#loading ||
      this.#dump === null ||
      (type !== k.RTM_NEWROUTE && type !== k.RTM_DELROUTE)
    ) {
      this.#stale = true;
      return;
    }
    const { links } = this.#dump;
    const route = parseRoute(
      view,
      off,
      end,
      (ifIndex) => links.find((link) => link.ifIndex === ifIndex)?.name ?? null,
    );
    if (route === null) return;
    // The kernel remembers this when the route is gone (fib_has_custom_local_routes).
    if (route.family === 4 && route.type === 'local' && route.protocol !== 'kernel')
      this.#dump.memory = {
        mergedTables4: null,
        customRules6: null,
        ...this.#dump.memory,
        customLocalRoutes4: true,
      };
    const key = keyOf(route);
    const equals = this.#byKey.get(key);
    if (type === k.RTM_NEWROUTE && equals === undefined) this.#byKey.set(key, [route]);
    // An IPv6 multipath route is told hop by hop, so a removal is certain only of what is just the same.
    else if (type === k.RTM_DELROUTE && equals?.length === 1 && isSame(equals[0]!, route))
      this.#byKey.delete(key);
    else {
      this.#stale = true;
      return;
    }
    this.applied++;
  }
}

/** What the kernel tells routes of one table apart by. */
function keyOf(route: SnapshotRoute): string {
  return `${route.family} ${route.table} ${route.prefix} ${route.from} ${route.tos} ${route.metric}`;
}

function isSame(a: SnapshotRoute, b: SnapshotRoute): boolean {
  if (a.type !== b.type || a.nhid !== b.nhid || a.nextHops.length !== b.nextHops.length) return false;
  return a.nextHops.every((hop, i) => {
    const other = b.nextHops[i]!;
    return hop.ifIndex === other.ifIndex && hop.gateway === other.gateway && hop.weight === other.weight;
  });
}

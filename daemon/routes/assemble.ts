import { NETCONFA_IFINDEX_ALL } from '../kernel/netlink-constants.ts';
import type { LinkMessage, Netconf } from '../netlink/link.ts';
import type { NexthopObject } from '../netlink/route.ts';
import type { ContextDump, RoutingDump } from '../netlink/rtnetlink.ts';
import type { RouteSnapshot, SnapshotInterfaceSysctls, SnapshotRoute, SnapshotSysctls } from './snapshot.ts';
import type { RouteContext } from './update.ts';

/**
 * Makes a snapshot of one round of dumps.
 * @param netns   name for the snapshot, or null
 * @param takenAt RFC 3339
 */
export function assembleSnapshot(dump: RoutingDump, netns: string | null, takenAt: string): RouteSnapshot {
  const nexthops = new Map(dump.nexthops.map((object) => [object.id, object]));
  const { sysctls, ...context } = assembleContext(dump, netns, takenAt);
  return { ...context, routes: dump.routes.map((route) => expandNexthop(route, nexthops)), sysctls };
}

/** The same without the routes. */
export function assembleContext(dump: ContextDump, netns: string | null, takenAt: string): RouteContext {
  return {
    format: 'nstap-routes-1',
    netns,
    takenAt,
    source: 'kernel',
    links: dump.links.map(({ sysctls: _, ...link }) => link),
    addresses: dump.addresses,
    rules: dump.rules,
    sysctls: { ...assembleSysctls(dump.links, dump.netconf), ...dump.memory },
  };
}

/** Gives a route by nexthop object its next hops, where the kernel did not (net.ipv4.nexthop_compat_mode = 0). */
export function expandNexthop(
  route: SnapshotRoute,
  nexthops: ReadonlyMap<number, NexthopObject>,
): SnapshotRoute {
  if (route.nhid === null) return route;
  const object = nexthops.get(route.nhid);
  if (object === undefined) return route;
  // A blackhole may be the only member of a group (nexthop_is_blackhole).
  const only = object.group.length === 1 ? nexthops.get(object.group[0]!.id) : undefined;
  if (object.blackhole || only?.blackhole === true) return { ...route, nextHops: [], nhBlackhole: true };
  if (route.nextHops.length > 0) return route;
  if (object.hop !== null) return { ...route, nextHops: [object.hop] };
  const nextHops = object.group.flatMap(({ id, weight }) => {
    const hop = nexthops.get(id)?.hop;
    return hop ? [{ ...hop, weight }] : [];
  });
  return { ...route, nextHops };
}

function assembleSysctls(links: readonly LinkMessage[], netconf: readonly Netconf[]): SnapshotSysctls {
  const interfaces = new Map<number, SnapshotInterfaceSysctls>();
  const all: SnapshotSysctls = {
    forwarding4: null,
    forwarding6: null,
    interfaces: [],
    rpFilterAll: null,
    ignoreLinkdownAll4: null,
    ignoreLinkdownAll6: null,
    bcForwardingAll: null,
  };
  for (const link of links) {
    interfaces.set(link.ifIndex, {
      ifIndex: link.ifIndex,
      forwarding4: null,
      forwarding6: null,
      rpFilter: null,
      ignoreLinkdown4: null,
      ignoreLinkdown6: null,
      ...link.sysctls,
      bcForwarding: null,
    });
  }
  for (const { family, ifIndex, forwarding, rpFilter, ignoreLinkdown, bcForwarding } of netconf) {
    if (ifIndex === NETCONFA_IFINDEX_ALL) {
      if (family === 4) {
        all.forwarding4 = forwarding;
        all.rpFilterAll = rpFilter;
        all.ignoreLinkdownAll4 = ignoreLinkdown;
        all.bcForwardingAll = bcForwarding;
      } else {
        all.forwarding6 = forwarding;
        all.ignoreLinkdownAll6 = ignoreLinkdown;
      }
      continue;
    }
    const entry = interfaces.get(ifIndex);
    if (entry === undefined) continue;
    if (family === 4) {
      entry.forwarding4 = forwarding;
      entry.rpFilter = rpFilter;
      entry.ignoreLinkdown4 = ignoreLinkdown;
      entry.bcForwarding = bcForwarding;
    } else {
      entry.forwarding6 = forwarding;
      entry.ignoreLinkdown6 = ignoreLinkdown;
    }
  }
  all.interfaces = [...interfaces.values()];
  return all;
}

/** The time now as `takenAt` has it; the clock gives milliseconds. */
export function takenNow(): string {
  return new Date().toISOString().replace('Z', '000000Z');
}

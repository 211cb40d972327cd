import { formatAddress } from '../../decoders/address.ts';
import { IFF_LOOPBACK, IFF_UP, RT_TABLE_LOCAL } from '../kernel/netlink-constants.ts';
import { emptyHop, emptyRoute } from './route-text.ts';
import type { SnapshotAddress, SnapshotLink, SnapshotRoute } from './snapshot.ts';
import { snapshotPrefix } from './words.ts';

/** Metric of the routes that the kernel makes for an address of IPv6. IP6_RT_PRIO_ADDRCONF */
const METRIC_ADDRCONF = 256;
/** Addresses that the kernel does not use (yet), and so has no route for. */
const UNUSED = ['tentative', 'dadfailed'];

/**
 * The table local as the kernel makes it from the addresses of one family: what `ip route` leaves out without `table all`.
 * Routes that somebody added to it by hand cannot be known. fib_add_ifaddr of net/ipv4/fib_frontend.c, addrconf_add_mroute of
 * net/ipv6/addrconf.c, Linux 6.18
 */
export function localRoutes(
  family: 4 | 6,
  links: readonly SnapshotLink[],
  addresses: readonly SnapshotAddress[],
): SnapshotRoute[] {
  const routes: SnapshotRoute[] = [];
  // An interface may have an address twice, with different lengths: one route.
  const seen = new Set<string>();
  const add = (route: SnapshotRoute): void => {
    const key = `${route.type} ${route.prefix} ${route.nextHops[0]!.dev}`;
    if (!seen.has(key)) routes.push(route);
    seen.add(key);
  };
  for (const link of links) {
    // The routes of an interface go when it is set down. Text of one family, or -o, may tell no flags.
    if (link.flags !== 0 && (link.flags & IFF_UP) === 0) continue;
    const own = addresses.filter((entry) => entry.family === family && entry.ifIndex === link.ifIndex);
    for (const address of own) {
      if (UNUSED.some((flag) => address.flags?.includes(flag))) continue;
      if (family === 4) for (const route of routes4(address, link, primaryOf(address, own))) add(route);
      else add(kernelRoute(6, 'local', `${address.address}/128`, link, 0));
    }
    const isLoopback = (link.flags & IFF_LOOPBACK) !== 0 || link.name === 'lo';
    if (family === 6 && own.length > 0 && !isLoopback)
      add(kernelRoute(6, 'multicast', 'ff00::/8', link, METRIC_ADDRCONF));
  }
  return routes;
}

/** The first address of the same network: a secondary one's routes have that as their source. */
function primaryOf(address: SnapshotAddress, own: readonly SnapshotAddress[]): string {
  const net = ({ address: text, prefixLen }: SnapshotAddress): number =>
    snapshotPrefix(text).words[0]! & ~hostBits(prefixLen);
  if (!isSecondary(address)) return address.address;
  const primary = own.find(
    (entry) => !isSecondary(entry) && entry.prefixLen === address.prefixLen && net(entry) === net(address),
  );
  return (primary ?? address).address;
}

function isSecondary(address: SnapshotAddress): boolean {
  return address.flags?.includes('secondary') === true;
}

function hostBits(prefixLen: number): number {
  return prefixLen === 0 ? -1 : ~(-1 << (32 - prefixLen));
}

function* routes4(address: SnapshotAddress, link: SnapshotLink, primary: string): Generator<SnapshotRoute> {
  const { address: own, prefixLen, broadcast } = address;
  const make = (type: string, prefix: string, scope: string): SnapshotRoute => ({
    ...kernelRoute(4, type, prefix, link, null),
    scope,
    prefsrc: primary,
  });
  yield make('local', `${own}/32`, 'host');
  if (broadcast !== null && broadcast !== '255.255.255.255')
    yield make('broadcast', `${broadcast}/32`, 'link');
  if (isSecondary(address) || prefixLen >= 31) return;
  const word = snapshotPrefix(address.peer ?? own).words[0]!;
  const host = hostBits(prefixLen);
  if (link.name === 'lo' || (link.flags & IFF_LOOPBACK) !== 0)
    yield make('local', `${dotted(word & ~host)}/${prefixLen}`, 'host');
  yield make('broadcast', `${dotted(word | host)}/32`, 'link');
}

function dotted(word: number): string {
  return formatAddress(Uint8Array.of(word >>> 24, word >>> 16, word >>> 8, word), 0, 4);
}

function kernelRoute(
  family: 4 | 6,
  type: string,
  prefix: string,
  link: SnapshotLink,
  metric: number | null,
): SnapshotRoute {
  return {
    ...emptyRoute(family),
    type,
    table: RT_TABLE_LOCAL,
    prefix,
    protocol: 'kernel',
    metric,
    pref: family === 6 ? 'medium' : null,
    nextHops: [{ ...emptyHop(), dev: link.name, ifIndex: link.ifIndex }],
  };
}

/**
 * Gives VRFs their table where the list of interfaces does not say it (`ip addr` without -d): the kernel puts the local
 * route of a port's address into the table of its VRF.
 */
export function inferVrfTables(links: readonly SnapshotLink[], routes: readonly SnapshotRoute[]): void {
  const byName = new Map(links.map((link) => [link.name, link]));
  const byIndex = new Map(links.map((link) => [link.ifIndex, link]));
  for (const { type, protocol, table, nextHops } of routes) {
    if (type !== 'local' || protocol !== 'kernel') continue;
    const vrf = byIndex.get(byName.get(nextHops[0]?.dev ?? '')?.master ?? 0);
    if (vrf?.kind === 'vrf') vrf.vrfTable ??= table;
  }
}

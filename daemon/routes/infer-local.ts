import { formatAddress } from '../../decoders/address.ts';
import { RT_TABLE_LOCAL } from '../kernel/netlink-constants.ts';
import type { SnapshotRoute } from './snapshot.ts';
import { snapshotPrefix } from './words.ts';

/**
 * The local and broadcast routes that a pasted `ip route` leaves out: the kernel takes none but an own address as a
 * preferred source, so each one that has no local route is local, and its connected network has a broadcast address.
 */
export function inferLocalRoutes(routes: readonly SnapshotRoute[]): SnapshotRoute[] {
  const known = new Set<string>();
  for (const route of routes)
    if (route.type === 'local' && route.table === RT_TABLE_LOCAL) known.add(route.prefix);
  const inferred: SnapshotRoute[] = [];
  for (const route of routes) {
    if (route.prefsrc === null || route.table === RT_TABLE_LOCAL) continue;
    const source = snapshotPrefix(route.prefsrc);
    const bits = source.version === 4 ? 32 : 128;
    const prefix = `${route.prefsrc}/${bits}`;
    // 127.0.0.0/8 covers its addresses without a route for each.
    if (known.has(prefix) || (source.version === 4 && source.words[0]! >>> 24 === 127)) continue;
    known.add(prefix);
    const base: SnapshotRoute = {
      ...route,
      family: source.version,
      type: 'local',
      table: RT_TABLE_LOCAL,
      prefix,
      from: null,
      tos: 0,
      protocol: 'kernel',
      scope: source.version === 4 ? 'host' : 'global',
      metric: source.version === 4 ? null : 0,
      prefsrc: source.version === 4 ? route.prefsrc : null,
      nextHops: route.nextHops.slice(0, 1).map((hop) => ({ ...hop, gateway: null, gatewayFamily: null })),
      nhid: null,
    };
    inferred.push(base);
    const net = snapshotPrefix(route.prefix);
    const isConnected = route.protocol === 'kernel' && route.scope === 'link' && route.type === 'unicast';
    if (source.version === 4 && isConnected && net.len < 31) {
      const last = net.words[0]! | (net.len === 0 ? -1 : ~(-1 << (32 - net.len)));
      const octets = [last >>> 24, (last >>> 16) & 0xff, (last >>> 8) & 0xff, last & 0xff];
      const address = formatAddress(Uint8Array.from(octets), 0, 4);
      inferred.push({ ...base, type: 'broadcast', prefix: `${address}/32`, scope: 'link' });
    }
  }
  return inferred;
}

import { RT_TABLE_LOCAL } from '../kernel/netlink-constants.ts';
import { LOOPBACK_IFINDEX } from './links.ts';
import { longerInMain } from './resolve.ts';
import type { Routing } from './routing.ts';

/**
 * The interface that has an address: by the interfaces' addresses, else by a local route of the table local, so that all
 * of 127.0.0.0/8 is found. net/ipv4/devinet.c __ip_dev_find
 * @returns its index, or -1 when the address is not local
 */
export function ownerOf(routing: Routing, version: 4 | 6, words: Int32Array): number {
  const own = version === 4 ? routing.v4 : routing.v6;
  const ifIndex = own.addresses.find(words, 128);
  if (ifIndex >= 0) return ifIndex;
  const table = own.tables.get(RT_TABLE_LOCAL);
  if (table === undefined) return -1;
  let route = version === 4 ? table.find4(words, 0, 0, 32) : table.find6(words, words, 0, false);
  // While the tables are one, the longest prefix of both counts.
  if (version === 4 && !own.hasCustomRules)
    route = longerInMain(own, words, 0, 0, route === null ? -1 : table.prefixLen) ?? route;
  if (route?.type !== 'local') return -1;
  return route.hops[0]?.ifIndex ?? LOOPBACK_IFINDEX;
}

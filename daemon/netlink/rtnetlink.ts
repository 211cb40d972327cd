import { AF_INET } from '../kernel/constants.ts';
import * as k from '../kernel/netlink-constants.ts';
import { AttributeWriter } from './attribute.ts';
import type { NetlinkClient } from './dump.ts';
import { NetlinkError } from './errors.ts';
import { type LinkNames, openAttributes } from './family.ts';
import { type LinkMessage, type Netconf, parseAddressMessage, parseLink, parseNetconf } from './link.ts';
import { type NexthopObject, parseNexthop, parseRoute } from './route.ts';
import { parseRule } from './rule.ts';
import type { SnapshotAddress, SnapshotRoute, SnapshotRule } from '../routes/snapshot.ts';

/** Everything that the tables of one namespace are made of, as one round of dumps found it. */
export interface RoutingDump {
  links: LinkMessage[];
  addresses: SnapshotAddress[];
  rules: SnapshotRule[];
  routes: SnapshotRoute[];
  netconf: Netconf[];
  nexthops: NexthopObject[];
  /** What no dump says, where `probeMemory` was asked. */
  memory?: RoutingMemory;
  /** False when a table kept changing while it was read. */
  consistent: boolean;
}

/** What the kernel remembers of rules and routes that are gone; see SnapshotSysctls. Null where it could not be found out. */
export interface RoutingMemory {
  mergedTables4: boolean | null;
  customLocalRoutes4: boolean | null;
  customRules6: boolean | null;
}

/** A kernel built without the family or the feature, or with IPv6 switched off at boot, has no objects of it. */
const ABSENT_ERRNOS: ReadonlySet<number> = new Set([k.EOPNOTSUPP, 97 /* EAFNOSUPPORT */, k.EINVAL]);

/**
 * Reads links, addresses, rules, routes, settings and nexthop objects of the socket's namespace.
 * @param object the namespace, for error messages
 * @throws NetlinkError
 */
export function dumpRouting(client: NetlinkClient, object: string): RoutingDump {
  let consistent = true;
  const all = <T>(
    type: number,
    name: string,
    body: Uint8Array,
    parse: (view: DataView, off: number, end: number) => T | null,
    optional: boolean,
  ): T[] => {
    try {
      const answer = client.dump({ type, name, object, body }, parse);
      consistent &&= answer.consistent;
      return answer.items;
    } catch (error) {
      if (optional && error instanceof NetlinkError && ABSENT_ERRNOS.has(error.errno)) return [];
      throw error;
    }
  };
  const linkBody = new AttributeWriter()
    .raw(new Uint8Array(16))
    .u32(k.IFLA_EXT_MASK, k.RTEXT_FILTER_SKIP_STATS)
    .bytes();
  const links = all(k.RTM_GETLINK, 'RTM_GETLINK', linkBody, parseLink, false);
  const byIndex = new Map(links.map((link) => [link.ifIndex, link.name]));
  const nameOf: LinkNames = (ifIndex) => byIndex.get(ifIndex) ?? null;
  const route = (view: DataView, off: number, end: number): SnapshotRoute | null =>
    parseRoute(view, off, end, nameOf);
  const addresses: SnapshotAddress[] = [];
  const rules: SnapshotRule[] = [];
  const routes: SnapshotRoute[] = [];
  const netconf: Netconf[] = [];
  for (const family of [AF_INET, k.AF_INET6]) {
    const optional = family === k.AF_INET6;
    const add = <T>(into: T[], items: T[]): void => {
      for (const item of items) into.push(item);
    };
    add(addresses, all(k.RTM_GETADDR, 'RTM_GETADDR', header(8, family), parseAddressMessage, optional));
    // Kernels without CONFIG_IP_MULTIPLE_TABLES have no rules to show.
    add(rules, all(k.RTM_GETRULE, 'RTM_GETRULE', header(12, family), parseRule, true));
    add(routes, all(k.RTM_GETROUTE, 'RTM_GETROUTE', header(12, family), route, optional));
    add(netconf, all(k.RTM_GETNETCONF, 'RTM_GETNETCONF', header(4, family), parseNetconf, true));
  }
  const nexthops = all(
    k.RTM_GETNEXTHOP,
    'RTM_GETNEXTHOP',
    header(8, k.AF_UNSPEC),
    (view, off, end) => parseNexthop(view, off, end, nameOf),
    true,
  );
  return { links, addresses, rules, routes, netconf, nexthops, consistent };
}

/** A family's header of `length` octets with nothing but the family in it. */
function header(length: number, family: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = family;
  return bytes;
}

/**
 * The id that the socket's namespace has for another one: what IFLA_LINK_NETNSID refers to. RTM_GETNSID
 * @param netnsFd descriptor of the other namespace
 * @returns null when the two have never been in touch (NETNSA_NSID_NOT_ASSIGNED)
 * @throws NetlinkError
 */
export function getNetnsId(client: NetlinkClient, netnsFd: number, object: string): number | null {
  // struct rtgenmsg: one octet, the family.
  const body = new AttributeWriter().raw(new Uint8Array(1)).u32(k.NETNSA_FD, netnsFd).bytes();
  const id = client.get({ type: k.RTM_GETNSID, name: 'RTM_GETNSID', object, body }, (view, off, end) => {
    const attributes = openAttributes(view, off, end, 4, 'rtgenmsg');
    while (attributes.next()) if (attributes.type === k.NETNSA_NSID) return attributes.i32();
    return -1;
  });
  return id < 0 ? null : id;
}

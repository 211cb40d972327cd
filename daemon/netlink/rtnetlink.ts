import { AF_INET } from '../kernel/constants.ts';
import * as k from '../kernel/netlink-constants.ts';
import { AttributeWriter } from './attribute.ts';
import type { MessageHandler, NetlinkClient } from './dump.ts';
import { NetlinkError } from './errors.ts';
import { type LinkNames, openAttributes } from './family.ts';
import { type LinkMessage, type Netconf, parseAddressMessage, parseLink, parseNetconf } from './link.ts';
import { type NexthopObject, parseNexthop, parseRoute } from './route.ts';
import { parseRule } from './rule.ts';
import type { SnapshotAddress, SnapshotRoute, SnapshotRule } from '../routes/snapshot.ts';

/** What the routing of one namespace is made of beside the routes, as one round of dumps found it. */
export interface ContextDump {
  links: LinkMessage[];
  addresses: SnapshotAddress[];
  rules: SnapshotRule[];
  netconf: Netconf[];
  nexthops: NexthopObject[];
  /** What no dump says, where `probeMemory` was asked. */
  memory?: RoutingMemory;
  /** False when something kept changing while it was read. */
  consistent: boolean;
}

/** The same with the routes. */
export interface RoutingDump extends ContextDump {
  routes: SnapshotRoute[];
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
  const context = dumpContext(client, object);
  const nameOf = linkNames(context.links);
  let routes: SnapshotRoute[] = [];
  const consistent = dumpRoutes(
    client,
    object,
    (family) => {
      routes = routes.filter((route) => route.family !== family);
    },
    (_type, view, off, end) => {
      const route = parseRoute(view, off, end, nameOf);
      if (route !== null) routes.push(route);
    },
  );
  return { ...context, routes, consistent: context.consistent && consistent };
}

/** Names by index. */
export function linkNames(links: readonly { ifIndex: number; name: string }[]): LinkNames {
  const names = new Map(links.map(({ ifIndex, name }) => [ifIndex, name]));
  return (ifIndex) => names.get(ifIndex) ?? null;
}

/**
 * Reads everything but the routes.
 * @param object the namespace, for error messages
 * @throws NetlinkError
 */
export function dumpContext(client: NetlinkClient, object: string): ContextDump {
  let consistent = true;
  const all = <T>(
    type: number,
    name: string,
    body: Uint8Array,
    parse: (view: DataView, off: number, end: number) => T | null,
    isOptional: boolean,
  ): T[] =>
    optional(isOptional, [], () => {
      const answer = client.dump({ type, name, object, body }, parse);
      consistent &&= answer.consistent;
      return answer.items;
    });
  const { items: links, consistent: areLinks } = dumpLinks(client, object);
  const addresses: SnapshotAddress[] = [];
  const rules: SnapshotRule[] = [];
  const netconf: Netconf[] = [];
  for (const family of FAMILIES) {
    const isSix = family === k.AF_INET6;
    addresses.push(...all(k.RTM_GETADDR, 'RTM_GETADDR', header(8, family), parseAddressMessage, isSix));
    // Kernels without CONFIG_IP_MULTIPLE_TABLES have no rules to show.
    rules.push(...all(k.RTM_GETRULE, 'RTM_GETRULE', header(12, family), parseRule, true));
    netconf.push(...all(k.RTM_GETNETCONF, 'RTM_GETNETCONF', header(4, family), parseNetconf, true));
  }
  const nameOf = linkNames(links);
  const nexthops = all(
    k.RTM_GETNEXTHOP,
    'RTM_GETNEXTHOP',
    header(8, k.AF_UNSPEC),
    (view, off, end) => parseNexthop(view, off, end, nameOf),
    true,
  );
  return { links, addresses, rules, netconf, nexthops, consistent: consistent && areLinks };
}

/**
 * Reads the interfaces alone.
 * @param object the namespace, for error messages
 * @returns `consistent` is false when they kept changing while they were read
 * @throws NetlinkError
 */
export function dumpLinks(
  client: NetlinkClient,
  object: string,
): { items: LinkMessage[]; consistent: boolean } {
  const body = new AttributeWriter()
    .raw(new Uint8Array(16))
    .u32(k.IFLA_EXT_MASK, k.RTEXT_FILTER_SKIP_STATS)
    .bytes();
  return client.dump({ type: k.RTM_GETLINK, name: 'RTM_GETLINK', object, body }, parseLink);
}

const FAMILIES = [AF_INET, k.AF_INET6] as const;

/**
 * Reads the routes of both families, message by message.
 * @param start  called before the first message of a family, and again when its dump starts over
 * @returns false when a table kept changing while it was read
 * @throws NetlinkError
 */
export function dumpRoutes(
  client: NetlinkClient,
  object: string,
  start: (family: 4 | 6) => void,
  handle: MessageHandler,
): boolean {
  let consistent = true;
  for (const family of FAMILIES) {
    const request = { type: k.RTM_GETROUTE, name: 'RTM_GETROUTE', object, body: header(12, family) };
    const version = family === AF_INET ? 4 : 6;
    consistent &&= optional(version === 6, true, () =>
      client.dumpEach(request, () => start(version), handle),
    );
  }
  return consistent;
}

/** What `read` gives, or `absent` where the kernel has no such thing and need not have it. */
function optional<T>(isOptional: boolean, absent: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isOptional && error instanceof NetlinkError && ABSENT_ERRNOS.has(error.errno)) return absent;
    throw error;
  }
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

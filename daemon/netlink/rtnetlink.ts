import { AF_INET } from '../kernel/constants.ts';
import * as k from '../kernel/netlink-constants.ts';
import { AttributeWriter } from './attribute.ts';
import type { MessageHandler, NetlinkClient, NetlinkRequest } from './dump.ts';
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
  /** False when something kept changing while it was read. */
  consistent: boolean;
}

/** The same with the routes. */
export interface RoutingDump extends ContextDump {
  routes: SnapshotRoute[];
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
  const linkBody = new AttributeWriter()
    .raw(new Uint8Array(16))
    .u32(k.IFLA_EXT_MASK, k.RTEXT_FILTER_SKIP_STATS)
    .bytes();
  const links = all(k.RTM_GETLINK, 'RTM_GETLINK', linkBody, parseLink, false);
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
  return { links, addresses, rules, netconf, nexthops, consistent };
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

/** What to ask of the kernel's own route lookup. Absent fields select as the kernel's defaults do. */
export interface KernelRouteQuery {
  version: 4 | 6;
  /** Network order, 4 or 16 octets. */
  dst: Uint8Array;
  src?: Uint8Array | undefined;
  /** Interface that the packet came in on: asks for the input lookup. */
  iifIndex?: number | undefined;
  oifIndex?: number | undefined;
  tos?: number | undefined;
  mark?: number | undefined;
  ipProto?: number | undefined;
  sport?: number | undefined;
  dport?: number | undefined;
  /** True: the matching route of the table (`ip route get fibmatch`); false: what the packet would do. */
  fibMatch: boolean;
}

/**
 * Asks the kernel for its decision. RTM_GETROUTE, rtnetlink(7)
 * @param object what is asked, for error messages
 * @throws NetlinkError; ENETUNREACH, EHOSTUNREACH, EINVAL and EACCES are the kernel's answers for packets it drops
 */
export function getRoute(
  client: NetlinkClient,
  query: KernelRouteQuery,
  nameOf: LinkNames,
  object: string,
): SnapshotRoute {
  const length = query.version === 4 ? 4 : 16;
  const rtmsg = new Uint8Array(12);
  const view = new DataView(rtmsg.buffer);
  rtmsg[0] = query.version === 4 ? AF_INET : k.AF_INET6;
  rtmsg[1] = length * 8;
  rtmsg[2] = query.src === undefined ? 0 : length * 8;
  rtmsg[3] = query.tos ?? 0;
  // IPv6 tells the table anyway, and refuses the flag (inet6_rtm_valid_getroute_req).
  const lookupTable = query.version === 4 ? k.RTM_F_LOOKUP_TABLE : 0;
  view.setUint32(8, lookupTable | (query.fibMatch ? k.RTM_F_FIB_MATCH : 0), k.LITTLE_ENDIAN);
  const body = new AttributeWriter().raw(rtmsg).put(k.RTA_DST, query.dst.subarray(0, length));
  if (query.src !== undefined) body.put(k.RTA_SRC, query.src.subarray(0, length));
  if (query.iifIndex !== undefined) body.u32(k.RTA_IIF, query.iifIndex);
  if (query.oifIndex !== undefined) body.u32(k.RTA_OIF, query.oifIndex);
  if (query.mark !== undefined) body.u32(k.RTA_MARK, query.mark);
  if (query.ipProto !== undefined) body.u8(k.RTA_IP_PROTO, query.ipProto);
  if (query.sport !== undefined) body.be16(k.RTA_SPORT, query.sport);
  if (query.dport !== undefined) body.be16(k.RTA_DPORT, query.dport);
  const request: NetlinkRequest = { type: k.RTM_GETROUTE, name: 'RTM_GETROUTE', object, body: body.bytes() };
  return client.get(request, (data, off, end) => {
    const route = parseRoute(data, off, end, nameOf, true);
    if (route === null)
      throw new NetlinkError('RTM_GETROUTE', object, k.EOPNOTSUPP, 0, 'answer is no IP route');
    return route;
  });
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

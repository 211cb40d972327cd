import { AF_INET } from '../kernel/constants.ts';
import * as k from '../kernel/netlink-constants.ts';
import { AttributeWriter } from './attribute.ts';
import type { NetlinkClient, NetlinkRequest } from './dump.ts';
import { NetlinkError } from './errors.ts';
import type { LinkNames } from './family.ts';
import { parseRoute } from './route.ts';
import type { SnapshotRoute } from '../routes/snapshot.ts';

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
  uid?: number | undefined;
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
  if (query.uid !== undefined) body.u32(k.RTA_UID, query.uid);
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

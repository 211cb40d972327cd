import * as k from '../kernel/netlink-constants.ts';
import type { SnapshotAddress } from '../routes/snapshot.ts';
import type { NetlinkClient } from './dump.ts';
import { openAttributes } from './family.ts';
import { type LinkMessage, parseAddressMessage, parseLink } from './link.ts';
import { type LinkInfo, type LinkKindData, parseKindData } from './link-info.ts';

/** Packets and octets since the interface was made, as the kernel counts them. */
export interface LinkCounters {
  rxPackets: number;
  txPackets: number;
  rxBytes: number;
  txBytes: number;
  rxDropped: number;
  txDropped: number;
}

/** A link with what people want to know of it beyond its routing. */
export interface LinkDetail extends LinkMessage {
  info: LinkInfo;
  /** ifindex of the device below, in the namespace that `linkNetnsId` names; null: none, or a kind that has a peer. */
  lowerIndex: number | null;
  /** ifindex of the other end of a pair, in the namespace that `linkNetnsId` names; null: no pair. */
  peerIndex: number | null;
  /** null: the kernel did not say. */
  counters: LinkCounters | null;
}

/** Links and addresses of a namespace. */
export interface LinkListing {
  links: LinkDetail[];
  addresses: SnapshotAddress[];
}

/** Kinds whose IFLA_LINK is the other end of a pair. */
const PAIRS: ReadonlySet<string> = new Set(['veth', 'vxcan', 'netkit']);
/** Kinds that are always on another device. */
const STACKED: ReadonlySet<string> = new Set(['vlan', 'macvlan', 'macvtap', 'ipvlan', 'ipvtap', 'macsec']);
/** struct ifinfomsg, struct ifaddrmsg. linux/rtnetlink.h, linux/if_addr.h */
const IFINFOMSG_LEN = 16;
const IFADDRMSG_LEN = 8;
/** struct rtnl_link_stats64, octets: each u64. linux/if_link.h */
const STATS = { rxPackets: 0, txPackets: 8, rxBytes: 16, txBytes: 24, rxDropped: 48, txDropped: 56 };
const STATS_LEN = 64;

/**
 * Reads links and addresses of the socket's namespace.
 * @param object the namespace, for error messages
 * @throws NetlinkError, NetlinkFormatError
 */
export function dumpLinks(client: NetlinkClient, object: string): LinkListing {
  const body = new Uint8Array(IFINFOMSG_LEN);
  const { items: links } = client.dump(
    { type: k.RTM_GETLINK, name: 'RTM_GETLINK', object, body },
    parseLinkDetail,
  );
  // AF_UNSPEC: both families in one dump, and none where the kernel has no IPv6.
  const { items } = client.dump(
    { type: k.RTM_GETADDR, name: 'RTM_GETADDR', object, body: new Uint8Array(IFADDRMSG_LEN) },
    parseAddressMessage,
  );
  // As `ip addr` has them: IPv4 first.
  return { links, addresses: items.sort((a, b) => a.family - b.family) };
}

/** An RTM_NEWLINK. @throws NetlinkFormatError */
export function parseLinkDetail(view: DataView, off: number, end: number): LinkDetail {
  const link = parseLink(view, off, end);
  let kindData: LinkKindData = { info: {}, lower: null };
  let counters: LinkCounters | null = null;
  const attributes = openAttributes(view, off, end, IFINFOMSG_LEN, 'ifinfomsg');
  while (attributes.next()) {
    if (attributes.type === k.IFLA_STATS64 && attributes.length >= STATS_LEN) {
      const at = attributes.off;
      const entries = Object.entries(STATS).map(([key, o]) => [
        key,
        Number(view.getBigUint64(at + o, k.LITTLE_ENDIAN)),
      ]);
      counters = Object.fromEntries(entries) as unknown as LinkCounters;
    }
    if (attributes.type !== k.IFLA_LINKINFO || link.kind === null) continue;
    const linkInfo = attributes.nested();
    while (linkInfo.next())
      if (linkInfo.type === k.IFLA_INFO_DATA) kindData = parseKindData(link.kind, linkInfo.nested());
  }
  const isPair = link.kind !== null && PAIRS.has(link.kind);
  return {
    ...link,
    info: kindData.info,
    lowerIndex: isPair ? null : (kindData.lower ?? lowerOf(link)) || null,
    peerIndex: isPair ? link.link || null : null,
    counters,
  };
}

/**
 * 0: a tunnel that takes whatever way its route goes. A device that has nothing below names itself, which the kernel leaves out
 * except where it was moved to another namespace (rtnl_fill_link_netnsid with force); one on a device of that namespace may
 * have the same number.
 */
function lowerOf({ kind, link, ifIndex }: LinkMessage): number | null {
  return link === ifIndex && !STACKED.has(kind ?? '') ? null : link;
}

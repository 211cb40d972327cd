import { AF_INET } from '../kernel/constants.ts';
import * as k from '../kernel/netlink-constants.ts';
import type { SnapshotAddress, SnapshotLink } from '../routes/snapshot.ts';
import type { AttributeCursor } from './attribute.ts';
import { NetlinkFormatError } from './errors.ts';
import { IP_VERSIONS, openAttributes, readAddress } from './family.ts';
import { OPER_STATES, scopeNames } from './names.ts';

/** Settings that stand in the link message itself and in no snapshot link; null where the message has none. */
export interface LinkSysctls {
  acceptLocal: boolean | null;
  routeLocalnet: boolean | null;
  srcValidMark: boolean | null;
  sendRedirects: boolean | null;
  forceForwarding6: boolean | null;
}

/** A link as its message has it. */
export interface LinkMessage extends SnapshotLink {
  sysctls: LinkSysctls;
}

/** struct ifinfomsg: family u8 0, type u16 2, index i32 4, flags u32 8, change u32 12. linux/rtnetlink.h */
const IFINFOMSG_LEN = 16;
/** struct ifaddrmsg: family u8 0, prefixlen u8 1, flags u8 2, scope u8 3, index u32 4. linux/if_addr.h */
const IFADDRMSG_LEN = 8;
/** struct netconfmsg: family u8 0, padded. linux/netconf.h */
const NETCONFMSG_LEN = 4;

/** An RTM_NEWLINK or RTM_DELLINK. @throws NetlinkFormatError */
export function parseLink(view: DataView, off: number, end: number): LinkMessage {
  const attributes = openAttributes(view, off, end, IFINFOMSG_LEN, 'ifinfomsg');
  const link: LinkMessage = {
    ifIndex: view.getInt32(off + 4, k.LITTLE_ENDIAN),
    name: '',
    flags: view.getUint32(off + 8, k.LITTLE_ENDIAN),
    arpType: view.getUint16(off + 2, k.LITTLE_ENDIAN),
    mtu: 0,
    address: null,
    master: 0,
    kind: null,
    slaveKind: null,
    link: null,
    linkNetnsId: null,
    operState: OPER_STATES[0],
    sysctls: {
      acceptLocal: null,
      routeLocalnet: null,
      srcValidMark: null,
      sendRedirects: null,
      forceForwarding6: null,
    },
  };
  while (attributes.next()) {
    switch (attributes.type) {
      case k.IFLA_IFNAME:
        link.name = attributes.text();
        break;
      case k.IFLA_MTU:
        link.mtu = attributes.u32();
        break;
      case k.IFLA_ADDRESS:
        link.address = attributes.length === 0 ? null : formatHardwareAddress(attributes.bytes());
        break;
      case k.IFLA_MASTER:
        link.master = attributes.u32();
        break;
      case k.IFLA_LINK:
        link.link = attributes.u32();
        break;
      case k.IFLA_LINK_NETNSID:
        link.linkNetnsId = attributes.i32();
        break;
      case k.IFLA_OPERSTATE:
        link.operState = OPER_STATES[attributes.u8()] ?? String(attributes.u8());
        break;
      case k.IFLA_GROUP:
        link.group = attributes.u32();
        break;
      case k.IFLA_LINKINFO:
        parseLinkInfo(attributes.nested(), link);
        break;
      case k.IFLA_AF_SPEC:
        parseAfSpec(attributes.nested(), link.sysctls);
        break;
    }
  }
  return link;
}

function parseLinkInfo(attributes: AttributeCursor, link: SnapshotLink): void {
  let data: AttributeCursor | null = null;
  while (attributes.next()) {
    if (attributes.type === k.IFLA_INFO_KIND) link.kind = attributes.text();
    else if (attributes.type === k.IFLA_INFO_SLAVE_KIND) link.slaveKind = attributes.text();
    else if (attributes.type === k.IFLA_INFO_DATA) data = attributes.nested();
  }
  if (link.kind !== 'vrf' || data === null) return;
  while (data.next()) if (data.type === k.IFLA_VRF_TABLE) link.vrfTable = data.u32();
}

/** IFLA_AF_SPEC > AF_INET > IFLA_INET_CONF: u32 values, numbered IPV4_DEVCONF_*. */
function parseAfSpec(families: AttributeCursor, sysctls: LinkSysctls): void {
  while (families.next()) {
    if (families.type === k.AF_INET6) parseInet6(families.nested(), sysctls);
    if (families.type !== AF_INET) continue;
    const inet = families.nested();
    while (inet.next()) {
      if (inet.type !== k.IFLA_INET_CONF) continue;
      // An array of u32 that starts at number 1, not attributes (inet_fill_link_af).
      const value = (number: number): boolean | null =>
        number * 4 <= inet.length
          ? inet.view.getUint32(inet.off + (number - 1) * 4, k.LITTLE_ENDIAN) !== 0
          : null;
      sysctls.acceptLocal = value(k.IPV4_DEVCONF_ACCEPT_LOCAL);
      sysctls.routeLocalnet = value(k.IPV4_DEVCONF_ROUTE_LOCALNET);
      sysctls.srcValidMark = value(k.IPV4_DEVCONF_SRC_VMARK);
      sysctls.sendRedirects = value(k.IPV4_DEVCONF_SEND_REDIRECTS);
    }
  }
}

/** IFLA_AF_SPEC > AF_INET6 > IFLA_INET6_CONF: i32 values, numbered DEVCONF_* from 0. */
function parseInet6(inet6: AttributeCursor, sysctls: LinkSysctls): void {
  const at = k.DEVCONF_FORCE_FORWARDING * 4;
  while (inet6.next())
    if (inet6.type === k.IFLA_INET6_CONF && at + 4 <= inet6.length)
      sysctls.forceForwarding6 = inet6.view.getInt32(inet6.off + at, k.LITTLE_ENDIAN) !== 0;
}

/** Octets as `ip` prints a hardware address: "02:00:00:00:00:01", of any length. */
export function formatHardwareAddress(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join(':');
}

/** An RTM_NEWADDR or RTM_DELADDR; null for a family that is not IP. @throws NetlinkFormatError */
export function parseAddressMessage(view: DataView, off: number, end: number): SnapshotAddress | null {
  const attributes = openAttributes(view, off, end, IFADDRMSG_LEN, 'ifaddrmsg');
  const family = IP_VERSIONS.get(view.getUint8(off));
  if (family === undefined) return null;
  let address: string | null = null;
  let local: string | null = null;
  let broadcast: string | null = null;
  while (attributes.next()) {
    if (attributes.type === k.IFA_ADDRESS) address = readAddress(attributes, family);
    // The interface's own address: on a point-to-point link IFA_ADDRESS is the peer's. linux/if_addr.h
    else if (attributes.type === k.IFA_LOCAL) local = readAddress(attributes, family);
    else if (attributes.type === k.IFA_BROADCAST) broadcast = readAddress(attributes, family);
  }
  const own = local ?? address;
  if (own === null) throw new NetlinkFormatError('ifaddrmsg without an address', off);
  return {
    family,
    ifIndex: view.getUint32(off + 4, k.LITTLE_ENDIAN),
    address: own,
    prefixLen: view.getUint8(off + 1),
    broadcast,
    scope: scopeNames.name(view.getUint8(off + 3)),
  };
}

/** One RTM_NEWNETCONF: the settings of one interface, of "all" (-1) or of "default" (-2), in one family. */
export interface Netconf {
  family: 4 | 6;
  ifIndex: number;
  /** Null where this message does not say; a notification says only what changed. */
  forwarding: boolean | null;
  rpFilter: number | null;
  ignoreLinkdown: boolean | null;
  /** IPv4: directed broadcasts are forwarded. */
  bcForwarding: boolean | null;
}

/** An RTM_NEWNETCONF or RTM_DELNETCONF; null for a family that is not IP. @throws NetlinkFormatError */
export function parseNetconf(view: DataView, off: number, end: number): Netconf | null {
  const attributes = openAttributes(view, off, end, NETCONFMSG_LEN, 'netconfmsg');
  const family = IP_VERSIONS.get(view.getUint8(off));
  if (family === undefined) return null;
  const conf: Netconf = {
    family,
    ifIndex: 0,
    forwarding: null,
    rpFilter: null,
    ignoreLinkdown: null,
    bcForwarding: null,
  };
  while (attributes.next()) {
    if (attributes.type === k.NETCONFA_IFINDEX) conf.ifIndex = attributes.i32();
    else if (attributes.type === k.NETCONFA_FORWARDING) conf.forwarding = attributes.i32() !== 0;
    else if (attributes.type === k.NETCONFA_RP_FILTER) conf.rpFilter = attributes.i32();
    else if (attributes.type === k.NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN)
      conf.ignoreLinkdown = attributes.i32() !== 0;
    else if (attributes.type === k.NETCONFA_BC_FORWARDING) conf.bcForwarding = attributes.i32() !== 0;
  }
  return conf;
}

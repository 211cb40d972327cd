import { formatAddress } from '../../decoders/address.ts';
import * as k from '../kernel/netlink-constants.ts';
import type { SnapshotNextHop, SnapshotRoute } from '../routes/snapshot.ts';
import { AttributeCursor } from './attribute.ts';
import { NetlinkFormatError } from './errors.ts';
import { IP_VERSIONS, type LinkNames, openAttributes, readAddress } from './family.ts';
import { preferenceName, protocolNames, routeTypeName, scopeNames } from './names.ts';

/** struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type: u8 0..7; flags u32 8. linux/rtnetlink.h */
const RTMSG_LEN = 12;
/** struct rtnexthop: len u16 0, flags u8 2, hops u8 3, ifindex i32 4. linux/rtnetlink.h */
const RTNEXTHOP_LEN = 8;
/** struct nhmsg: family, scope, protocol, res: u8 0..3; flags u32 4. linux/nexthop.h */
const NHMSG_LEN = 8;
/** struct nexthop_grp: id u32 0, weight u8 4, weight_high u8 5, res u16 6. linux/nexthop.h */
const NEXTHOP_GRP_LEN = 8;

/**
 * An RTM_NEWROUTE or RTM_DELROUTE.
 * @param cached take a cached route (RTM_F_CLONED) too: the answer to a question, not part of a table
 * @returns null for a family that is not IP, and for a cached route unless asked for
 * @throws NetlinkFormatError
 */
export function parseRoute(
  view: DataView,
  off: number,
  end: number,
  nameOf: LinkNames,
  cached = false,
): SnapshotRoute | null {
  const attributes = openAttributes(view, off, end, RTMSG_LEN, 'rtmsg');
  const family = IP_VERSIONS.get(view.getUint8(off));
  const flags = view.getUint32(off + 8, k.LITTLE_ENDIAN);
  if (family === undefined || (!cached && (flags & k.RTM_F_CLONED) !== 0)) return null;
  const prefixLen = view.getUint8(off + 1);
  const fromLen = view.getUint8(off + 2);
  const route: SnapshotRoute = {
    family,
    type: routeTypeName(view.getUint8(off + 7)),
    table: view.getUint8(off + 4),
    prefix: `${family === 4 ? '0.0.0.0' : '::'}/${prefixLen}`,
    from: null,
    tos: view.getUint8(off + 3),
    protocol: protocolNames.name(view.getUint8(off + 5)),
    scope: scopeNames.name(view.getUint8(off + 6)),
    metric: family === 4 ? null : 0,
    prefsrc: null,
    pref: null,
    nextHops: [],
    nhid: null,
  };
  const single = nextHop(flags);
  let hasSingle = false;
  while (attributes.next()) {
    switch (attributes.type) {
      case k.RTA_DST:
        route.prefix = `${readAddress(attributes, family)}/${prefixLen}`;
        break;
      case k.RTA_SRC:
        route.from = `${readAddress(attributes, family)}/${fromLen}`;
        break;
      case k.RTA_TABLE:
        route.table = attributes.u32();
        break;
      case k.RTA_PRIORITY: {
        const metric = attributes.u32();
        route.metric = family === 4 && metric === 0 ? null : metric;
        break;
      }
      case k.RTA_PREFSRC:
        route.prefsrc = readAddress(attributes, family);
        break;
      case k.RTA_PREF:
        route.pref = preferenceName(attributes.u8());
        break;
      case k.RTA_NH_ID:
        route.nhid = attributes.u32();
        break;
      case k.RTA_OIF:
        hasSingle = true;
        single.ifIndex = attributes.u32();
        single.dev = nameOf(single.ifIndex);
        break;
      case k.RTA_GATEWAY:
        hasSingle = true;
        single.gateway = readAddress(attributes, family);
        break;
      case k.RTA_VIA:
        hasSingle = true;
        readVia(attributes, family, single);
        break;
      case k.RTA_MULTIPATH:
        route.nextHops = parseMultipath(attributes, family, nameOf);
        break;
    }
  }
  if (route.nextHops.length === 0 && hasSingle) route.nextHops = [single];
  return route;
}

/** RTA_MULTIPATH: struct rtnexthop, its attributes within its length, and so on. */
function parseMultipath(outer: AttributeCursor, family: 4 | 6, nameOf: LinkNames): SnapshotNextHop[] {
  const hops: SnapshotNextHop[] = [];
  const { view, end } = outer;
  let off = outer.off;
  while (end - off >= RTNEXTHOP_LEN) {
    const length = view.getUint16(off, k.LITTLE_ENDIAN);
    if (length < RTNEXTHOP_LEN || length > end - off)
      throw new NetlinkFormatError(`rtnexthop of ${length} octets where ${end - off} are left`, off);
    const hop = nextHop(view.getUint8(off + 2));
    hop.weight = view.getUint8(off + 3) + 1;
    hop.ifIndex = view.getInt32(off + 4, k.LITTLE_ENDIAN);
    hop.dev = nameOf(hop.ifIndex);
    const attributes = new AttributeCursor(view, off + RTNEXTHOP_LEN, off + length);
    while (attributes.next()) {
      if (attributes.type === k.RTA_GATEWAY) hop.gateway = readAddress(attributes, family);
      else if (attributes.type === k.RTA_VIA) readVia(attributes, family, hop);
    }
    hops.push(hop);
    off += (length + 3) & ~3;
  }
  return hops;
}

/** struct rtvia: family u16 0, address 2. linux/rtnetlink.h */
function readVia(attribute: AttributeCursor, routeFamily: 4 | 6, hop: SnapshotNextHop): void {
  const family = IP_VERSIONS.get(attribute.u16());
  if (family === undefined) return;
  const bytes = attribute.bytes();
  if (bytes.length < 2 + (family === 4 ? 4 : 16))
    throw new NetlinkFormatError('rtvia is too short', attribute.off);
  hop.gateway = formatAddress(bytes, 2, family);
  hop.gatewayFamily = family === routeFamily ? null : family;
}

function nextHop(flags: number): SnapshotNextHop {
  return {
    gateway: null,
    gatewayFamily: null,
    dev: null,
    ifIndex: 0,
    weight: 1,
    onlink: (flags & k.RTNH_F_ONLINK) !== 0,
    dead: (flags & k.RTNH_F_DEAD) !== 0,
    linkdown: (flags & k.RTNH_F_LINKDOWN) !== 0,
  };
}

/** A nexthop object: one next hop, a group of others, or a blackhole. `ip nexthop` */
export interface NexthopObject {
  id: number;
  blackhole: boolean;
  /** The single next hop, or null for a group or a blackhole. */
  hop: SnapshotNextHop | null;
  group: { id: number; weight: number }[];
}

/** An RTM_NEWNEXTHOP or RTM_DELNEXTHOP. @throws NetlinkFormatError */
export function parseNexthop(view: DataView, off: number, end: number, nameOf: LinkNames): NexthopObject {
  const attributes = openAttributes(view, off, end, NHMSG_LEN, 'nhmsg');
  const family = IP_VERSIONS.get(view.getUint8(off));
  const hop = nextHop(view.getUint32(off + 4, k.LITTLE_ENDIAN));
  const object: NexthopObject = { id: 0, blackhole: false, hop: null, group: [] };
  while (attributes.next()) {
    switch (attributes.type) {
      case k.NHA_ID:
        object.id = attributes.u32();
        break;
      case k.NHA_BLACKHOLE:
        object.blackhole = true;
        break;
      case k.NHA_OIF:
        hop.ifIndex = attributes.u32();
        hop.dev = nameOf(hop.ifIndex);
        object.hop = hop;
        break;
      case k.NHA_GATEWAY:
        if (family !== undefined) hop.gateway = readAddress(attributes, family);
        object.hop = hop;
        break;
      case k.NHA_GROUP:
        for (let at = attributes.off; at + NEXTHOP_GRP_LEN <= attributes.end; at += NEXTHOP_GRP_LEN)
          object.group.push({
            id: view.getUint32(at, k.LITTLE_ENDIAN),
            weight: ((view.getUint8(at + 5) << 8) | view.getUint8(at + 4)) + 1,
          });
        break;
    }
  }
  // The kernel names the loopback device for a blackhole, which goes nowhere.
  if (object.blackhole) object.hop = null;
  return object;
}

import { GENEVE_PORT, decodeGeneve } from './geneve.ts';
import { decodeGre } from './gre.ts';
import { GTPU_PORT, decodeGtpU } from './gtp-u.ts';
import { LinkType } from './link-types.ts';
import { decodePacket } from './packet.ts';
import { IpProto, type PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';
import { type TunnelFields, TunnelStatus, TunnelType } from './tunnel-fields.ts';
import { UDP_HEADER_LEN } from './udp.ts';
import { VXLAN_GPE_PORT, VXLAN_PORT, VXLAN_PORT_LINUX, decodeVxlan, decodeVxlanGpe } from './vxlan.ts';

/**
 * Decodes the packet inside the packet in `outer`: IP in IP, GRE and ERSPAN, VXLAN, VXLAN-GPE, GENEVE, GTP-U. Allocates
 * nothing and never throws. For what is inside of that, call it again with `inner` as `outer`.
 *
 * `inner.wireLen` is the length of the inner frame or packet on the wire as the outer headers tell it; `inner`'s times and
 * capture point are those of `outer`. A fragment of a tunnelled packet is Undecoded: its content is not whole; one without
 * ports (a later fragment over UDP) is None, because nothing says that it belongs to a tunnel.
 * @param view  the bytes that the offsets in `outer` point into
 * @param outer result of decodePacket with status Ok and ipVersion 4 or 6
 * @param inner another object than `outer`; meaningful only when Ok is returned
 * @param t     type and id, set unless None
 */
export function decodeTunnel(
  view: DataView,
  outer: PacketFields,
  inner: PacketFields,
  t: TunnelFields,
): TunnelStatus {
  const proto = outer.ipProto;
  let status: TunnelStatus;
  if (proto === IpProto.UDP) {
    if (!outer.hasPorts) return TunnelStatus.None;
    status = decodeUdpTunnel(view, outer, t);
  } else if (proto === IpProto.IPIP || proto === IpProto.IPV6 || proto === IpProto.GRE) {
    status = decodeIpTunnel(view, outer, proto, t);
  } else return TunnelStatus.None;
  if (status !== TunnelStatus.Ok) return status;
  if (outer.isFragment) return TunnelStatus.Undecoded;

  inner.linkType = t.innerLinkType;
  inner.captureIndex = outer.captureIndex;
  inner.tsSec = outer.tsSec;
  inner.tsNsec = outer.tsNsec;
  inner.pktType = outer.pktType;
  inner.strippedTci = -1;
  inner.strippedTpid = 0;
  inner.wireLen = Math.max(outer.l4End, outer.ipWireEnd) - t.innerOff;
  const decoded = decodePacket(view, t.innerOff, outer.l4End, inner);
  return decoded === Status.Ok && inner.ipVersion !== 0 ? TunnelStatus.Ok : TunnelStatus.Undecoded;
}

function reset(t: TunnelFields): void {
  t.id = 0;
  t.hasId = false;
  t.idBothWays = false;
}

/** IP protocols that are tunnels by themselves. RFC 2003, RFC 2473, RFC 4213 §3, RFC 2784. */
function decodeIpTunnel(view: DataView, outer: PacketFields, proto: number, t: TunnelFields): TunnelStatus {
  reset(t);
  if (proto === IpProto.GRE) {
    t.type = TunnelType.gre;
    if (outer.l4Off < 0 || outer.fragOff !== 0) return TunnelStatus.Undecoded;
    return decodeGre(view, outer.l4Off, outer.l4End, t);
  }
  const overIPv4 = outer.ipVersion === 4;
  if (proto === IpProto.IPIP) {
    t.type = overIPv4 ? TunnelType.ipip : TunnelType['4in6'];
    t.innerLinkType = LinkType.IPV4;
  } else {
    t.type = overIPv4 ? TunnelType['6in4'] : TunnelType['6in6'];
    t.innerLinkType = LinkType.IPV6;
  }
  t.innerOff = outer.l4Off;
  return outer.l4Off < 0 || outer.fragOff !== 0 ? TunnelStatus.Undecoded : TunnelStatus.Ok;
}

/** By destination port: the source port of VXLAN and GENEVE is a hash of the inner packet. */
function decodeUdpTunnel(view: DataView, outer: PacketFields, t: TunnelFields): TunnelStatus {
  const off = Math.min(outer.l4Off + UDP_HEADER_LEN, outer.l4End);
  switch (outer.dstPort) {
    case VXLAN_PORT:
    case VXLAN_PORT_LINUX:
      reset(t);
      return decodeVxlan(view, off, outer.l4End, t);
    case VXLAN_GPE_PORT:
      reset(t);
      return decodeVxlanGpe(view, off, outer.l4End, t);
    case GENEVE_PORT:
      reset(t);
      return decodeGeneve(view, off, outer.l4End, t);
    case GTPU_PORT:
      reset(t);
      return decodeGtpU(view, off, outer.l4End, t);
    default:
      return TunnelStatus.None;
  }
}

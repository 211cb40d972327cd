import { LinkType } from './link-types.ts';
import { type TunnelFields, TunnelStatus, TunnelType } from './tunnel-fields.ts';

/** Destination ports: IANA's, Linux's default from before it (drivers/net/vxlan), and VXLAN-GPE's. */
export const VXLAN_PORT = 4789;
export const VXLAN_PORT_LINUX = 8472;
export const VXLAN_GPE_PORT = 4790;

/** Octets. RFC 7348 §5, draft-ietf-nvo3-vxlan-gpe §3. */
export const VXLAN_HEADER_LEN = 8;
export const VXLAN_FLAGS_OFF = 0;
export const VXLAN_NEXT_PROTOCOL_OFF = 3;
/** 24 bits, then 8 reserved. */
export const VXLAN_VNI_OFF = 4;

const FLAG_VNI = 0x08;
/** VXLAN-GPE: version in two bits, and "the next-protocol octet is set". */
const GPE_VERSION = 0x30;
const GPE_FLAG_PROTOCOL = 0x04;

/** draft-ietf-nvo3-vxlan-gpe §3.1. */
const GPE_IPV4 = 1;
const GPE_IPV6 = 2;
const GPE_ETHERNET = 3;
const GPE_MPLS = 5;

/**
 * Reads the VXLAN header at `off`. RFC 7348 §5: the I flag must be set; other bits are ignored, as the group policy
 * extension uses some.
 * @param end one past the last captured octet of the UDP payload; off <= end
 * @returns Ok, Undecoded when cut, None when the I flag says that this is not VXLAN
 */
export function decodeVxlan(view: DataView, off: number, end: number, t: TunnelFields): TunnelStatus {
  t.type = TunnelType.vxlan;
  if (end - off < VXLAN_HEADER_LEN) return TunnelStatus.Undecoded;
  if ((view.getUint8(off) & FLAG_VNI) === 0) return TunnelStatus.None;
  setVni(view, off, t);
  t.innerLinkType = LinkType.ETHERNET;
  t.innerOff = off + VXLAN_HEADER_LEN;
  return TunnelStatus.Ok;
}

/** Reads the VXLAN-GPE header at `off`; without the P flag it is VXLAN. draft-ietf-nvo3-vxlan-gpe §3. Returns as decodeVxlan. */
export function decodeVxlanGpe(view: DataView, off: number, end: number, t: TunnelFields): TunnelStatus {
  t.type = TunnelType['vxlan-gpe'];
  if (end - off < VXLAN_HEADER_LEN) return TunnelStatus.Undecoded;
  const flags = view.getUint8(off);
  if ((flags & GPE_VERSION) !== 0 || (flags & FLAG_VNI) === 0) return TunnelStatus.None;
  setVni(view, off, t);
  t.innerOff = off + VXLAN_HEADER_LEN;
  const hasProtocol = (flags & GPE_FLAG_PROTOCOL) !== 0;
  switch (hasProtocol ? view.getUint8(off + VXLAN_NEXT_PROTOCOL_OFF) : GPE_ETHERNET) {
    case GPE_ETHERNET:
      t.innerLinkType = LinkType.ETHERNET;
      return TunnelStatus.Ok;
    case GPE_IPV4:
      t.innerLinkType = LinkType.IPV4;
      return TunnelStatus.Ok;
    case GPE_IPV6:
      t.innerLinkType = LinkType.IPV6;
      return TunnelStatus.Ok;
    case GPE_MPLS:
      t.innerLinkType = LinkType.MPLS;
      return TunnelStatus.Ok;
    default:
      return TunnelStatus.Undecoded;
  }
}

function setVni(view: DataView, off: number, t: TunnelFields): void {
  t.id = view.getUint32(off + VXLAN_VNI_OFF) >>> 8;
  t.hasId = true;
  t.idBothWays = true;
}

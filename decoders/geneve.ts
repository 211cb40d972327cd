import { ETH_P_IP, ETH_P_IPV6, ETH_P_MPLS_MC, ETH_P_MPLS_UC } from './ethertype.ts';
import { GRE_TEB } from './gre.ts';
import { LinkType } from './link-types.ts';
import { type TunnelFields, TunnelStatus, TunnelType } from './tunnel-fields.ts';

/** Destination port. RFC 8926 §3.3. */
export const GENEVE_PORT = 6081;
/** Octets without options. RFC 8926 §3.4. */
export const GENEVE_HEADER_MIN = 8;
/** 2 bits of version, 6 of option length in units of 4 octets. */
export const GENEVE_VERSION_OFF = 0;
export const GENEVE_PROTOCOL_OFF = 2;
/** 24 bits, then 8 reserved. */
export const GENEVE_VNI_OFF = 4;
const OPTION_LENGTH_MASK = 0x3f;

/**
 * Reads the GENEVE header with its options at `off`. RFC 8926 §3.4. Control messages (O bit; BFD, RFC 9521) are packets
 * between the endpoints in the same form, and decoded like others.
 * @param end one past the last captured octet of the UDP payload; off <= end
 * @returns Ok; Undecoded when cut, or for a payload type that we do not decode; None for a version that is not 0
 */
export function decodeGeneve(view: DataView, off: number, end: number, t: TunnelFields): TunnelStatus {
  t.type = TunnelType.geneve;
  if (end - off < GENEVE_HEADER_MIN) return TunnelStatus.Undecoded;
  const first = view.getUint8(off);
  if (first >>> 6 !== 0) return TunnelStatus.None;
  const headerLen = GENEVE_HEADER_MIN + ((first & OPTION_LENGTH_MASK) << 2);
  if (end - off < headerLen) return TunnelStatus.Undecoded;
  t.id = view.getUint32(off + GENEVE_VNI_OFF) >>> 8;
  t.hasId = true;
  t.idBothWays = true;
  t.innerOff = off + headerLen;
  switch (view.getUint16(off + GENEVE_PROTOCOL_OFF)) {
    case GRE_TEB:
      t.innerLinkType = LinkType.ETHERNET;
      return TunnelStatus.Ok;
    case ETH_P_IP:
      t.innerLinkType = LinkType.IPV4;
      return TunnelStatus.Ok;
    case ETH_P_IPV6:
      t.innerLinkType = LinkType.IPV6;
      return TunnelStatus.Ok;
    case ETH_P_MPLS_UC:
    case ETH_P_MPLS_MC:
      t.innerLinkType = LinkType.MPLS;
      return TunnelStatus.Ok;
    default:
      return TunnelStatus.Undecoded;
  }
}

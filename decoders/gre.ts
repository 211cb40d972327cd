import { decodeErspan2, decodeErspan3 } from './erspan.ts';
import { ETH_P_IP, ETH_P_IPV6, ETH_P_MPLS_MC, ETH_P_MPLS_UC } from './ethertype.ts';
import { LinkType } from './link-types.ts';
import { type TunnelFields, TunnelStatus, TunnelType } from './tunnel-fields.ts';

/** Octets without any optional field. RFC 2784 §2. */
export const GRE_HEADER_MIN = 4;
export const GRE_FLAGS_OFF = 0;
export const GRE_PROTOCOL_OFF = 2;
/** Octets of each optional field: checksum with reserved1, key, sequence number, acknowledgment. RFC 2784, RFC 2890, RFC 2637. */
export const GRE_OPTION_LEN = 4;

/** Bits of the first 16. RFC 2890 §2; the routing bit is RFC 1701's, the acknowledgment bit RFC 2637 §4.1. */
export const GreFlag = {
  CHECKSUM: 0x8000,
  ROUTING: 0x4000,
  KEY: 0x2000,
  SEQUENCE: 0x1000,
  ACK: 0x0080,
} as const;
const VERSION_MASK = 0x0007;
const VERSION_PPTP = 1;

/** Protocol types beyond the EtherTypes. RFC 1701, RFC 2637 §4.1, linux/if_ether.h ETH_P_TEB, ETH_P_ERSPAN, ETH_P_ERSPAN2. */
export const GRE_TEB = 0x6558;
export const GRE_PPP = 0x880b;
export const GRE_ERSPAN = 0x88be;
export const GRE_ERSPAN3 = 0x22eb;

/**
 * Reads the GRE header at `off` (RFC 2784, RFC 2890; version 1 as PPTP uses it, RFC 2637 §4.1) and ERSPAN behind it.
 * Source routing (RFC 1701) is not followed, as in RFC 2784 §2.3. NVGRE (RFC 7637) is GRE with a key: VSID and FlowID.
 * @param end one past the last captured octet of the IP payload; off <= end
 * @returns Ok with all of `t` set; Undecoded when the header is cut or carries what we do not decode; None for an
 *   acknowledgement of PPTP, which carries nothing
 */
export function decodeGre(view: DataView, off: number, end: number, t: TunnelFields): TunnelStatus {
  t.type = TunnelType.gre;
  if (end - off < GRE_HEADER_MIN) return TunnelStatus.Undecoded;
  const flags = view.getUint16(off);
  const protocol = view.getUint16(off + GRE_PROTOCOL_OFF);
  const version = flags & VERSION_MASK;
  if (version === VERSION_PPTP) return decodePptp(view, off, end, flags, protocol, t);
  if (version !== 0 || (flags & GreFlag.ROUTING) !== 0) return TunnelStatus.Undecoded;

  let cur = off + GRE_HEADER_MIN;
  if ((flags & GreFlag.CHECKSUM) !== 0) cur += GRE_OPTION_LEN;
  if ((flags & GreFlag.KEY) !== 0) {
    if (end - cur < GRE_OPTION_LEN) return TunnelStatus.Undecoded;
    t.id = view.getInt32(cur);
    t.hasId = true;
    t.idBothWays = true;
    cur += GRE_OPTION_LEN;
  }
  if ((flags & GreFlag.SEQUENCE) !== 0) cur += GRE_OPTION_LEN;
  if (cur > end) return TunnelStatus.Undecoded;
  t.innerOff = cur;
  switch (protocol) {
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
    case GRE_TEB:
      t.innerLinkType = LinkType.ETHERNET;
      return TunnelStatus.Ok;
    case GRE_PPP:
      t.innerLinkType = LinkType.PPP;
      return TunnelStatus.Ok;
    case GRE_ERSPAN:
      return decodeErspan2(view, cur, end, (flags & GreFlag.SEQUENCE) !== 0, t);
    case GRE_ERSPAN3:
      return decodeErspan3(view, cur, end, t);
    default:
      return TunnelStatus.Undecoded;
  }
}

/** RFC 2637 §4.1: the key is payload length and the receiver's call id; a packet without sequence number has no payload. */
function decodePptp(
  view: DataView,
  off: number,
  end: number,
  flags: number,
  protocol: number,
  t: TunnelFields,
): TunnelStatus {
  if (protocol !== GRE_PPP || (flags & GreFlag.KEY) === 0) return TunnelStatus.Undecoded;
  if ((flags & GreFlag.SEQUENCE) === 0) return TunnelStatus.None;
  let cur = off + GRE_HEADER_MIN + GRE_OPTION_LEN + GRE_OPTION_LEN;
  if ((flags & GreFlag.ACK) !== 0) cur += GRE_OPTION_LEN;
  if (cur > end) return TunnelStatus.Undecoded;
  t.id = view.getUint16(off + GRE_HEADER_MIN + 2);
  t.hasId = true;
  t.innerLinkType = LinkType.PPP;
  t.innerOff = cur;
  return TunnelStatus.Ok;
}

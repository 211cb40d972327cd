import { ETH_P_IP, ETH_P_IPV6, ETH_P_MPLS_MC, ETH_P_MPLS_UC, ETHER_TYPE_NONE } from './ethertype.ts';
import { decodeCiscoHdlc } from './hdlc.ts';
import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

/** Octets of the PPPoE header: version and type, code, session, length. RFC 2516 §4. */
export const PPPOE_HEADER_LEN = 6;
const PPPOE_VERSION_TYPE = 0x11;
const PPPOE_CODE_SESSION = 0x00;

/** PPP protocol numbers. IANA "PPP DLL Protocol Numbers". */
const PPP_IP = 0x0021;
const PPP_IPV6 = 0x0057;
const PPP_MPLS_UC = 0x0281;
const PPP_MPLS_MC = 0x0283;

/** HDLC framing: all stations, unnumbered information. RFC 1662 §3.1. */
const PPP_ADDRESS = 0xff;
const PPP_CONTROL = 0x03;
/** First octet of Cisco HDLC, which captures of serial lines carry under the PPP link types. */
const CISCO_UNICAST = 0x0f;
const CISCO_MULTICAST = 0x8f;

/**
 * Decodes PPP at `off`, with or without address and control octets, and Cisco HDLC in its place. RFC 1661 §2, RFC 1662
 * §3.1; pcap-linktype(7), LINKTYPE_PPP and LINKTYPE_PPP_HDLC. Sets `etherType` (ETHER_TYPE_NONE for LCP and others), `l3Off`.
 * @param end first octet past the captured bytes
 * @returns Ok or Truncated; unless Ok, `f` is untouched
 */
export function decodePpp(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < 2) return Status.Truncated;
  const first = view.getUint8(off);
  if (first === CISCO_UNICAST || first === CISCO_MULTICAST) return decodeCiscoHdlc(view, off, end, f);
  const framed = first === PPP_ADDRESS && view.getUint8(off + 1) === PPP_CONTROL;
  return decodePppProtocol(view, framed ? off + 2 : off, end, f);
}

/**
 * Decodes the PPPoE session header at `off` and the PPP protocol behind it. RFC 2516 §4, §6.
 * @param end first octet past the captured bytes
 * @returns Ok, Truncated, or Malformed; unless Ok, `f` is untouched
 */
export function decodePppoe(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < PPPOE_HEADER_LEN) return Status.Truncated;
  if (view.getUint8(off) !== PPPOE_VERSION_TYPE || view.getUint8(off + 1) !== PPPOE_CODE_SESSION)
    return Status.Malformed;
  return decodePppProtocol(view, off + PPPOE_HEADER_LEN, end, f);
}

/** The protocol field: two octets, or one when its low bit is set (RFC 1661 §6.5, protocol field compression). */
function decodePppProtocol(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < 1) return Status.Truncated;
  let protocol = view.getUint8(off);
  let next = off + 1;
  if ((protocol & 1) === 0) {
    if (end - off < 2) return Status.Truncated;
    protocol = view.getUint16(off);
    next = off + 2;
  }
  f.etherType = pppEtherType(protocol);
  f.l3Off = next;
  return Status.Ok;
}

function pppEtherType(protocol: number): number {
  switch (protocol) {
    case PPP_IP:
      return ETH_P_IP;
    case PPP_IPV6:
      return ETH_P_IPV6;
    case PPP_MPLS_UC:
      return ETH_P_MPLS_UC;
    case PPP_MPLS_MC:
      return ETH_P_MPLS_MC;
    default:
      return ETHER_TYPE_NONE;
  }
}

import { decodeArp } from './arp.ts';
import { decodeDccp } from './dccp.ts';
import { decodeEthernet } from './ethernet.ts';
import {
  ETH_P_802_2,
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_MPLS_MC,
  ETH_P_MPLS_UC,
  ETH_P_PPP_SES,
  ETH_P_QINQ1,
  ETH_P_QINQ2,
  ETH_P_QINQ3,
  ETH_P_RARP,
  ETHER_TYPE_NONE,
} from './ethertype.ts';
import { decodeCiscoHdlc } from './hdlc.ts';
import { decodeIcmp } from './icmp.ts';
import { decodeIPv4 } from './ipv4.ts';
import { decodeIPv6 } from './ipv6.ts';
import { LinkType } from './link-types.ts';
import { decodeLlc } from './llc.ts';
import { decodeMpls } from './mpls.ts';
import { decodeNflog } from './nflog.ts';
import { decodeNullLoop } from './null-loop.ts';
import { IpProto, type PacketFields } from './packet-fields.ts';
import { decodePpp, decodePppoe } from './ppp.ts';
import { decodeRaw } from './raw.ts';
import { decodeSctp } from './sctp.ts';
import { decodeShim, shimLen } from './shim.ts';
import { decodeSll, decodeSll2 } from './sll.ts';
import { decodePlain } from './plain.ts';
import { Status } from './status.ts';
import { decodeTcp } from './tcp.ts';
import { decodeUdp } from './udp.ts';
import { decodeVlan, pushVlan, VLAN_TAG_LEN } from './vlan.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { TCP, UDP, UDPLITE, ICMP, ICMPV6, SCTP, DCCP } = IpProto;
const { ETHERNET } = LinkType;
const { Ok, Truncated, Malformed, Unsupported } = Status;

/** Headers between link and network layer (tags, SNAP, MPLS stacks, PPPoE, PBB) before a frame counts as malformed. */
export const MAX_ENCAPSULATIONS = 16;

/**
 * Decodes one packet from link to transport layer. Allocates nothing and never throws.
 *
 * The source has filled the first group of `f`; everything else is set here, whatever the last packet left. The status
 * speaks of link and network layer: Ok for IPv4, IPv6, ARP and RARP, and for every frame that is well-formed but none of
 * these. A transport header that is cut or broken is told by `f.l4Status` alone.
 * @param view   the whole ring, file window or packet buffer; all offsets in `f` are octets from its start
 * @param off    first octet of the frame
 * @param capEnd one past its last captured octet; off <= capEnd <= view.byteLength
 * @returns what is also in `f.status`
 */
export function decodePacket(view: DataView, off: number, capEnd: number, f: PacketFields): Status {
  return f.linkType === ETHERNET && decodePlain(view, off, capEnd, f) ? Ok : decodeAny(view, off, capEnd, f);
}

/** As decodePacket, header by header. It gives the same for the packets that decodePlain takes. */
export function decodeAny(view: DataView, off: number, capEnd: number, f: PacketFields): Status {
  reset(f);
  f.frameOff = off;
  f.capEnd = capEnd;
  f.wireEnd = off + f.wireLen;
  if (f.strippedTci >= 0) {
    f.wireEnd -= VLAN_TAG_LEN; // wireLen counts the tag, the bytes no longer have it
    pushVlan(f, f.strippedTci);
  }
  let status =
    f.linkType === ETHERNET ? decodeEthernet(view, off, capEnd, f) : decodeLink(view, off, capEnd, f);
  if (status === Ok) status = decodeNetwork(view, capEnd, f);
  f.status = status;
  return status;
}

function reset(f: PacketFields): void {
  f.dstMacOff = -1;
  f.srcMacOff = -1;
  f.vlanCount = 0;
  f.vlanOuter = 0;
  f.vlanInner = 0;
  f.etherType = ETHER_TYPE_NONE;
  f.ipVersion = 0;
  f.isArp = false;
  f.l3Off = -1;
  f.l3HeaderLen = 0;
  f.ipLen = 0;
  f.ipWireEnd = -1;
  f.ipProto = 0;
  f.ttl = 0;
  f.tos = 0;
  f.srcOff = -1;
  f.dstOff = -1;
  f.isFragment = false;
  f.fragOff = 0;
  f.moreFragments = false;
  f.ipId = 0;
  f.l4Status = Ok;
  f.l4Off = -1;
  f.l4End = -1;
  f.hasPorts = false;
  f.srcPort = 0;
  f.dstPort = 0;
  f.payloadLen = 0;
  f.payloadOff = -1;
  f.tcpFlags = 0;
  f.tcpSeq = 0;
  f.tcpAck = 0;
  f.tcpWindow = 0;
  f.tcpHeaderLen = 0;
}

/** Octet in front of PPP and Cisco HDLC: 0 received, else sent. https://www.tcpdump.org/linktypes.html */
const DIRECTION_LEN = 1;

/** The header that a link type other than Ethernet names; sets `etherType` and `l3Off`. */
function decodeLink(view: DataView, off: number, end: number, f: PacketFields): Status {
  switch (f.linkType) {
    case LinkType.LINUX_SLL:
      return decodeSll(view, off, end, f);
    case LinkType.LINUX_SLL2:
      return decodeSll2(view, off, end, f);
    case LinkType.RAW:
    case LinkType.DLT_RAW:
    case LinkType.DLT_RAW_OPENBSD:
      return decodeRaw(view, off, end, f);
    case LinkType.IPV4:
      f.etherType = ETH_P_IP;
      f.l3Off = off;
      return Ok;
    case LinkType.IPV6:
      f.etherType = ETH_P_IPV6;
      f.l3Off = off;
      return Ok;
    case LinkType.NULL:
    case LinkType.LOOP:
      return decodeNullLoop(view, off, end, f);
    case LinkType.PPP:
    case LinkType.PPP_HDLC:
      return decodePpp(view, off, end, f);
    case LinkType.PPP_ETHER:
      return decodePppoe(view, off, end, f);
    case LinkType.C_HDLC:
      return decodeCiscoHdlc(view, off, end, f);
    case LinkType.NFLOG:
      return decodeNflog(view, off, end, f);
    case LinkType.MPLS:
      return decodeMpls(view, off, end, f);
    case LinkType.ATM_RFC1483:
      return decodeLlc(view, off, end, f);
    case LinkType.PPP_WITH_DIR:
      return off === end ? Truncated : decodePpp(view, off + DIRECTION_LEN, end, f);
    case LinkType.C_HDLC_WITH_DIR:
      return off === end ? Truncated : decodeCiscoHdlc(view, off + DIRECTION_LEN, end, f);
    default:
      return Unsupported;
  }
}

/** From `etherType` and `l3Off` on: walks tags and shims, then decodes the outermost network header. */
function decodeNetwork(view: DataView, end: number, f: PacketFields): Status {
  for (let n = 0; n < MAX_ENCAPSULATIONS; n++) {
    let status: Status;
    switch (f.etherType) {
      case ETH_P_IP:
        status = decodeIPv4(view, f.l3Off, end, f);
        if (status === Ok) decodeTransport(view, f);
        return status;
      case ETH_P_IPV6:
        status = decodeIPv6(view, f.l3Off, end, f);
        if (status === Ok) decodeTransport(view, f);
        return status;
      case ETH_P_ARP:
      case ETH_P_RARP:
        return decodeArp(view, f.l3Off, end, f);
      case ETH_P_8021Q:
      case ETH_P_8021AD:
      case ETH_P_QINQ1:
      case ETH_P_QINQ2:
      case ETH_P_QINQ3:
        status = decodeVlan(view, f.l3Off, end, f);
        break;
      case ETH_P_802_2:
        status = decodeLlc(view, f.l3Off, end, f);
        break;
      case ETH_P_MPLS_UC:
      case ETH_P_MPLS_MC:
        status = decodeMpls(view, f.l3Off, end, f);
        break;
      case ETH_P_PPP_SES:
        status = decodePppoe(view, f.l3Off, end, f);
        break;
      default: {
        const length = shimLen(f.etherType);
        if (length === 0) return Ok;
        status = decodeShim(view, f.l3Off, end, length, f);
      }
    }
    if (status !== Ok) return status;
  }
  return Malformed;
}

/** The upper-layer header of the IP packet in `f`; its outcome goes to `l4Status`. */
function decodeTransport(view: DataView, f: PacketFields): void {
  const off = f.l4Off;
  if (off < 0) return; // options or extension chain cut: l4Status has the reason
  const end = f.l4End;
  let wireEnd = f.ipWireEnd;
  if (wireEnd < end) wireEnd = end; // a source may state a wireLen below what it captured
  const proto = f.ipProto;
  if ((proto === TCP || proto === UDP) && f.fragOff === 0)
    f.l4Status =
      proto === TCP ? decodeTcp(view, off, end, wireEnd, f) : decodeUdp(view, off, end, wireEnd, f);
  else decodeOther(view, off, end, wireEnd, f);
}

/** What is neither TCP nor UDP, or a later fragment. Apart, so that the usual headers are compiled into their caller. */
function decodeOther(view: DataView, off: number, end: number, wireEnd: number, f: PacketFields): void {
  if (f.fragOff !== 0) {
    setOpaquePayload(f, off, end, wireEnd);
    return;
  }
  switch (f.ipProto) {
    case UDPLITE:
      f.l4Status = decodeUdp(view, off, end, wireEnd, f);
      return;
    case ICMP:
    case ICMPV6:
      f.l4Status = decodeIcmp(view, off, end, wireEnd, f);
      return;
    case SCTP:
      f.l4Status = decodeSctp(view, off, end, wireEnd, f);
      return;
    case DCCP:
      f.l4Status = decodeDccp(view, off, end, wireEnd, f);
      return;
    default:
      setOpaquePayload(f, off, end, wireEnd);
  }
}

/** Payload without a header that we know: a protocol without a decoder, or a non-first fragment. */
function setOpaquePayload(f: PacketFields, off: number, end: number, wireEnd: number): void {
  f.payloadLen = wireEnd - off;
  if (off < end) f.payloadOff = off;
}

import { ETH_P_IP } from './ethertype.ts';
import { IpProto, type PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { TCP, UDP } = IpProto;
const { Ok } = Status;
const ETHER_TYPE = ETH_P_IP;

/** Octets from the frame to the headers, and of the shortest ones. IEEE 802.3 §3.1.1, RFC 791 §3.1, RFC 768, RFC 9293 §3.1. */
const TYPE_OFF = 12;
const IP_OFF = 14;
const IP_LEN = 20;
const L4_OFF = IP_OFF + IP_LEN;
const UDP_LEN = 8;
const TCP_MIN = 20;
/** EtherType, version and header length of IPv4 without options. */
const PLAIN = (ETHER_TYPE << 8) | 0x45;
/** More fragments, or an offset. */
const FRAGMENT_BITS = 0x3fff;

/**
 * The short way for most packets: whole TCP and UDP headers in IPv4 without options, not a fragment, in an untagged Ethernet frame.
 * It leaves in `f` what the decoders of the headers do, one after the other, each field once.
 * @param off, capEnd see decodePacket
 * @returns false: it is not such a packet, and `f` is untouched
 */
export function decodePlain(view: DataView, off: number, capEnd: number, f: PacketFields): boolean {
  const l4Off = off + L4_OFF;
  if (capEnd - l4Off < UDP_LEN || f.strippedTci >= 0) return false;
  const typeToTos = view.getInt32(off + TYPE_OFF);
  if (typeToTos >>> 8 !== PLAIN) return false;
  const lengthAndId = view.getInt32(off + IP_OFF + 2);
  const fragmentToProto = view.getInt32(off + IP_OFF + 6);
  const ipLen = lengthAndId >>> 16;
  const proto = fragmentToProto & 0xff;
  if (ipLen < IP_LEN + UDP_LEN || ((fragmentToProto >>> 16) & FRAGMENT_BITS) !== 0) return false;

  const wireEnd = off + f.wireLen;
  const ipEnd = off + IP_OFF + ipLen;
  const ipWireEnd = Math.min(ipEnd, wireEnd);
  const l4End = Math.min(ipEnd, capEnd);
  const l4WireEnd = Math.max(ipWireEnd, l4End); // a source may state a wireLen below what it captured
  let headerLen = UDP_LEN;
  if (proto === TCP) {
    if (l4End - l4Off < TCP_MIN) return false;
    const state = view.getInt32(l4Off + 12);
    headerLen = (state >>> 26) & 0x3c;
    if (headerLen < TCP_MIN || headerLen > l4WireEnd - l4Off) return false;
    f.tcpSeq = view.getInt32(l4Off + 4);
    f.tcpAck = view.getInt32(l4Off + 8);
    f.tcpFlags = (state >>> 16) & 0xff;
    f.tcpWindow = state & 0xffff;
    f.tcpHeaderLen = headerLen;
  } else if (proto === UDP) {
    f.tcpSeq = 0;
    f.tcpAck = 0;
    f.tcpFlags = 0;
    f.tcpWindow = 0;
    f.tcpHeaderLen = 0;
  } else return false;

  const ports = view.getInt32(l4Off);
  f.frameOff = off;
  f.capEnd = capEnd;
  f.wireEnd = wireEnd;
  f.status = Ok;
  f.dstMacOff = off;
  f.srcMacOff = off + 6;
  f.vlanCount = 0;
  f.vlanOuter = 0;
  f.vlanInner = 0;
  f.etherType = ETHER_TYPE;
  f.ipVersion = 4;
  f.isArp = false;
  f.l3Off = off + IP_OFF;
  f.l3HeaderLen = IP_LEN;
  f.ipLen = ipLen;
  f.ipWireEnd = ipWireEnd;
  f.ipProto = proto;
  f.ttl = (fragmentToProto >>> 8) & 0xff;
  f.tos = typeToTos & 0xff;
  f.srcOff = off + IP_OFF + 12;
  f.dstOff = off + IP_OFF + 16;
  f.isFragment = false;
  f.fragOff = 0;
  f.moreFragments = false;
  f.ipId = lengthAndId & 0xffff;
  f.l4Status = Ok;
  f.l4Off = l4Off;
  f.l4End = l4End;
  f.hasPorts = true;
  f.srcPort = ports >>> 16;
  f.dstPort = ports & 0xffff;
  f.payloadLen = l4WireEnd - l4Off - headerLen;
  f.payloadOff = headerLen < l4End - l4Off ? l4Off + headerLen : -1;
  return true;
}

import { IpProto, type PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';
import { shortHeader } from './transport.ts';

/** Octets of type, code and checksum. RFC 792; RFC 4443 §2.1. */
export const ICMP_HEADER_MIN = 4;
/** Octets before the payload as Zeek counts it: with the word whose meaning depends on the type. */
export const ICMP_HEADER_LEN = 8;

/**
 * Decodes the ICMP (RFC 792) or ICMPv6 (RFC 4443 §2.1) header at `off`: type in `srcPort`, code in `dstPort`.
 * @param end     one past the last captured octet of the IP payload; off <= end
 * @param wireEnd one past the last octet of the IP payload on the wire
 * @returns Ok, or Truncated or Malformed with `f` untouched
 */
export function decodeIcmp(
  view: DataView,
  off: number,
  end: number,
  wireEnd: number,
  f: PacketFields,
): Status {
  if (end - off < ICMP_HEADER_MIN) return shortHeader(end, wireEnd);
  f.srcPort = view.getUint8(off);
  f.dstPort = view.getUint8(off + 1);
  f.hasPorts = true;
  f.payloadLen = Math.max(0, wireEnd - off - ICMP_HEADER_LEN);
  if (end - off > ICMP_HEADER_LEN) f.payloadOff = off + ICMP_HEADER_LEN;
  return Status.Ok;
}

/**
 * The type that answers an ICMP message, or the one it answers: echo and echo reply, solicitation and advertisement.
 * The pairs are those of Zeek (analyzer/protocol/icmp) and of community-id v1.
 * @param proto IpProto.ICMP or IpProto.ICMPV6
 * @returns the other type of the pair, or -1 when messages of this type go one way
 */
export function icmpCounterpart(proto: number, type: number): number {
  if (proto === IpProto.ICMP) {
    switch (type) {
      case 0: // echo reply
        return 8;
      case 8:
        return 0;
      case 9: // router advertisement, RFC 1256
        return 10;
      case 10:
        return 9;
      case 13: // timestamp
        return 14;
      case 14:
        return 13;
      case 15: // information request
        return 16;
      case 16:
        return 15;
      case 17: // address mask, RFC 950
        return 18;
      case 18:
        return 17;
      default:
        return -1;
    }
  }
  switch (type) {
    case 128: // echo request, RFC 4443
      return 129;
    case 129:
      return 128;
    case 130: // multicast listener query and report, RFC 2710
      return 131;
    case 131:
      return 130;
    case 133: // router solicitation, RFC 4861
      return 134;
    case 134:
      return 133;
    case 135: // neighbor solicitation, RFC 4861
      return 136;
    case 136:
      return 135;
    case 139: // node information query, RFC 4620
      return 140;
    case 140:
      return 139;
    case 144: // home agent address discovery, RFC 6275
      return 145;
    case 145:
      return 144;
    default:
      return -1;
  }
}

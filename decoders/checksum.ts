import { IpProto, type PacketFields } from './packet-fields.ts';

/** Outcome of a checksum test. */
export const ChecksumResult = {
  Good: 0,
  Bad: 1,
  /** Not all octets were captured, the packet is a fragment, the sender left it out, or the protocol has none. */
  Unknown: 2,
} as const;

export type ChecksumResult = (typeof ChecksumResult)[keyof typeof ChecksumResult];

/** Octets of the checksum field from the transport header's start. RFC 9293 §3.1, RFC 768. */
const UDP_CHECKSUM_OFF = 6;

/**
 * Adds up the 16-bit words of [off, end) as RFC 1071 §1 does, an odd last octet padded with zero; not yet folded.
 * @param initial a sum to go on from; exact for up to 2^36 octets in all, as a double holds 53 bits
 */
export function sumWords(view: DataView, off: number, end: number, initial = 0): number {
  let sum = initial;
  let cur = off;
  for (; cur + 3 < end; cur += 4) {
    const two = view.getInt32(cur);
    sum += (two >>> 16) + (two & 0xffff);
  }
  for (; cur + 1 < end; cur += 2) sum += view.getUint16(cur);
  if (cur < end) sum += view.getUint8(cur) << 8;
  return sum;
}

/** Folds the carries of a sum into 16 bits and complements it: the value of a checksum field. RFC 1071 §1. */
export function foldChecksum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = Math.floor(folded / 65536) + (folded % 65536);
  return ~folded & 0xffff;
}

/** The Internet checksum of [off, end): 0 when the octets contain their own, right, checksum. RFC 1071. */
export function checksum(view: DataView, off: number, end: number): number {
  return foldChecksum(sumWords(view, off, end));
}

/**
 * Tests the IPv4 header checksum of a decoded packet. RFC 791 §3.1. Bad too for 0 in an outgoing packet whose header
 * checksum is left to the device.
 * @param f as `decodePacket` left it
 */
export function checkIPv4Header(view: DataView, f: PacketFields): ChecksumResult {
  if (f.ipVersion !== 4) return ChecksumResult.Unknown;
  const end = f.l3Off + f.l3HeaderLen;
  if (end > f.capEnd) return ChecksumResult.Unknown;
  return checksum(view, f.l3Off, end) === 0 ? ChecksumResult.Good : ChecksumResult.Bad;
}

/**
 * Tests the TCP, UDP, ICMP or ICMPv6 checksum of a decoded packet, with the pseudo-header of RFC 9293 §3.1, RFC 768, RFC 8200
 * §8.1. An outgoing packet whose checksum is left to the device (TP_STATUS_CSUMNOTREADY) tests Bad: ask the source first.
 * A routing header with segments left also tests Bad, as the final destination is in it: see isChecksumBad.
 * @param f as `decodePacket` left it
 */
export function checkTransport(view: DataView, f: PacketFields): ChecksumResult {
  if (f.l4Off < 0 || !f.hasPorts || f.isFragment || f.l4End < f.ipWireEnd) return ChecksumResult.Unknown;
  const length = f.l4End - f.l4Off;
  switch (f.ipProto) {
    case IpProto.UDP:
      if (length < UDP_CHECKSUM_OFF + 2 || view.getUint16(f.l4Off + UDP_CHECKSUM_OFF) === 0)
        return ChecksumResult.Unknown;
      break;
    case IpProto.ICMP:
      return checksum(view, f.l4Off, f.l4End) === 0 ? ChecksumResult.Good : ChecksumResult.Bad;
    case IpProto.TCP:
    case IpProto.ICMPV6:
      break;
    default:
      return ChecksumResult.Unknown;
  }
  const addressesEnd = f.ipVersion === 4 ? f.dstOff + 4 : f.dstOff + 16;
  const pseudo = sumWords(view, f.srcOff, addressesEnd, f.ipProto + (length & 0xffff) + (length >>> 16));
  return foldChecksum(sumWords(view, f.l4Off, f.l4End, pseudo)) === 0
    ? ChecksumResult.Good
    : ChecksumResult.Bad;
}

/**
 * True for a packet whose transport checksum is known to be final and is wrong. Where IPv4 options or IPv6 extension headers
 * may name another destination nothing is said.
 * @param f as its source and `decodePacket` left it
 */
export function isChecksumBad(view: DataView, f: PacketFields): boolean {
  if (!f.isChecksumFinal || f.l3HeaderLen !== (f.ipVersion === 4 ? 20 : 40)) return false;
  return checkTransport(view, f) === ChecksumResult.Bad;
}

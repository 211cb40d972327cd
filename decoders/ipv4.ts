import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { Ok, Truncated, Malformed } = Status;

/** Octets; IHL 5. RFC 791 §3.1. */
export const IPV4_HEADER_MIN = 20;

/** Where the fields stand, in octets from the header's start. RFC 791 §3.1. */
export const IPV4_TOS_OFF = 1;
export const IPV4_LENGTH_OFF = 2;
export const IPV4_ID_OFF = 4;
export const IPV4_FRAGMENT_OFF = 6;
export const IPV4_TTL_OFF = 8;
export const IPV4_PROTOCOL_OFF = 9;
export const IPV4_SRC_OFF = 12;
export const IPV4_DST_OFF = 16;

/** Flags and fragment offset word; the offset is in units of 8 octets. RFC 791 §3.1. */
export const MORE_FRAGMENTS = 0x2000;
export const FRAGMENT_OFFSET_MASK = 0x1fff;

// Copies, because V8 reads an exported constant from memory each time it is used and folds a local one.
const HEADER_MIN = IPV4_HEADER_MIN;
const TOS_OFF = IPV4_TOS_OFF;
const LENGTH_OFF = IPV4_LENGTH_OFF;
const ID_OFF = IPV4_ID_OFF;
const FRAGMENT_OFF = IPV4_FRAGMENT_OFF;
const TTL_OFF = IPV4_TTL_OFF;
const PROTOCOL_OFF = IPV4_PROTOCOL_OFF;
const SRC_OFF = IPV4_SRC_OFF;
const DST_OFF = IPV4_DST_OFF;
const MF_BIT = MORE_FRAGMENTS;
const OFFSET_MASK = FRAGMENT_OFFSET_MASK;
const FRAGMENT_BITS = MF_BIT | OFFSET_MASK;

/**
 * Decodes the IPv4 header at `off` into `f`. RFC 791 §3.1. Allocates nothing.
 *
 * A total length of 0 is segmentation offload: the length on the wire is taken. Options cut off by the snaplen leave the
 * header decoded, as its fixed part is whole; then `l4Status` is Truncated and there is no transport offset.
 * @param view the whole ring or file; offsets are octets from its start
 * @param end  first octet past the captured bytes; off <= end <= view.byteLength
 * @param f    as for any new packet: not a fragment
 * @returns Ok, or why it stopped; unless Ok, `f` is untouched
 */
export function decodeIPv4(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < HEADER_MIN) return Truncated;
  const verIhl = view.getUint8(off);
  const headerLen = (verIhl & 0x0f) << 2;
  if (verIhl >>> 4 !== 4 || headerLen < HEADER_MIN) return Malformed;
  let totalLen = view.getUint16(off + LENGTH_OFF);
  if (totalLen === 0) totalLen = f.wireEnd - off;
  if (totalLen < headerLen) return Malformed;
  const fragment = view.getUint16(off + FRAGMENT_OFF);
  f.ipVersion = 4;
  f.l3Off = off;
  f.l3HeaderLen = headerLen;
  f.ipLen = totalLen;
  const ipEnd = off + totalLen;
  f.ipWireEnd = f.wireEnd;
  if (ipEnd < f.wireEnd) f.ipWireEnd = ipEnd;
  f.tos = view.getUint8(off + TOS_OFF);
  f.ipId = view.getUint16(off + ID_OFF);
  if ((fragment & FRAGMENT_BITS) !== 0) setFragment(f, fragment);
  f.ttl = view.getUint8(off + TTL_OFF);
  f.ipProto = view.getUint8(off + PROTOCOL_OFF);
  f.srcOff = off + SRC_OFF;
  f.dstOff = off + DST_OFF;
  if (end - off < headerLen) {
    f.l4Status = Truncated;
    return Ok;
  }
  f.l4Off = off + headerLen;
  f.l4End = end;
  if (ipEnd < end) f.l4End = ipEnd; // drops Ethernet padding, keeps the snaplen cut
  return Ok;
}

/** Apart, as most packets are none: what the compiler puts into one function has a bound. */
function setFragment(f: PacketFields, fragment: number): void {
  f.moreFragments = (fragment & MF_BIT) !== 0;
  f.fragOff = (fragment & OFFSET_MASK) << 3;
  f.isFragment = true;
}

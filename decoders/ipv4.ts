import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

/** Octets; IHL 5. RFC 791 §3.1. */
export const IPV4_HEADER_MIN = 20;

/** Flags and fragment offset word. RFC 791 §3.1. */
const MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET_MASK = 0x1fff;

/**
 * Decodes the IPv4 header at `off` into `f`. RFC 791 §3.1. Allocates nothing.
 *
 * A total length of 0 is segmentation offload: the length on the wire is taken. Options cut off by the snaplen leave the
 * header decoded, as its fixed part is whole; then `l4Status` is Truncated and there is no transport offset.
 * @param view the whole ring or file; offsets are octets from its start
 * @param end  first octet past the captured bytes; off <= end <= view.byteLength
 * @returns Ok, or why it stopped; unless Ok, `f` is untouched
 */
export function decodeIPv4(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < IPV4_HEADER_MIN) return Status.Truncated;
  const verIhl = view.getUint8(off);
  const headerLen = (verIhl & 0x0f) << 2;
  if (verIhl >>> 4 !== 4 || headerLen < IPV4_HEADER_MIN) return Status.Malformed;
  let totalLen = view.getUint16(off + 2);
  if (totalLen === 0) totalLen = f.wireEnd - off;
  if (totalLen < headerLen) return Status.Malformed;
  const fragment = view.getUint16(off + 6);
  f.ipVersion = 4;
  f.l3Off = off;
  f.l3HeaderLen = headerLen;
  f.ipLen = totalLen;
  f.ipWireEnd = Math.min(off + totalLen, f.wireEnd);
  f.tos = view.getUint8(off + 1);
  f.ipId = view.getUint16(off + 4);
  f.moreFragments = (fragment & MORE_FRAGMENTS) !== 0;
  f.fragOff = (fragment & FRAGMENT_OFFSET_MASK) << 3;
  f.isFragment = (fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET_MASK)) !== 0;
  f.ttl = view.getUint8(off + 8);
  f.ipProto = view.getUint8(off + 9);
  f.srcOff = off + 12;
  f.dstOff = off + 16;
  if (end - off < headerLen) {
    f.l4Status = Status.Truncated;
    return Status.Ok;
  }
  f.l4Off = off + headerLen;
  f.l4End = Math.min(end, off + totalLen); // drops Ethernet padding, keeps the snaplen cut
  return Status.Ok;
}

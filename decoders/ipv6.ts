import { decodeIPv6Extensions } from './ipv6-ext.ts';
import { IpProto, type PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { Ok, Truncated, Malformed } = Status;

/** Octets of the fixed header. RFC 8200 §3. */
export const IPV6_HEADER_LEN = 40;
/** Where the fields stand, in octets from the header's start. RFC 8200 §3. */
export const IPV6_PAYLOAD_LEN_OFF = 4;
export const IPV6_NEXT_HEADER_OFF = 6;
export const IPV6_HOP_LIMIT_OFF = 7;
export const IPV6_SRC_OFF = 8;
export const IPV6_DST_OFF = 24;

// Copies, because V8 reads an exported constant from memory each time it is used and folds a local one.
const HEADER_LEN = IPV6_HEADER_LEN;
const PAYLOAD_LEN_OFF = IPV6_PAYLOAD_LEN_OFF;
const NEXT_HEADER_OFF = IPV6_NEXT_HEADER_OFF;
const HOP_LIMIT_OFF = IPV6_HOP_LIMIT_OFF;
const SRC_OFF = IPV6_SRC_OFF;
const DST_OFF = IPV6_DST_OFF;

/**
 * Decodes the IPv6 header at `off` and its extension chain into `f`. RFC 8200 §3, §4. Allocates nothing.
 *
 * A payload length of 0 is a jumbogram (RFC 2675) or segmentation offload: the payload then ends where the frame does,
 * while `ipLen` stays 40 as the header says. Neither is ever fragmented, so before a fragment header 0 means 0. A chain that is cut or broken leaves the packet decoded, as its addresses
 * are; `l4Status` says why there is no transport offset, and `ipProto` is the last next-header value that was readable.
 * @param end first octet past the captured bytes; off <= end <= view.byteLength
 * @returns Ok, or why it stopped; unless Ok, `f` is untouched
 */
export function decodeIPv6(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < HEADER_LEN) return Truncated;
  const word = view.getUint16(off);
  if (word >>> 12 !== 6) return Malformed;
  const payloadLen = view.getUint16(off + PAYLOAD_LEN_OFF);
  f.ipVersion = 6;
  f.l3Off = off;
  f.ipLen = HEADER_LEN + payloadLen;
  f.tos = (word >>> 4) & 0xff;
  f.ipProto = view.getUint8(off + NEXT_HEADER_OFF);
  f.ttl = view.getUint8(off + HOP_LIMIT_OFF);
  f.srcOff = off + SRC_OFF;
  f.dstOff = off + DST_OFF;
  f.l3HeaderLen = HEADER_LEN;
  const isOpenEnded = payloadLen === 0 && f.ipProto !== IpProto.FRAGMENT && f.ipProto !== IpProto.NONE;
  f.ipWireEnd = isOpenEnded ? f.wireEnd : Math.min(off + f.ipLen, f.wireEnd);
  f.l4Off = off + HEADER_LEN;
  f.l4End = Math.max(f.l4Off, Math.min(end, f.ipWireEnd));
  decodeIPv6Extensions(view, f);
  return Ok;
}

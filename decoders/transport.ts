import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { Ok, Truncated, Malformed } = Status;

/** Octets of the source and destination port that TCP, UDP, UDP-Lite, DCCP and SCTP begin with. */
export const PORTS_LEN = 4;

/**
 * Why a transport header does not fit: the snaplen cut it, or the IP length leaves no room for it.
 * @param end     one past the last captured octet of the IP payload
 * @param wireEnd one past its last octet on the wire
 */
export function shortHeader(end: number, wireEnd: number): Status {
  return end < wireEnd ? Truncated : Malformed;
}

/** Reads both ports at `off`, where PORTS_LEN octets must be. */
export function readPorts(view: DataView, off: number, f: PacketFields): void {
  f.srcPort = view.getUint16(off);
  f.dstPort = view.getUint16(off + 2);
  f.hasPorts = true;
}

/**
 * Decodes a header of ports and other fields of fixed length, of which only the ports matter.
 * @param end       one past the last captured octet of the IP payload; off <= end
 * @param wireEnd   one past its last octet on the wire
 * @param headerLen octets of the whole header
 * @returns Ok; else Truncated or Malformed, with the ports set when their four octets were there
 */
export function decodeFixedHeader(
  view: DataView,
  off: number,
  end: number,
  wireEnd: number,
  headerLen: number,
  f: PacketFields,
): Status {
  const available = end - off;
  if (available < PORTS_LEN) return shortHeader(end, wireEnd);
  readPorts(view, off, f);
  if (available < headerLen) return shortHeader(end, wireEnd);
  f.payloadLen = wireEnd - off - headerLen;
  if (available > headerLen) f.payloadOff = off + headerLen;
  return Ok;
}

import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';
import { PORTS_LEN, readPorts, shortHeader } from './transport.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { Ok, Malformed } = Status;

/** Octets; data offset 5. RFC 9293 §3.1. */
export const TCP_HEADER_MIN = 20;
/** Where the fields behind the ports stand, in octets from the header's start. RFC 9293 §3.1. */
export const TCP_SEQ_OFF = 4;
export const TCP_ACK_OFF = 8;
export const TCP_DATA_OFFSET_OFF = 12;
export const TCP_FLAGS_OFF = 13;
export const TCP_WINDOW_OFF = 14;
/** Octets up to and with the flags. */
const TCP_FLAGS_END = TCP_FLAGS_OFF + 1;

// Copies, because V8 reads an exported constant from memory each time it is used and folds a local one.
const HEADER_MIN = TCP_HEADER_MIN;
const SEQ_OFF = TCP_SEQ_OFF;
const ACK_OFF = TCP_ACK_OFF;
const DATA_OFFSET_OFF = TCP_DATA_OFFSET_OFF;
const FLAGS_OFF = TCP_FLAGS_OFF;
const WINDOW_OFF = TCP_WINDOW_OFF;

/**
 * Decodes the TCP header at `off`. RFC 9293 §3.1. Allocates nothing.
 *
 * The ports are set whenever their four octets are there, the flags when octet 13 is there and the data offset is at
 * least 5, even if the rest of the header is cut; everything else only with Ok. Options may be cut by the snaplen.
 * @param end     one past the last captured octet of the IP payload; off <= end
 * @param wireEnd one past the last octet of the IP payload on the wire; end <= wireEnd
 * @returns Ok; Truncated when the snaplen cut the header; Malformed when it does not fit the IP length or its own
 */
export function decodeTcp(
  view: DataView,
  off: number,
  end: number,
  wireEnd: number,
  f: PacketFields,
): Status {
  const available = end - off;
  if (available < HEADER_MIN) return decodeCutTcp(view, off, end, wireEnd, f);
  readPorts(view, off, f);
  const headerLen = (view.getUint8(off + DATA_OFFSET_OFF) >>> 4) << 2;
  if (headerLen < HEADER_MIN) return Malformed;
  f.tcpFlags = view.getUint8(off + FLAGS_OFF);
  if (headerLen > wireEnd - off) return Malformed;
  f.tcpSeq = view.getInt32(off + SEQ_OFF);
  f.tcpAck = view.getInt32(off + ACK_OFF);
  f.tcpWindow = view.getUint16(off + WINDOW_OFF);
  f.tcpHeaderLen = headerLen;
  f.payloadLen = wireEnd - off - headerLen;
  if (headerLen < available) f.payloadOff = off + headerLen;
  return Ok;
}

/** What there is of a header whose fixed part is not whole. */
function decodeCutTcp(view: DataView, off: number, end: number, wireEnd: number, f: PacketFields): Status {
  const available = end - off;
  if (available < PORTS_LEN) return shortHeader(end, wireEnd);
  readPorts(view, off, f);
  if (available < TCP_FLAGS_END) return shortHeader(end, wireEnd);
  if ((view.getUint8(off + DATA_OFFSET_OFF) >>> 4) << 2 < HEADER_MIN) return Malformed;
  f.tcpFlags = view.getUint8(off + FLAGS_OFF);
  return shortHeader(end, wireEnd);
}

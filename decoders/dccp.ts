import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';
import { PORTS_LEN, readPorts, shortHeader } from './transport.ts';

/** Octets of the generic header with short sequence numbers. RFC 4340 §5.1. */
export const DCCP_HEADER_MIN = 12;

/**
 * Decodes the DCCP generic header at `off`: ports, and the data offset that says where the payload is. RFC 4340 §5.1.
 * @param end     one past the last captured octet of the IP payload; off <= end
 * @param wireEnd one past the last octet of the IP payload on the wire
 * @returns Ok; else Truncated or Malformed, with the ports set when their four octets were there
 */
export function decodeDccp(
  view: DataView,
  off: number,
  end: number,
  wireEnd: number,
  f: PacketFields,
): Status {
  const available = end - off;
  if (available < PORTS_LEN) return shortHeader(end, wireEnd);
  readPorts(view, off, f);
  if (available < DCCP_HEADER_MIN) return shortHeader(end, wireEnd);
  const headerLen = view.getUint8(off + 4) << 2;
  if (headerLen < DCCP_HEADER_MIN || headerLen > wireEnd - off) return Status.Malformed;
  f.payloadLen = wireEnd - off - headerLen;
  if (headerLen < available) f.payloadOff = off + headerLen;
  return Status.Ok;
}

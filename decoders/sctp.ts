import type { PacketFields } from './packet-fields.ts';
import type { Status } from './status.ts';
import { decodeFixedHeader } from './transport.ts';

/** Octets of the common header: ports, verification tag, checksum. RFC 9260 §3.1. */
export const SCTP_HEADER_LEN = 12;

/**
 * Decodes the SCTP common header at `off`: the ports; chunks count as payload. RFC 9260 §3.1.
 * @param end     one past the last captured octet of the IP payload; off <= end
 * @param wireEnd one past the last octet of the IP payload on the wire
 * @returns Ok; else Truncated or Malformed, with the ports set when their four octets were there
 */
export function decodeSctp(
  view: DataView,
  off: number,
  end: number,
  wireEnd: number,
  f: PacketFields,
): Status {
  return decodeFixedHeader(view, off, end, wireEnd, SCTP_HEADER_LEN, f);
}

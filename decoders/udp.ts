import type { PacketFields } from './packet-fields.ts';
import type { Status } from './status.ts';
import { decodeFixedHeader } from './transport.ts';

/** Octets. RFC 768; RFC 3828 §3.1 (UDP-Lite) has a coverage where UDP has its length. */
export const UDP_HEADER_LEN = 8;

/**
 * Decodes the UDP or UDP-Lite header at `off`. RFC 768, RFC 3828. The length field is not looked at: segmentation offload
 * leaves it wrong, so the payload is what the IP length says.
 * @param end     one past the last captured octet of the IP payload; off <= end
 * @param wireEnd one past the last octet of the IP payload on the wire
 * @returns Ok; else Truncated or Malformed, with the ports set when their four octets were there
 */
export function decodeUdp(
  view: DataView,
  off: number,
  end: number,
  wireEnd: number,
  f: PacketFields,
): Status {
  return decodeFixedHeader(view, off, end, wireEnd, UDP_HEADER_LEN, f);
}

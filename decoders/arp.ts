import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

/** Octets before the addresses: hardware and protocol type, two lengths, operation. RFC 826. */
export const ARP_HEADER_MIN = 8;

/**
 * Recognises ARP (RFC 826) and RARP (RFC 903, the same layout) at `off`. The addresses behind the fixed part may be cut
 * or of any length: nothing is read from them.
 * @param end first octet past the captured bytes
 * @returns Ok or Truncated; unless Ok, `f` is untouched
 */
export function decodeArp(_view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < ARP_HEADER_MIN) return Status.Truncated;
  f.isArp = true;
  f.l3Off = off;
  return Status.Ok;
}

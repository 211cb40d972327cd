import { ETH_P_8021AH, ETH_P_HSR, ETH_P_VNTAG } from './ethertype.ts';
import { ethernetType } from './ethernet.ts';
import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

/**
 * Octets behind the EtherType of headers that carry an Ethernet payload on and end with its type.
 * PBB: I-TAG with the service id (4), customer's destination and source (12), type (2). IEEE 802.1Q §9.7.
 */
export const PBB_LEN = 18;
/** VN-Tag: direction, destination and source interface (4), type (2). IEEE 802.1BR. */
export const VNTAG_LEN = 6;
/** HSR: path and size (2), sequence number (2), type (2). IEC 62439-3 §5.7. */
export const HSR_LEN = 6;

/** Octets behind this EtherType up to the payload of such a header; 0 when the type is another. */
export function shimLen(etherType: number): number {
  switch (etherType) {
    case ETH_P_8021AH:
      return PBB_LEN;
    case ETH_P_VNTAG:
      return VNTAG_LEN;
    case ETH_P_HSR:
      return HSR_LEN;
    default:
      return 0;
  }
}

/**
 * Passes over such a header of `length` octets at `off`, to the type in its last two. The MAC addresses in `f` stay the
 * outer ones, as with an Ethernet pseudowire.
 * @param end first octet past the captured bytes
 * @returns Ok or Truncated; unless Ok, `f` is untouched
 */
export function decodeShim(
  view: DataView,
  off: number,
  end: number,
  length: number,
  f: PacketFields,
): Status {
  if (end - off < length) return Status.Truncated;
  f.etherType = ethernetType(view.getUint16(off + length - 2));
  f.l3Off = off + length;
  return Status.Ok;
}

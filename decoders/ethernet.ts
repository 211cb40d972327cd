import { ETH_P_802_2, ETH_P_802_3_MIN } from './ethertype.ts';
import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { Ok, Truncated } = Status;

/** Octets: destination, source, type or length. IEEE 802.3 §3.1.1; the FCS is not captured. */
export const ETHERNET_HEADER_LEN = 14;
/** Octets before the type or length field. */
export const ETHERNET_TYPE_OFF = 12;

/** What follows an Ethernet header or VLAN tag: its EtherType, or ETH_P_802_2 for a length. IEEE 802.3 §3.2.6. */
export function ethernetType(typeOrLength: number): number {
  return typeOrLength < ETH_P_802_3_MIN ? ETH_P_802_2 : typeOrLength;
}

/**
 * Decodes the Ethernet header at `off`: both address offsets, the type, and `l3Off` behind it. IEEE 802.3 §3.1.1.
 * A length instead of a type becomes ETH_P_802_2: an LLC header follows.
 * @param end first octet past the captured bytes; off <= end <= view.byteLength
 * @returns Ok or Truncated; unless Ok, `f` is untouched
 */
export function decodeEthernet(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < ETHERNET_HEADER_LEN) return Truncated;
  f.dstMacOff = off;
  f.srcMacOff = off + 6;
  f.etherType = ethernetType(view.getUint16(off + ETHERNET_TYPE_OFF));
  f.l3Off = off + ETHERNET_HEADER_LEN;
  return Ok;
}

import { ETH_P_802_2, ETH_P_802_3_MIN, ETHER_TYPE_NONE } from './ethertype.ts';
import { PacketType, type PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

/** Octets of the cooked header. pcap-linktype(7), LINKTYPE_LINUX_SLL. */
export const SLL_HEADER_LEN = 16;
/** Octets of the second version. pcap-linktype(7), LINKTYPE_LINUX_SLL2. */
export const SLL2_HEADER_LEN = 20;

/** Device types (linux/if_arp.h) whose protocol field is not an EtherType. pcap-linktype(7). */
const ARPHRD_FRAD = 770;
const ARPHRD_NETLINK = 824;
const ARPHRD_IEEE80211_RADIOTAP = 803;

/**
 * Decodes a Linux cooked header at `off`: packet type, address type (2 octets each), address length, address (8),
 * protocol; all in network order. Sets `pktType` when the source did not know it, the sender's address when it has six
 * octets, the type, and `l3Off`.
 * @param end first octet past the captured bytes
 * @returns Ok or Truncated; unless Ok, `f` is untouched
 */
export function decodeSll(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < SLL_HEADER_LEN) return Status.Truncated;
  if (f.pktType === PacketType.Unknown) f.pktType = view.getUint16(off);
  if (view.getUint16(off + 4) === 6) f.srcMacOff = off + 6;
  f.etherType = cookedType(view.getUint16(off + 2), view.getUint16(off + 14));
  f.l3Off = off + SLL_HEADER_LEN;
  return Status.Ok;
}

/**
 * Decodes a second-version cooked header at `off`: protocol, 2 reserved octets, interface index (4), address type,
 * packet type (1), address length (1), address (8); all in network order. Sets what `decodeSll` sets.
 * @param end first octet past the captured bytes
 * @returns Ok or Truncated; unless Ok, `f` is untouched
 */
export function decodeSll2(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < SLL2_HEADER_LEN) return Status.Truncated;
  if (f.pktType === PacketType.Unknown) f.pktType = view.getUint8(off + 10);
  if (view.getUint8(off + 11) === 6) f.srcMacOff = off + 12;
  f.etherType = cookedType(view.getUint16(off + 8), view.getUint16(off));
  f.l3Off = off + SLL2_HEADER_LEN;
  return Status.Ok;
}

function cookedType(arpType: number, protocol: number): number {
  if (arpType === ARPHRD_NETLINK || arpType === ARPHRD_FRAD || arpType === ARPHRD_IEEE80211_RADIOTAP)
    return ETHER_TYPE_NONE;
  if (protocol >= ETH_P_802_3_MIN || protocol === ETH_P_802_2) return protocol;
  return ETHER_TYPE_NONE; // 1 is Novell's raw 802.3, 0x000c CAN, …
}

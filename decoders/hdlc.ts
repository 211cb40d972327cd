import { ETH_P_802_3_MIN, ETH_P_RARP, ETHER_TYPE_NONE } from './ethertype.ts';
import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

/** Octets: address, control, EtherType. pcap-linktype(7), LINKTYPE_C_HDLC. */
export const CISCO_HDLC_HEADER_LEN = 4;

/**
 * Decodes the Cisco HDLC header at `off` into `etherType` and `l3Off`. pcap-linktype(7), LINKTYPE_C_HDLC; RFC 1547 §4.3.1.
 * @param end first octet past the captured bytes
 * @returns Ok or Truncated; unless Ok, `f` is untouched
 */
export function decodeCiscoHdlc(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < CISCO_HDLC_HEADER_LEN) return Status.Truncated;
  const type = view.getUint16(off + 2);
  // Cisco's keepalive protocol SLARP has the number that is RARP on Ethernet.
  f.etherType = type < ETH_P_802_3_MIN || type === ETH_P_RARP ? ETHER_TYPE_NONE : type;
  f.l3Off = off + CISCO_HDLC_HEADER_LEN;
  return Status.Ok;
}

import { ETH_P_802_3_MIN, ETH_P_IP, ETHER_TYPE_NONE } from './ethertype.ts';
import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

/** Octets: DSAP, SSAP, one control octet. IEEE 802.2 §3.2. */
export const LLC_HEADER_MIN = 3;
/** Octets of LLC and SNAP: AA AA 03, OUI, protocol. RFC 1042. */
export const SNAP_HEADER_LEN = 8;

const SAP_SNAP = 0xaa;
/** IP straight over LLC. RFC 1042, historical. */
const SAP_IP = 0x06;
const CONTROL_UI = 0x03;
/** Organisation codes under which the protocol field is an EtherType: RFC 1042, and 802.1H bridge tunnel. */
const OUI_ENCAP_ETHER = 0x000000;
const OUI_BRIDGE_TUNNEL = 0x0000f8;

/**
 * Decodes the 802.2 LLC header at `off`, and SNAP behind it (RFC 1042): the EtherType it carries and `l3Off`, else
 * ETHER_TYPE_NONE with `l3Off` at the LLC header.
 * @param end first octet past the captured bytes
 * @returns Ok or Truncated; unless Ok, `f` is untouched
 */
export function decodeLlc(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < LLC_HEADER_MIN) return Status.Truncated;
  const dsap = view.getUint8(off);
  const ssap = view.getUint8(off + 1);
  const control = view.getUint8(off + 2);
  if (dsap === SAP_SNAP && ssap === SAP_SNAP && control === CONTROL_UI) {
    if (end - off < SNAP_HEADER_LEN) return Status.Truncated;
    const oui = (view.getUint8(off + 3) << 16) | view.getUint16(off + 4);
    const type = view.getUint16(off + 6);
    const known = (oui === OUI_ENCAP_ETHER || oui === OUI_BRIDGE_TUNNEL) && type >= ETH_P_802_3_MIN;
    f.etherType = known ? type : ETHER_TYPE_NONE;
    f.l3Off = known ? off + SNAP_HEADER_LEN : off;
    return Status.Ok;
  }
  const isIp = dsap === SAP_IP && ssap === SAP_IP && control === CONTROL_UI;
  f.etherType = isIp ? ETH_P_IP : ETHER_TYPE_NONE;
  f.l3Off = isIp ? off + LLC_HEADER_MIN : off;
  return Status.Ok;
}

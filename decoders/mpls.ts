import { ETH_P_IP, ETH_P_IPV6, ETHER_TYPE_NONE } from './ethertype.ts';
import { ETHERNET_HEADER_LEN, ETHERNET_TYPE_OFF, ethernetType } from './ethernet.ts';
import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

/** Octets of a label stack entry. RFC 3032 §2.1. */
export const MPLS_LABEL_LEN = 4;
/** Control word before the frame of an Ethernet pseudowire; its first nibble is 0. RFC 4385 §3, RFC 4448 §4.6. */
export const PW_CONTROL_WORD_LEN = 4;
const BOTTOM_OF_STACK = 0x01;

/**
 * Walks the label stack at `off` (RFC 3032 §2.1) to what it carries. MPLS does not say what that is: a first nibble of 4
 * or 6 is taken for IP, as routers do for load balancing (RFC 4928 §3), 0 for the control word of an Ethernet pseudowire
 * (RFC 4448 §4.6; the MAC addresses in `f` stay the outer ones), anything else is ETHER_TYPE_NONE.
 * @param end first octet past the captured bytes
 * @returns Ok or Truncated; unless Ok, `f` is untouched
 */
export function decodeMpls(view: DataView, off: number, end: number, f: PacketFields): Status {
  let cur = off;
  for (;;) {
    if (end - cur < MPLS_LABEL_LEN) return Status.Truncated;
    const isBottom = (view.getUint8(cur + 2) & BOTTOM_OF_STACK) !== 0;
    cur += MPLS_LABEL_LEN;
    if (isBottom) break;
  }
  if (cur >= end) return Status.Truncated;
  const nibble = view.getUint8(cur) >>> 4;
  if (nibble === 0) {
    if (end - cur >= PW_CONTROL_WORD_LEN + ETHERNET_HEADER_LEN) {
      f.etherType = ethernetType(view.getUint16(cur + PW_CONTROL_WORD_LEN + ETHERNET_TYPE_OFF));
      f.l3Off = cur + PW_CONTROL_WORD_LEN + ETHERNET_HEADER_LEN;
      return Status.Ok;
    }
    if (end < f.wireEnd) return Status.Truncated;
  }
  f.etherType = nibble === 4 ? ETH_P_IP : nibble === 6 ? ETH_P_IPV6 : ETHER_TYPE_NONE;
  f.l3Off = cur;
  return Status.Ok;
}

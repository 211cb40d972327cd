import { ethernetType } from './ethernet.ts';
import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { Ok, Truncated } = Status;

/** Octets behind the tag type: tag control information and the next type. IEEE 802.1Q §9.6. */
export const VLAN_TAG_LEN = 4;

/**
 * Takes one more tag, next inner to those already in `f`. Two ids are kept, all are counted.
 * @param tci tag control information: priority 3 bits, DEI 1, VLAN id 12. IEEE 802.1Q §9.6
 */
export function pushVlan(f: PacketFields, tci: number): void {
  if (f.vlanCount === 0) f.vlanOuter = tci & 0x0fff;
  else if (f.vlanCount === 1) f.vlanInner = tci & 0x0fff;
  f.vlanCount++;
}

/**
 * Decodes what follows a tag type (0x8100, 0x88a8, …) at `off`: the tag, the next type, and `l3Off` behind it.
 * IEEE 802.1Q §9.6.
 * @param end first octet past the captured bytes
 * @returns Ok or Truncated; unless Ok, `f` is untouched
 */
export function decodeVlan(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < VLAN_TAG_LEN) return Truncated;
  pushVlan(f, view.getUint16(off));
  f.etherType = ethernetType(view.getUint16(off + 2));
  f.l3Off = off + VLAN_TAG_LEN;
  return Ok;
}

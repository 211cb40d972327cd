import { VLAN_TAG_LEN } from '../vlan.ts';
import { checkHeader } from './header.ts';

/** What follows a tag type: tag control information and the next type. IEEE 802.1Q §9.6. */
export class VlanView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 4 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, VLAN_TAG_LEN, 'VLAN tag');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  get priority(): number {
    return this.view.getUint8(this.off) >>> 5;
  }
  get dropEligible(): boolean {
    return (this.view.getUint8(this.off) & 0x10) !== 0;
  }
  get id(): number {
    return this.view.getUint16(this.off) & 0x0fff;
  }
  /** EtherType behind the tag, another tag's type, or below 0x600 the length of an 802.3 frame. */
  get typeOrLength(): number {
    return this.view.getUint16(this.off + 2);
  }
}

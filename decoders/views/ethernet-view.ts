import { formatMac } from '../address.ts';
import { ETHERNET_HEADER_LEN, ETHERNET_TYPE_OFF } from '../ethernet.ts';
import { checkHeader, octetsOf } from './header.ts';

const SOURCE_OFF = 6;

/** An Ethernet header. IEEE 802.3 §3.1.1. */
export class EthernetView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 14 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, ETHERNET_HEADER_LEN, 'Ethernet header');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  get dst(): string {
    return formatMac(octetsOf(this, 0, SOURCE_OFF), 0);
  }
  get src(): string {
    return formatMac(octetsOf(this, SOURCE_OFF, ETHERNET_TYPE_OFF), 0);
  }
  /** EtherType, or below 0x600 the length of an 802.3 frame. */
  get typeOrLength(): number {
    return this.view.getUint16(this.off + ETHERNET_TYPE_OFF);
  }
}

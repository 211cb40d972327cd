import { formatMac } from '../address.ts';
import { SLL_HEADER_LEN } from '../sll.ts';
import { checkHeader, octetsOf } from './header.ts';

const ADDRESS_OFF = 6;
const ETHERNET_ADDRESS_LEN = 6;

/** A Linux cooked header. pcap-linktype(7), LINKTYPE_LINUX_SLL. */
export class SllView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 16 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, SLL_HEADER_LEN, 'SLL header');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  /** `PacketType`. */
  get packetType(): number {
    return this.view.getUint16(this.off);
  }
  /** ARPHRD_*, linux/if_arp.h. */
  get deviceType(): number {
    return this.view.getUint16(this.off + 2);
  }
  get addressLen(): number {
    return this.view.getUint16(this.off + 4);
  }
  /** The sender's address where it has six octets, else null. */
  get src(): string | null {
    if (this.addressLen !== ETHERNET_ADDRESS_LEN) return null;
    return formatMac(octetsOf(this, ADDRESS_OFF, ADDRESS_OFF + ETHERNET_ADDRESS_LEN), 0);
  }
  /** EtherType, or what the device type makes of it. */
  get protocol(): number {
    return this.view.getUint16(this.off + 14);
  }
}

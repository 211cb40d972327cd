import { formatMac } from '../address.ts';
import { SLL2_HEADER_LEN } from '../sll.ts';
import { checkHeader, octetsOf } from './header.ts';

const ADDRESS_OFF = 12;
const ETHERNET_ADDRESS_LEN = 6;

/** A Linux cooked header of the second version. pcap-linktype(7), LINKTYPE_LINUX_SLL2. */
export class Sll2View {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 20 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, SLL2_HEADER_LEN, 'SLL2 header');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  /** EtherType, or what the device type makes of it. */
  get protocol(): number {
    return this.view.getUint16(this.off);
  }
  get ifIndex(): number {
    return this.view.getUint32(this.off + 4);
  }
  /** ARPHRD_*, linux/if_arp.h. */
  get deviceType(): number {
    return this.view.getUint16(this.off + 8);
  }
  /** `PacketType`. */
  get packetType(): number {
    return this.view.getUint8(this.off + 10);
  }
  get addressLen(): number {
    return this.view.getUint8(this.off + 11);
  }
  /** The sender's address where it has six octets, else null. */
  get src(): string | null {
    if (this.addressLen !== ETHERNET_ADDRESS_LEN) return null;
    return formatMac(octetsOf(this, ADDRESS_OFF, ADDRESS_OFF + ETHERNET_ADDRESS_LEN), 0);
  }
}

import { formatAddress, formatMac } from '../address.ts';
import { ARP_HEADER_MIN } from '../arp.ts';
import { checkHeader, octetsOf } from './header.ts';

const PROTOCOL_OFF = 2;
const HARDWARE_LEN_OFF = 4;
const PROTOCOL_LEN_OFF = 5;
const OPERATION_OFF = 6;
const ETHERNET_ADDRESS_LEN = 6;
const IPV4_ADDRESS_LEN = 4;

/** An ARP or RARP packet. RFC 826, RFC 903. Addresses are null unless they are Ethernet's and IPv4's, and captured. */
export class ArpView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 8 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, ARP_HEADER_MIN, 'ARP packet');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  get hardwareType(): number {
    return this.view.getUint16(this.off);
  }
  get protocolType(): number {
    return this.view.getUint16(this.off + PROTOCOL_OFF);
  }
  get hardwareLen(): number {
    return this.view.getUint8(this.off + HARDWARE_LEN_OFF);
  }
  get protocolLen(): number {
    return this.view.getUint8(this.off + PROTOCOL_LEN_OFF);
  }
  /** 1 request, 2 reply; RARP 3 and 4. */
  get operation(): number {
    return this.view.getUint16(this.off + OPERATION_OFF);
  }
  get senderMac(): string | null {
    return this.#mac(ARP_HEADER_MIN);
  }
  get senderAddress(): string | null {
    return this.#address(ARP_HEADER_MIN + this.hardwareLen);
  }
  get targetMac(): string | null {
    return this.#mac(ARP_HEADER_MIN + this.hardwareLen + this.protocolLen);
  }
  get targetAddress(): string | null {
    return this.#address(ARP_HEADER_MIN + 2 * this.hardwareLen + this.protocolLen);
  }

  #mac(at: number): string | null {
    const octets = octetsOf(this, at, at + ETHERNET_ADDRESS_LEN);
    const isThere = this.hardwareLen === ETHERNET_ADDRESS_LEN && octets.length === ETHERNET_ADDRESS_LEN;
    return isThere ? formatMac(octets, 0) : null;
  }

  #address(at: number): string | null {
    const octets = octetsOf(this, at, at + IPV4_ADDRESS_LEN);
    const isThere = this.protocolLen === IPV4_ADDRESS_LEN && octets.length === IPV4_ADDRESS_LEN;
    return isThere ? formatAddress(octets, 0, 4) : null;
  }
}

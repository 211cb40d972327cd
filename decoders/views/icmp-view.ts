import { checkHeader } from './header.ts';

/** Type, code and checksum: what every message has. RFC 792, RFC 4443 §2.1. */
const ICMP_HEADER_MIN = 4;
const CHECKSUM_OFF = 2;
const REST_OFF = 4;

/** An ICMP or ICMPv6 header. RFC 792, RFC 4443 §2.1. */
export class IcmpView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 4 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, ICMP_HEADER_MIN, 'ICMP header');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  get type(): number {
    return this.view.getUint8(this.off);
  }
  get code(): number {
    return this.view.getUint8(this.off + 1);
  }
  get checksum(): number {
    return this.view.getUint16(this.off + CHECKSUM_OFF);
  }
  /** The four octets behind the checksum (identifier and sequence, gateway, MTU, …), or null where they were cut off. */
  get rest(): number | null {
    return this.off + REST_OFF + 4 <= this.end ? this.view.getUint32(this.off + REST_OFF) : null;
  }
  /** Of an echo message. */
  get identifier(): number | null {
    return this.rest === null ? null : this.rest >>> 16;
  }
  /** Of an echo message. */
  get sequence(): number | null {
    return this.rest === null ? null : this.rest & 0xffff;
  }
}

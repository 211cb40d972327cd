import { UDP_HEADER_LEN } from '../udp.ts';
import { checkHeader } from './header.ts';

const LENGTH_OFF = 4;
const CHECKSUM_OFF = 6;

/** A UDP header (RFC 768), or a UDP-Lite header (RFC 3828 §3.1), whose coverage stands in `length`. */
export class UdpView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 8 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, UDP_HEADER_LEN, 'UDP header');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  get srcPort(): number {
    return this.view.getUint16(this.off);
  }
  get dstPort(): number {
    return this.view.getUint16(this.off + 2);
  }
  /** Octets of header and payload as the header says; UDP-Lite: octets that the checksum covers, 0 for all. */
  get length(): number {
    return this.view.getUint16(this.off + LENGTH_OFF);
  }
  /** 0: none was made (IPv4). */
  get checksum(): number {
    return this.view.getUint16(this.off + CHECKSUM_OFF);
  }
}

import { formatAddress } from '../address.ts';
import { checkHeader, octetsOf } from './header.ts';

/** Octets that every version has. */
export const IGMP_HEADER_LEN = 8;

/** An IGMP message. RFC 2236 §2, RFC 3376 §4. */
export class IgmpView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 8 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, IGMP_HEADER_LEN, 'IGMP message');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  /** 0x11 query, 0x12 and 0x16 report of version 1 and 2, 0x17 leave, 0x22 report of version 3. */
  get type(): number {
    return this.view.getUint8(this.off);
  }
  /** Tenths of a second, as a query says; version 3 has a code above 127. */
  get maxResponse(): number {
    return this.view.getUint8(this.off + 1);
  }
  get checksum(): number {
    return this.view.getUint16(this.off + 2);
  }
  /** Group; a report of version 3 has the number of its records in the last two octets. */
  get group(): string {
    return formatAddress(octetsOf(this, 4, IGMP_HEADER_LEN), 0, 4);
  }
}

import { checkHeader, octetsOf } from './header.ts';

/** Octets before the integrity check value. */
export const AH_HEADER_MIN = 12;

/** An authentication header. RFC 4302 §2. */
export class AhView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 12 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, AH_HEADER_MIN, 'authentication header');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  get nextHeader(): number {
    return this.view.getUint8(this.off);
  }
  /** Octets of the header with its integrity check value, as it says. */
  get headerLen(): number {
    return (this.view.getUint8(this.off + 1) + 2) << 2;
  }
  /** Security parameters index, as uint32. */
  get spi(): number {
    return this.view.getUint32(this.off + 4);
  }
  /** As uint32. */
  get sequence(): number {
    return this.view.getUint32(this.off + 8);
  }
  /** Integrity check value, as far as it was captured. */
  get icv(): Uint8Array {
    return octetsOf(this, AH_HEADER_MIN, this.headerLen);
  }
}

import { checkHeader } from './header.ts';

export const ESP_HEADER_LEN = 8;

/** An ESP header; what follows is encrypted. RFC 4303 §2. */
export class EspView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 8 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, ESP_HEADER_LEN, 'ESP header');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  /** Security parameters index, as uint32. */
  get spi(): number {
    return this.view.getUint32(this.off);
  }
  /** As uint32. */
  get sequence(): number {
    return this.view.getUint32(this.off + 4);
  }
}

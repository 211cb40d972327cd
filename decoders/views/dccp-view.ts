import { DCCP_HEADER_MIN } from '../dccp.ts';
import { checkHeader } from './header.ts';

/** A DCCP generic header. RFC 4340 §5.1. */
export class DccpView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 12 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, DCCP_HEADER_MIN, 'DCCP header');
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
  /** Octets of the header with its options, as it says. */
  get headerLen(): number {
    return this.view.getUint8(this.off + 4) << 2;
  }
  /** 0 request, 1 response, 2 data, 3 ack, 4 data-ack, 5 close-req, 6 close, 7 reset, 8 sync, 9 sync-ack. */
  get type(): number {
    return (this.view.getUint8(this.off + 8) >>> 1) & 0x0f;
  }
  /** Whether the sequence number has 48 bits; else 24. */
  get isExtended(): boolean {
    return (this.view.getUint8(this.off + 8) & 1) !== 0;
  }
  /** null where the capture cut it. */
  get seq(): number | null {
    if (!this.isExtended) return this.view.getUint32(this.off + 8) & 0xff_ffff;
    if (this.end - this.off < 16) return null;
    return this.view.getUint16(this.off + 10) * 2 ** 32 + this.view.getUint32(this.off + 12);
  }
}

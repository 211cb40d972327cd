import { SCTP_HEADER_LEN } from '../sctp.ts';
import { checkHeader } from './header.ts';

/** Octets before a chunk's value: type, flags, length. RFC 9260 §3.2. */
const CHUNK_HEADER_LEN = 4;

/** One chunk: offset of its header in the view, and its length with header but without padding, as it says. */
export interface SctpChunk {
  type: number;
  flags: number;
  off: number;
  length: number;
}

/** An SCTP common header. RFC 9260 §3.1. */
export class SctpView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 12 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, SCTP_HEADER_LEN, 'SCTP header');
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
  /** As uint32. */
  get verificationTag(): number {
    return this.view.getUint32(this.off + 4);
  }
  /** CRC32c, as uint32. */
  get checksum(): number {
    return this.view.getUint32(this.off + 8);
  }
  /** The chunks whose header was captured, up to one whose length cannot be. */
  get chunks(): SctpChunk[] {
    const found: SctpChunk[] = [];
    let cur = this.off + SCTP_HEADER_LEN;
    while (this.end - cur >= CHUNK_HEADER_LEN) {
      const length = this.view.getUint16(cur + 2);
      if (length < CHUNK_HEADER_LEN) break;
      found.push({ type: this.view.getUint8(cur), flags: this.view.getUint8(cur + 1), off: cur, length });
      cur += (length + 3) & ~3;
    }
    return found;
  }
}

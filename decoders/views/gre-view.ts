import { GRE_HEADER_MIN, GRE_OPTION_LEN, GRE_PROTOCOL_OFF, GreFlag } from '../gre.ts';
import { checkHeader } from './header.ts';

/** A GRE header. RFC 2784, RFC 2890; version 1 is that of PPTP, RFC 2637 §4.1. */
export class GreView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 4 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, GRE_HEADER_MIN, 'GRE header');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  /** Bits of `GreFlag`, and the version in the lowest three. */
  get flags(): number {
    return this.view.getUint16(this.off);
  }
  get version(): number {
    return this.flags & 7;
  }
  /** EtherType of the payload. */
  get protocol(): number {
    return this.view.getUint16(this.off + GRE_PROTOCOL_OFF);
  }
  /** As uint32; null when there is none, or it was cut. */
  get key(): number | null {
    return this.#option(GreFlag.KEY);
  }
  /** As uint32; null when there is none, or it was cut. */
  get sequence(): number | null {
    return this.#option(GreFlag.SEQUENCE);
  }

  /** The fields stand in the order of their bits, each only when its bit is set. */
  #option(wanted: number): number | null {
    if ((this.flags & wanted) === 0) return null;
    let at = this.off + GRE_HEADER_MIN;
    for (const bit of [GreFlag.CHECKSUM, GreFlag.KEY, GreFlag.SEQUENCE]) {
      if (bit === wanted) break;
      if ((this.flags & bit) !== 0) at += GRE_OPTION_LEN;
    }
    return at + GRE_OPTION_LEN <= this.end ? this.view.getUint32(at) : null;
  }
}

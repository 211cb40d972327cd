import { formatAddress, type IpVersion } from '../../decoders/address.ts';

/** Thrown by Octets for what was not captured; the line then ends as tcpdump ends it. */
export class Cut extends Error {
  override readonly name = 'Cut';
}

/** The captured octets of one packet up to `end`: reading past it is a Cut, never another packet's octets. */
export class Octets {
  readonly view: DataView;
  readonly end: number;

  constructor(view: DataView, end: number) {
    this.view = view;
    this.end = end;
  }

  /** @throws Cut unless `length` octets from `off` on were captured */
  need(off: number, length: number): void {
    if (off < 0 || off + length > this.end) throw new Cut();
  }

  has(off: number, length: number): boolean {
    return off >= 0 && off + length <= this.end;
  }

  u8(off: number): number {
    this.need(off, 1);
    return this.view.getUint8(off);
  }

  u16(off: number): number {
    this.need(off, 2);
    return this.view.getUint16(off);
  }

  u32(off: number): number {
    this.need(off, 4);
    return this.view.getUint32(off);
  }

  /** Lower-case hex of octets, with what is between two of them. */
  hex(off: number, length: number, between = ''): string {
    this.need(off, length);
    const octets = Array.from({ length }, (_, i) =>
      this.view
        .getUint8(off + i)
        .toString(16)
        .padStart(2, '0'),
    );
    return octets.join(between);
  }

  address(off: number, version: IpVersion): string {
    const length = version === 6 ? 16 : 4;
    this.need(off, length);
    return formatAddress(new Uint8Array(this.view.buffer, this.view.byteOffset + off, length), 0, version);
  }
}

import { LITTLE_ENDIAN, NLA_TYPE_MASK } from '../kernel/netlink-constants.ts';
import { NetlinkFormatError } from './errors.ts';

/** struct nlattr: nla_len u16 0 (with this header, without padding), nla_type u16 2. linux/netlink.h */
const NLA_HDRLEN = 4;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Rounds up to the alignment of messages and attributes. linux/netlink.h NLMSG_ALIGN */
export function align4(length: number): number {
  return (length + 3) & ~3;
}

/**
 * Walks attributes: `while (cursor.next()) switch (cursor.type) …`. Numbers are in host order; a value that is shorter
 * than what is read from it is a format error.
 */
export class AttributeCursor {
  /** nla_type without its flag bits. */
  type = 0;
  /** The value: octets [off, end) of the view. */
  off: number;
  end: number;
  readonly view: DataView;
  #next: number;
  readonly #limit: number;

  /** @param off, end octets of `view` that hold the attributes */
  constructor(view: DataView, off: number, end: number) {
    this.view = view;
    this.off = off;
    this.end = off;
    this.#next = off;
    this.#limit = end;
  }

  /**
   * Goes to the next attribute.
   * @returns false at the end
   * @throws NetlinkFormatError
   */
  next(): boolean {
    const at = this.#next;
    if (this.#limit - at < NLA_HDRLEN) return false;
    const length = this.view.getUint16(at, LITTLE_ENDIAN);
    if (length < NLA_HDRLEN || at + length > this.#limit)
      throw new NetlinkFormatError(`attribute of ${length} octets where ${this.#limit - at} are left`, at);
    this.type = this.view.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK;
    this.off = at + NLA_HDRLEN;
    this.end = at + length;
    this.#next = at + align4(length);
    return true;
  }

  /** Octets of the value. */
  get length(): number {
    return this.end - this.off;
  }

  u8(): number {
    this.#need(1);
    return this.view.getUint8(this.off);
  }

  u16(): number {
    this.#need(2);
    return this.view.getUint16(this.off, LITTLE_ENDIAN);
  }

  u32(): number {
    this.#need(4);
    return this.view.getUint32(this.off, LITTLE_ENDIAN);
  }

  i32(): number {
    this.#need(4);
    return this.view.getInt32(this.off, LITTLE_ENDIAN);
  }

  /** A string up to its NUL. */
  text(): string {
    const bytes = this.bytes();
    const nul = bytes.indexOf(0);
    return decoder.decode(nul === -1 ? bytes : bytes.subarray(0, nul));
  }

  /** The value in place: valid as long as the datagram is. */
  bytes(): Uint8Array {
    return new Uint8Array(this.view.buffer, this.view.byteOffset + this.off, this.length);
  }

  /** A cursor over the attributes within the value. */
  nested(): AttributeCursor {
    return new AttributeCursor(this.view, this.off, this.end);
  }

  #need(length: number): void {
    if (this.length < length)
      throw new NetlinkFormatError(
        `attribute ${this.type} has ${this.length} octets, not ${length}`,
        this.off,
      );
  }
}

/** Builds attributes behind each other. */
export class AttributeWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** What was written: a view, valid until the next `put`. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Appends octets as they are, padded to four: a family's header in front of the attributes. */
  raw(bytes: Uint8Array): this {
    this.#bytes = grown(this.#bytes, this.#length + align4(bytes.length));
    this.#bytes.set(bytes, this.#length);
    this.#length += align4(bytes.length);
    return this;
  }

  /** Appends one attribute. */
  put(type: number, value: Uint8Array): this {
    const length = NLA_HDRLEN + value.length;
    const header = new Uint8Array(NLA_HDRLEN);
    const view = new DataView(header.buffer);
    view.setUint16(0, length, LITTLE_ENDIAN);
    view.setUint16(2, type, LITTLE_ENDIAN);
    return this.raw(header).raw(value);
  }

  u8(type: number, value: number): this {
    return this.put(type, new Uint8Array([value]));
  }

  u32(type: number, value: number): this {
    return this.put(type, new Uint8Array(new Uint32Array([value]).buffer));
  }

  /** A u16 in network order, as ports are. */
  be16(type: number, value: number): this {
    return this.put(type, new Uint8Array([value >>> 8, value & 0xff]));
  }

  /** A NUL-terminated string. */
  text(type: number, value: string): this {
    return this.put(type, encoder.encode(`${value}\0`));
  }
}

function grown(bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  if (length <= bytes.length) return bytes;
  const larger = new Uint8Array(Math.max(length, bytes.length * 2));
  larger.set(bytes);
  return larger;
}

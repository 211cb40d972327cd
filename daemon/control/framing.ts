import { ControlError } from './errors.ts';

/** Octets of a message from a client, and from the daemon, at most. */
export const REQUEST_MAX = 64 * 1024;
export const RESPONSE_MAX = 1024 * 1024;

/** Octets of the varint before a message, at most: three hold lengths below 2 MiB. */
const LENGTH_MAX = 3;
const NOTHING = new Uint8Array(0);

/**
 * Cuts a stream of octets into messages: each comes after its length as a base-128 varint ("delimited" protobuf). Holds at
 * most one message beside the chunk that was pushed last.
 */
export class FrameReader {
  readonly #max: number;
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  #length = 0;
  #lengthOctets = 0;
  #frame: Uint8Array | null = null;
  #filled = 0;

  /** @param max octets of a message; a longer one is an error as soon as its length has been read */
  constructor(max: number) {
    this.#max = max;
  }

  /** True when a message has begun that is not whole yet. */
  get isPartial(): boolean {
    return this.#lengthOctets > 0 || this.#frame !== null;
  }

  /** Takes the next octets of the stream, which belong to the reader until `next` has returned null. */
  push(chunk: Uint8Array): void {
    const left = this.#chunk.length - this.#at;
    if (left === 0) this.#chunk = chunk;
    else {
      const joined = new Uint8Array(left + chunk.length);
      joined.set(this.#chunk.subarray(this.#at));
      joined.set(chunk, left);
      this.#chunk = joined;
    }
    this.#at = 0;
  }

  /**
   * The next whole message, without its length; the caller's.
   * @returns null when more octets are needed
   * @throws ControlError CONTROL_BAD_FRAME for a length that is too large or written in too many octets; the stream cannot
   *         be read any further then
   */
  next(): Uint8Array | null {
    if (this.#frame === null && !this.#readLength()) return null;
    const frame = this.#frame!;
    const count = Math.min(frame.length - this.#filled, this.#chunk.length - this.#at);
    frame.set(this.#chunk.subarray(this.#at, this.#at + count), this.#filled);
    this.#at += count;
    this.#filled += count;
    if (this.#filled < frame.length) return null;
    this.#frame = null;
    return frame;
  }

  /** @returns true when the length is whole, and #frame has its room */
  #readLength(): boolean {
    while (this.#at < this.#chunk.length) {
      const octet = this.#chunk[this.#at++]!;
      this.#length |= (octet & 0x7f) << (7 * this.#lengthOctets++);
      if (octet < 0x80) {
        const length = this.#length;
        this.#length = 0;
        this.#lengthOctets = 0;
        if (length > this.#max)
          throw new ControlError(
            'CONTROL_BAD_FRAME',
            `message of ${length} octets; at most ${this.#max} are taken`,
          );
        this.#frame = new Uint8Array(length);
        this.#filled = 0;
        return true;
      }
      if (this.#lengthOctets === LENGTH_MAX)
        throw new ControlError(
          'CONTROL_BAD_FRAME',
          `length of a message in more than ${LENGTH_MAX} octets; at most ${this.#max} octets are taken`,
        );
    }
    return false;
  }
}

/**
 * Puts the length before a message that is given in pieces.
 * @throws ControlError CONTROL_BAD_FRAME when it is longer than `max`
 */
export function frameOf(pieces: readonly Uint8Array[], max: number): Uint8Array {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (length > max)
    throw new ControlError('CONTROL_BAD_FRAME', `message of ${length} octets; at most ${max} may be sent`);
  const head: number[] = [];
  let rest = length;
  for (; rest >= 0x80; rest >>>= 7) head.push((rest & 0x7f) | 0x80);
  head.push(rest);
  const frame = new Uint8Array(head.length + length);
  frame.set(head);
  let at = head.length;
  for (const piece of pieces) {
    frame.set(piece, at);
    at += piece.length;
  }
  return frame;
}

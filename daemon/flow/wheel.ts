import { SLOT_WORDS, W } from './slot.ts';

/** Buckets of one second; a power of two. No flow waits longer than WHEEL_MAX_WAIT, so laps never mix. */
const BUCKETS = 32;
const BUCKET_MASK = BUCKETS - 1;

/**
 * Longest wait in the wheel, in seconds: a flow with a later deadline is looked at, and put back. So a flow that closes
 * leaves soon though its place was chosen when it was open, and moving a deadline costs nothing per packet.
 */
export const WHEEL_MAX_WAIT = 10;

/**
 * Timer wheel over the slots of a flow table: each live slot is in exactly one bucket, linked through `W.next`. Nothing
 * is done per packet; each slot is visited when its bucket's second has passed, at most every WHEEL_MAX_WAIT seconds.
 */
export class TimerWheel {
  readonly #heads = new Int32Array(BUCKETS);
  readonly #words: Int32Array;
  /** The second up to which buckets were visited. Any integral double: pcapng has times before 1970 and behind 2^53. */
  #now = Number.NEGATIVE_INFINITY;

  /** @param words the flow table's slab */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** The second the wheel stands at; -Infinity before the first packet. */
  get now(): number {
    return this.#now;
  }

  /** Empties the wheel and forgets the time. The caller holds no slot any more. */
  reset(): void {
    this.#heads.fill(0);
    this.#now = Number.NEGATIVE_INFINITY;
  }

  /**
   * Takes the time back without visiting anyone: slots stay in their buckets, and are visited within one lap of the new
   * time.
   */
  rewind(sec: number): void {
    this.#now = sec;
  }

  /** Puts a slot into the bucket of `deadline` (seconds since the epoch), at most WHEEL_MAX_WAIT ahead. */
  schedule(slot: number, deadline: number): void {
    const wait = Math.min(Math.max(deadline - this.#now, 1), WHEEL_MAX_WAIT);
    const bucket = ((this.#now & BUCKET_MASK) + wait) & BUCKET_MASK;
    this.#words[slot * SLOT_WORDS + W.next] = this.#heads[bucket]!;
    this.#heads[bucket] = slot + 1;
  }

  /**
   * Moves time forward to `sec`, visiting each slot whose bucket has passed. Time that goes backwards is ignored. After
   * a jump of more than a lap every slot is visited once.
   * @param visit must schedule the slot again or free it
   */
  advance(sec: number, visit: (slot: number) => void): void {
    if (this.#now === Number.NEGATIVE_INFINITY) {
      this.#now = sec;
      return;
    }
    if (sec <= this.#now) return;
    const buckets = Math.min(sec - this.#now, BUCKETS);
    // The bitwise and takes any double modulo 2^32, where adding 1 to one behind 2^53 would stand still.
    const first = (this.#now & BUCKET_MASK) + 1;
    this.#now = sec;
    for (let i = 0; i < buckets; i++) {
      const bucket = (first + i) & BUCKET_MASK;
      let slot = this.#heads[bucket]! - 1;
      this.#heads[bucket] = 0;
      while (slot >= 0) {
        const next = this.#words[slot * SLOT_WORDS + W.next]! - 1;
        visit(slot);
        slot = next;
      }
    }
  }
}

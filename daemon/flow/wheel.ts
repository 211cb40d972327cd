import { F, farOf, nearOf } from './slot.ts';

/** Buckets of one second; a power of two. No flow waits longer than WHEEL_MAX_WAIT, so laps never mix. */
export const BUCKETS = 32;
const BUCKET_MASK = BUCKETS - 1;

/**
 * Longest wait in the wheel, in seconds: a flow with a later deadline is looked at, and put back. So a flow that closes
 * leaves soon though its place was chosen when it was open, and moving a deadline costs nothing per packet.
 */
export const WHEEL_MAX_WAIT = 10;

/** Each bucket has a list a lane: a full table takes its victims from the first lane that has any. See victim.ts. */
export const Lane = { unproven: 0, over: 1, proven: 2 } as const;
const LANES = 3;

/**
 * Timer wheel over the slots of a flow table: each live slot is in exactly one list, linked through `F.next`. Nothing
 * is done per packet; each slot is visited when its bucket's second has passed, at most every WHEEL_MAX_WAIT seconds.
 *
 * The lists are queues: as nearly all wait as long, the head of a list is the one that has been in it longest.
 */
export class TimerWheel {
  /** First and last slot (number + 1) of a list; 0: it is empty. List `lane * BUCKETS + bucket`. */
  readonly #heads = new Int32Array(LANES * BUCKETS);
  readonly #tails = new Int32Array(LANES * BUCKETS);
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
    this.#tails.fill(0);
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
  schedule(slot: number, deadline: number, lane: number): void {
    const wait = Math.min(Math.max(deadline - this.#now, 1), WHEEL_MAX_WAIT);
    this.append(slot, ((this.#now & BUCKET_MASK) + wait) & BUCKET_MASK, lane);
  }

  /** Puts a slot behind the last one of a list. */
  append(slot: number, bucket: number, lane: number): void {
    const list = lane * BUCKETS + bucket;
    const tail = this.#tails[list]!;
    this.#words[this.#link(slot)] = 0;
    if (tail === 0) this.#heads[list] = slot + 1;
    else this.#words[this.#link(tail - 1)] = slot + 1;
    this.#tails[list] = slot + 1;
  }

  /** Where the number of the slot behind this one stands. */
  #link(slot: number): number {
    return farOf(this.#words, nearOf(slot)) + F.next;
  }

  /** The first slot of a list, or -1. */
  head(bucket: number, lane: number): number {
    return this.#heads[lane * BUCKETS + bucket]! - 1;
  }

  /** Takes the first slot out of a list that has one. @returns it */
  shift(bucket: number, lane: number): number {
    const list = lane * BUCKETS + bucket;
    const slot = this.#heads[list]! - 1;
    const next = this.#words[this.#link(slot)]!;
    this.#heads[list] = next;
    if (next === 0) this.#tails[list] = 0;
    return slot;
  }

  /** Takes out every slot that `isGone` says so of; it must not be scheduled again by that call. Walks over all. */
  sweep(isGone: (slot: number) => boolean): void {
    for (let list = 0; list < LANES * BUCKETS; list++) {
      let slot = this.#heads[list]! - 1;
      this.#heads[list] = 0;
      this.#tails[list] = 0;
      while (slot >= 0) {
        const next = this.#words[this.#link(slot)]! - 1;
        if (!isGone(slot)) this.append(slot, list % BUCKETS, Math.floor(list / BUCKETS));
        slot = next;
      }
    }
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
      for (let list = bucket; list < LANES * BUCKETS; list += BUCKETS) {
        let slot = this.#heads[list]! - 1;
        this.#heads[list] = 0;
        this.#tails[list] = 0;
        while (slot >= 0) {
          const next = this.#words[this.#link(slot)]! - 1;
          visit(slot);
          slot = next;
        }
      }
    }
  }
}

import { maskWord } from './prefix-hash.ts';
import { prefixText } from './words.ts';

const FIRST_ROUTES = 64;

/** Word offsets of a route. The first eight words are what a lookup reads: half a cache line, or a whole one for IPv6. */
export const R = {
  /** The next route of the same prefix (number + 1); 0 for none. In the list of free routes too. */
  next: 0,
  /** Number of its shape: everything but the prefix. */
  shape: 1,
  /** Prefix length (8) | key of the remembered decision << 8. */
  len: 2,
  /** Tells this route from others that had its number before. */
  serial: 3,
  /** The decision that was last given with this route: rule, epoch (0: none) and number. See DecisionIndex. */
  memoRule: 4,
  memoEpoch: 5,
  memoId: 6,
  /** Prefix: one word, or four. */
  dst: 7,
} as const;

/**
 * The routes of one address family, all tables together, as words of one typed array: a table of a million routes is a
 * million times 32 octets (IPv6: 64), and no object.
 */
export class RouteStore {
  words: Int32Array;
  readonly family: 4 | 6;
  /** Words of a route, as a shift. */
  readonly shift: 3 | 4;
  /** Routes in the store. */
  size = 0;
  #used = 0;
  #free = -1;
  #serial = 0;

  constructor(family: 4 | 6) {
    this.family = family;
    this.shift = family === 4 ? 3 : 4;
    this.words = new Int32Array(FIRST_ROUTES << this.shift);
  }

  /**
   * Makes a route.
   * @param prefix words in host order, from `at` on; bits past `len` are dropped
   * @returns its number
   */
  add(prefix: Int32Array, at: number, len: number, shape: number): number {
    let id = this.#free;
    if (id >= 0) this.#free = this.words[id << this.shift]! - 1;
    else {
      id = this.#used++;
      if (this.#used << this.shift > this.words.length) this.#grow();
    }
    const base = id << this.shift;
    const count = this.family === 4 ? 1 : 4;
    for (let i = 0; i < count; i++) this.words[base + R.dst + i] = prefix[at + i]! & maskWord(len, i);
    this.words[base + R.len] = len;
    this.put(id, shape, 0);
    this.size++;
    return id;
  }

  /** Gives a route of this prefix another shape and place: for lookups it is another route from now on. */
  put(id: number, shape: number, next: number): void {
    const base = id << this.shift;
    this.words[base + R.next] = next;
    this.words[base + R.shape] = shape;
    this.words[base + R.serial] = this.#serial = (this.#serial + 1) | 0;
    this.words[base + R.memoEpoch] = 0;
  }

  /** Takes a route out; its number may be given to another. */
  remove(id: number): void {
    const base = id << this.shift;
    this.words[base + R.next] = this.#free + 1;
    this.words[base + R.memoEpoch] = 0;
    this.#free = id;
    this.size--;
  }

  /** Number of the next route of the same prefix, or -1. */
  next(id: number): number {
    return this.words[(id << this.shift) + R.next]! - 1;
  }

  shape(id: number): number {
    return this.words[(id << this.shift) + R.shape]!;
  }

  prefixLen(id: number): number {
    return this.words[(id << this.shift) + R.len]! & 0xff;
  }

  /** Copies the prefix into `to`, which has four words; unused ones become 0. */
  prefix(id: number, to: Int32Array): void {
    const at = (id << this.shift) + R.dst;
    to[0] = this.words[at]!;
    for (let i = 1; i < 4; i++) to[i] = this.family === 6 ? this.words[at + i]! : 0;
  }

  /** "10.2.0.0/16" */
  prefixText(id: number): string {
    const words = new Int32Array(4);
    this.prefix(id, words);
    return prefixText(this.family, words, this.prefixLen(id));
  }

  #grow(): void {
    const words = new Int32Array(this.words.length * 2);
    words.set(this.words);
    this.words = words;
  }
}

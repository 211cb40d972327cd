/** Value of a slot that never held a prefix; a search ends there. */
const EMPTY = -1;
/** Value of a slot whose prefix was removed; a search goes on behind it. */
const REMOVED = -2;
const FIRST_CAPACITY = 8;

/** Mask of word `word` of a prefix of `len` bits: shifts count modulo 32, so 0 and 32 bits need branches. */
export function maskWord(len: number, word: number): number {
  const bits = len - word * 32;
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

/** True when the first `len` bits are equal. */
export function samePrefix(a: Int32Array, b: Int32Array, len: number): boolean {
  for (let i = 0; i * 32 < len; i++) if (((a[i]! ^ b[i]!) & maskWord(len, i)) !== 0) return false;
  return true;
}

/** Mixes a word so that its high bits, where prefixes differ, reach the low bits that index. (Knuth; murmur3's last step) */
export function mixWord(word: number): number {
  const h = Math.imul(word ^ (word >>> 16), 0x9e3779b1);
  return h ^ (h >>> 15);
}

/** The prefixes of one length, to a value of 0..2^31-1. */
export interface PrefixHash {
  readonly len: number;
  readonly size: number;
  /** @param prefix words in host order; bits past `len` are ignored */
  insert(prefix: Int32Array, value: number): void;
  /** @returns false when it was not there */
  remove(prefix: Int32Array): boolean;
  /** Value of the prefix that holds the address, or -1. */
  find(address: Int32Array): number;
  /** Calls back with the first word of each prefix and its value. */
  each(callback: (first: number, value: number) => void): void;
}

/** Words of a slot: key and value, beside each other so that a probe is one cache miss. */
const SLOT4 = 2;

/** Open addressing by one word. */
export class PrefixHash4 implements PrefixHash {
  readonly len: number;
  size = 0;
  readonly #mask: number;
  #used = 0;
  #slots = emptySlots(FIRST_CAPACITY, SLOT4, 1);

  constructor(len: number) {
    this.len = len;
    this.#mask = maskWord(len, 0);
  }

  find(address: Int32Array): number {
    const at = this.#slotOf(address[0]! & this.#mask);
    return at < 0 ? -1 : this.#slots[at + 1]!;
  }

  insert(prefix: Int32Array, value: number): void {
    const key = prefix[0]! & this.#mask;
    const at = this.#slotOf(key);
    if (at >= 0) {
      this.#slots[at + 1] = value;
      return;
    }
    if ((this.#used + 1) * 2 * SLOT4 > this.#slots.length) this.#grow();
    this.#put(key, value);
    this.size++;
  }

  remove(prefix: Int32Array): boolean {
    const at = this.#slotOf(prefix[0]! & this.#mask);
    if (at < 0) return false;
    this.#slots[at + 1] = REMOVED;
    this.size--;
    return true;
  }

  each(callback: (first: number, value: number) => void): void {
    const slots = this.#slots;
    for (let at = 0; at < slots.length; at += SLOT4)
      if (slots[at + 1]! >= 0) callback(slots[at]!, slots[at + 1]!);
  }

  #slotOf(key: number): number {
    const slots = this.#slots;
    const last = slots.length - SLOT4;
    for (let at = (mixWord(key) << 1) & last; ; at = (at + SLOT4) & last) {
      const value = slots[at + 1]!;
      if (value === EMPTY) return -1;
      if (value !== REMOVED && slots[at] === key) return at;
    }
  }

  #put(key: number, value: number): void {
    const slots = this.#slots;
    const last = slots.length - SLOT4;
    let at = (mixWord(key) << 1) & last;
    while (slots[at + 1] !== EMPTY) at = (at + SLOT4) & last;
    slots[at] = key;
    slots[at + 1] = value;
    this.#used++;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = emptySlots(roomFor(this.size), SLOT4, 1);
    this.#used = 0;
    for (let at = 0; at < old.length; at += SLOT4) if (old[at + 1]! >= 0) this.#put(old[at]!, old[at + 1]!);
  }
}

/** Words of a slot: four of the key, the value, and padding to half a cache line. */
const SLOT6 = 8;
const VALUE6 = 4;

/** Open addressing by four words. */
export class PrefixHash6 implements PrefixHash {
  readonly len: number;
  size = 0;
  readonly #m0: number;
  readonly #m1: number;
  readonly #m2: number;
  readonly #m3: number;
  #used = 0;
  #slots = emptySlots(FIRST_CAPACITY, SLOT6, VALUE6);

  constructor(len: number) {
    this.len = len;
    this.#m0 = maskWord(len, 0);
    this.#m1 = maskWord(len, 1);
    this.#m2 = maskWord(len, 2);
    this.#m3 = maskWord(len, 3);
  }

  find(address: Int32Array): number {
    const at = this.#slotOf(address, 0);
    return at < 0 ? -1 : this.#slots[at + VALUE6]!;
  }

  insert(prefix: Int32Array, value: number): void {
    const at = this.#slotOf(prefix, 0);
    if (at >= 0) {
      this.#slots[at + VALUE6] = value;
      return;
    }
    if ((this.#used + 1) * 2 * SLOT6 > this.#slots.length) this.#grow();
    this.#put(prefix, 0, value);
    this.size++;
  }

  remove(prefix: Int32Array): boolean {
    const at = this.#slotOf(prefix, 0);
    if (at < 0) return false;
    this.#slots[at + VALUE6] = REMOVED;
    this.size--;
    return true;
  }

  each(callback: (first: number, value: number) => void): void {
    const slots = this.#slots;
    for (let at = 0; at < slots.length; at += SLOT6)
      if (slots[at + VALUE6]! >= 0) callback(slots[at]!, slots[at + VALUE6]!);
  }

  #slotOf(address: Int32Array, from: number): number {
    const a = address[from]! & this.#m0;
    const b = address[from + 1]! & this.#m1;
    const c = address[from + 2]! & this.#m2;
    const d = address[from + 3]! & this.#m3;
    const slots = this.#slots;
    const last = slots.length - SLOT6;
    for (let at = (hashWords(a, b, c, d) << 3) & last; ; at = (at + SLOT6) & last) {
      const value = slots[at + VALUE6]!;
      if (value === EMPTY) return -1;
      if (
        value !== REMOVED &&
        slots[at] === a &&
        slots[at + 1] === b &&
        slots[at + 2] === c &&
        slots[at + 3] === d
      )
        return at;
    }
  }

  /** @param at word of `from` at which the prefix starts */
  #put(from: Int32Array, at: number, value: number): void {
    const a = from[at]! & this.#m0;
    const b = from[at + 1]! & this.#m1;
    const c = from[at + 2]! & this.#m2;
    const d = from[at + 3]! & this.#m3;
    const slots = this.#slots;
    const last = slots.length - SLOT6;
    let to = (hashWords(a, b, c, d) << 3) & last;
    while (slots[to + VALUE6] !== EMPTY) to = (to + SLOT6) & last;
    slots[to] = a;
    slots[to + 1] = b;
    slots[to + 2] = c;
    slots[to + 3] = d;
    slots[to + VALUE6] = value;
    this.#used++;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = emptySlots(roomFor(this.size), SLOT6, VALUE6);
    this.#used = 0;
    for (let at = 0; at < old.length; at += SLOT6)
      if (old[at + VALUE6]! >= 0) this.#put(old, at, old[at + VALUE6]!);
  }
}

function hashWords(a: number, b: number, c: number, d: number): number {
  return mixWord(a ^ mixWord(b ^ mixWord(c ^ mixWord(d))));
}

/** @param valueAt word of a slot that says whether it is taken */
function emptySlots(capacity: number, stride: number, valueAt: number): Int32Array {
  const slots = new Int32Array(capacity * stride);
  for (let at = valueAt; at < slots.length; at += stride) slots[at] = EMPTY;
  return slots;
}

/** A power of two, at least twice `size`, and twice that when the table is full of living prefixes. */
function roomFor(size: number): number {
  let capacity = FIRST_CAPACITY;
  while (capacity < (size + 1) * 2.5) capacity *= 2;
  return capacity;
}

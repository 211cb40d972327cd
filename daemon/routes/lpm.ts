import { entryOf, Ipv4Trie, TRIE_VALUES } from './lpm-trie.ts';

/** Value of a slot that never held a prefix; a search ends there. */
const EMPTY = -1;
/** Value of a slot whose prefix was removed; a search goes on behind it. */
const REMOVED = -2;
const FIRST_CAPACITY = 8;
/** IPv4 tables from this size on have a trie beside the hashes: below, all hashes fit the processor's caches. */
const TRIE_FROM = 4096;

/**
 * Longest prefix match over typed arrays: one open-addressing hash for each prefix length that is present, asked longest
 * first. Real tables have few lengths (about 20 of 32, 40 of 128), so a match costs a few probes, and insert and remove
 * touch one slot. Large IPv4 tables have a trie beside it for the first match, where each probe is a cache miss.
 */
export class LpmTable {
  /** Length of the prefix that the last `find` matched; -1 when it matched none. */
  matchedLen = -1;
  readonly #words: 1 | 4;
  /** Longest first; none is empty. */
  readonly #lengths: PrefixHash[] = [];
  #trie: Ipv4Trie | null = null;
  #size = 0;
  /** The table outgrew what a trie is good for. */
  #withoutTrie = false;

  /** @param words 32-bit words of an address: 1 for IPv4, 4 for IPv6 */
  constructor(words: 1 | 4) {
    this.#words = words;
  }

  /** Prefixes in the table. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds a prefix, or gives it another value.
   * @param prefix words in host order; bits past `len` are ignored
   * @param len    0..32 or 0..128
   * @param value  0..2^31-1
   */
  insert(prefix: Int32Array, len: number, value: number): void {
    if (!(len >= 0 && len <= this.#words * 32)) throw new RangeError(`prefix length ${len}`);
    if (value < 0) throw new RangeError(`value ${value} is negative`);
    let at = 0;
    while (at < this.#lengths.length && this.#lengths[at]!.len > len) at++;
    let hash = this.#lengths[at];
    if (hash === undefined || hash.len !== len) {
      hash = this.#words === 1 ? new PrefixHash4(len) : new PrefixHash6(len);
      this.#lengths.splice(at, 0, hash);
    }
    const before = hash.size;
    hash.insert(prefix, value);
    this.#size += hash.size - before;
    if (this.#words === 4 || this.#withoutTrie) return;
    if (this.#trie !== null)
      this.#keepTrie(this.#fill(this.#trie, prefix[0]! & maskWord(len, 0), len, value));
    else if (this.#size >= TRIE_FROM) this.#buildTrie();
  }

  /** Takes a prefix out. @returns false when it was not there */
  remove(prefix: Int32Array, len: number): boolean {
    const at = this.#lengths.findIndex((hash) => hash.len === len);
    if (at === -1 || !this.#lengths[at]!.remove(prefix)) return false;
    if (this.#lengths[at]!.size === 0) this.#lengths.splice(at, 1);
    this.#size--;
    if (this.#trie !== null) {
      const cover = this.find(prefix, len - 1);
      this.#trie.remove(
        prefix[0]! & maskWord(len, 0),
        len,
        cover === -1 ? 0 : entryOf(this.matchedLen, cover),
      );
    }
    return true;
  }

  /** The value of exactly this prefix, or -1. */
  get(prefix: Int32Array, len: number): number {
    return this.#lengths.find((hash) => hash.len === len)?.find(prefix) ?? -1;
  }

  /**
   * The value of the longest prefix that holds the address and is at most `maxLen` long, or -1; its length is in
   * `matchedLen`. Allocates nothing. Call it again with `matchedLen - 1` for the next shorter one.
   */
  find(address: Int32Array, maxLen: number): number {
    if (this.#trie !== null && maxLen >= 32) {
      const entry = this.#trie.find(address[0]!);
      this.matchedLen = (entry >>> 24) - 1;
      return entry === 0 ? -1 : entry & (TRIE_VALUES - 1);
    }
    const lengths = this.#lengths;
    for (let i = 0; i < lengths.length; i++) {
      const hash = lengths[i]!;
      if (hash.len > maxLen) continue;
      const value = hash.find(address);
      if (value >= 0) {
        this.matchedLen = hash.len;
        return value;
      }
    }
    this.matchedLen = -1;
    return -1;
  }

  #buildTrie(): void {
    const trie = new Ipv4Trie();
    let fits = true;
    // Shortest first: then no prefix has to look for longer ones under it.
    for (let i = this.#lengths.length - 1; i >= 0; i--) {
      const hash = this.#lengths[i]!;
      if (hash instanceof PrefixHash4)
        hash.each((prefix, value) => {
          fits &&= this.#fill(trie, prefix, hash.len, value);
        });
    }
    this.#trie = trie;
    this.#keepTrie(fits);
  }

  #fill(trie: Ipv4Trie, prefix: number, len: number, value: number): boolean {
    return value < TRIE_VALUES && trie.insert(prefix, len, value);
  }

  #keepTrie(fits: boolean): void {
    if (fits) return;
    this.#trie = null;
    this.#withoutTrie = true;
  }
}

/** Mask of word `word` of a prefix of `len` bits: shifts count modulo 32, so 0 and 32 bits need branches. */
export function maskWord(len: number, word: number): number {
  const bits = len - word * 32;
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

interface PrefixHash {
  readonly len: number;
  size: number;
  insert(prefix: Int32Array, value: number): void;
  remove(prefix: Int32Array): boolean;
  /** Value of the prefix that holds the address, or -1. */
  find(address: Int32Array): number;
}

/** Mixes a word so that its high bits, where prefixes differ, reach the low bits that index. (Knuth; murmur3's last step) */
function mix(word: number): number {
  const h = Math.imul(word ^ (word >>> 16), 0x9e3779b1);
  return h ^ (h >>> 15);
}

class PrefixHash4 implements PrefixHash {
  readonly len: number;
  size = 0;
  readonly #mask: number;
  #used = 0;
  #keys = new Int32Array(FIRST_CAPACITY);
  #values = new Int32Array(FIRST_CAPACITY).fill(EMPTY);

  constructor(len: number) {
    this.len = len;
    this.#mask = maskWord(len, 0);
  }

  find(address: Int32Array): number {
    const slot = this.#slotOf(address[0]! & this.#mask);
    return slot < 0 ? -1 : this.#values[slot]!;
  }

  insert(prefix: Int32Array, value: number): void {
    const key = prefix[0]! & this.#mask;
    const slot = this.#slotOf(key);
    if (slot >= 0) {
      this.#values[slot] = value;
      return;
    }
    if ((this.#used + 1) * 2 > this.#values.length) this.#grow();
    this.#put(key, value);
    this.size++;
  }

  remove(prefix: Int32Array): boolean {
    const slot = this.#slotOf(prefix[0]! & this.#mask);
    if (slot < 0) return false;
    this.#values[slot] = REMOVED;
    this.size--;
    return true;
  }

  /** Calls back with each prefix and its value. */
  each(callback: (prefix: number, value: number) => void): void {
    for (let i = 0; i < this.#values.length; i++)
      if (this.#values[i]! >= 0) callback(this.#keys[i]!, this.#values[i]!);
  }

  #slotOf(key: number): number {
    const last = this.#values.length - 1;
    for (let i = mix(key) & last; ; i = (i + 1) & last) {
      const value = this.#values[i]!;
      if (value === EMPTY) return -1;
      if (value !== REMOVED && this.#keys[i] === key) return i;
    }
  }

  #put(key: number, value: number): void {
    const last = this.#values.length - 1;
    let i = mix(key) & last;
    while (this.#values[i] !== EMPTY) i = (i + 1) & last;
    this.#keys[i] = key;
    this.#values[i] = value;
    this.#used++;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    // Room for four times what is alive: a table that is mostly removed slots is rebuilt at its own size.
    const capacity = roomFor(this.size);
    this.#keys = new Int32Array(capacity);
    this.#values = new Int32Array(capacity).fill(EMPTY);
    this.#used = 0;
    for (let i = 0; i < values.length; i++) if (values[i]! >= 0) this.#put(keys[i]!, values[i]!);
  }
}

class PrefixHash6 implements PrefixHash {
  readonly len: number;
  size = 0;
  readonly #masks: readonly [number, number, number, number];
  #used = 0;
  #keys = new Int32Array(FIRST_CAPACITY * 4);
  #values = new Int32Array(FIRST_CAPACITY).fill(EMPTY);

  constructor(len: number) {
    this.len = len;
    this.#masks = [maskWord(len, 0), maskWord(len, 1), maskWord(len, 2), maskWord(len, 3)];
  }

  find(address: Int32Array): number {
    const slot = this.#slotOf(address);
    return slot < 0 ? -1 : this.#values[slot]!;
  }

  insert(prefix: Int32Array, value: number): void {
    const slot = this.#slotOf(prefix);
    if (slot >= 0) {
      this.#values[slot] = value;
      return;
    }
    if ((this.#used + 1) * 2 > this.#values.length) this.#grow();
    this.#put(prefix, 0, value);
    this.size++;
  }

  remove(prefix: Int32Array): boolean {
    const slot = this.#slotOf(prefix);
    if (slot < 0) return false;
    this.#values[slot] = REMOVED;
    this.size--;
    return true;
  }

  #slotOf(address: Int32Array): number {
    const [m0, m1, m2, m3] = this.#masks;
    const a = address[0]! & m0;
    const b = address[1]! & m1;
    const c = address[2]! & m2;
    const d = address[3]! & m3;
    const keys = this.#keys;
    const last = this.#values.length - 1;
    for (let i = hashWords(a, b, c, d) & last; ; i = (i + 1) & last) {
      const value = this.#values[i]!;
      if (value === EMPTY) return -1;
      const at = i * 4;
      if (
        value !== REMOVED &&
        keys[at] === a &&
        keys[at + 1] === b &&
        keys[at + 2] === c &&
        keys[at + 3] === d
      )
        return i;
    }
  }

  /** @param at word of `from` at which the prefix starts */
  #put(from: Int32Array, at: number, value: number): void {
    const [m0, m1, m2, m3] = this.#masks;
    const a = from[at]! & m0;
    const b = from[at + 1]! & m1;
    const c = from[at + 2]! & m2;
    const d = from[at + 3]! & m3;
    const last = this.#values.length - 1;
    let i = hashWords(a, b, c, d) & last;
    while (this.#values[i] !== EMPTY) i = (i + 1) & last;
    this.#keys[i * 4] = a;
    this.#keys[i * 4 + 1] = b;
    this.#keys[i * 4 + 2] = c;
    this.#keys[i * 4 + 3] = d;
    this.#values[i] = value;
    this.#used++;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    const capacity = roomFor(this.size);
    this.#keys = new Int32Array(capacity * 4);
    this.#values = new Int32Array(capacity).fill(EMPTY);
    this.#used = 0;
    for (let i = 0; i < values.length; i++) if (values[i]! >= 0) this.#put(keys, i * 4, values[i]!);
  }
}

function hashWords(a: number, b: number, c: number, d: number): number {
  return mix(a ^ mix(b ^ mix(c ^ mix(d))));
}

/** A power of two, at least four times `size`. */
function roomFor(size: number): number {
  let capacity = FIRST_CAPACITY;
  while (capacity < (size + 1) * 4) capacity *= 2;
  return capacity;
}

import { LengthFilter } from './length-filter.ts';
import { entryOf, Ipv4Trie, TRIE_VALUES } from './lpm-trie.ts';
import { maskWord, type PrefixHash, PrefixHash4, PrefixHash6 } from './prefix-hash.ts';

/** IPv4 tables from this size on have a trie beside the hashes: below, all hashes fit the processor's caches. */
const TRIE_FROM = 4096;
/** Shorter prefixes are not in the trie: a default route that comes and goes would be painted over all of it each time. */
const TRIE_LEN_MIN = 8;

/**
 * Longest prefix match over typed arrays: one open-addressing hash for each prefix length that is present, asked longest
 * first. Real tables have few lengths (about 20 of 32, 40 of 128), so a match costs a few probes, and insert and remove
 * touch one slot. In front of them, where each probe is a cache miss: a trie for the first match of large IPv4 tables, and
 * for IPv6 a filter of the lengths that can match.
 */
export class LpmTable {
  /** Length of the prefix that the last `find` matched; -1 when it matched none. */
  matchedLen = -1;
  readonly #words: 1 | 4;
  readonly #searched: boolean;
  /** Longest first; none is empty. */
  readonly #lengths: PrefixHash[] = [];
  /** The same by length. */
  readonly #byLength: (PrefixHash | null)[];
  readonly #filter = new LengthFilter();
  #trie: Ipv4Trie | null = null;
  #size = 0;
  /** Prefixes removed since the trie was built: what it made for them stays in it. */
  #removed = 0;
  /** The table outgrew what a trie is good for. */
  #withoutTrie: boolean;

  /**
   * @param words    32-bit words of an address: 1 for IPv4, 4 for IPv6
   * @param searched false for a table that only ever is asked with `get`: what makes `find` fast is left out
   */
  constructor(words: 1 | 4, searched = true) {
    this.#words = words;
    this.#searched = searched;
    this.#withoutTrie = !searched || words === 4;
    this.#byLength = new Array<PrefixHash | null>(words * 32 + 1).fill(null);
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
    const hash = this.#byLength[len] ?? this.#addLength(len);
    const before = hash.size;
    hash.insert(prefix, value);
    this.#size += hash.size - before;
    if (this.#words === 4) {
      if (len > 32 && hash.size !== before && this.#searched)
        this.#filter.add(prefix[0]!, len, this.#lengths);
      return;
    }
    if (this.#withoutTrie || len < TRIE_LEN_MIN) return;
    if (this.#trie !== null)
      this.#keepTrie(this.#fill(this.#trie, prefix[0]! & maskWord(len, 0), len, value));
    else if (this.#size >= TRIE_FROM) this.#buildTrie();
  }

  /** Takes a prefix out. @returns false when it was not there */
  remove(prefix: Int32Array, len: number): boolean {
    const hash = this.#byLength[len];
    if (!hash?.remove(prefix)) return false;
    if (hash.size === 0) {
      this.#lengths.splice(this.#lengths.indexOf(hash), 1);
      this.#byLength[len] = null;
    }
    this.#size--;
    if (this.#trie !== null && len >= TRIE_LEN_MIN) {
      const cover = this.find(prefix, len - 1);
      const entry = this.matchedLen < TRIE_LEN_MIN ? 0 : entryOf(this.matchedLen, cover);
      this.#trie.remove(prefix[0]! & maskWord(len, 0), len, entry);
      this.#removed++;
    }
    return true;
  }

  /** The value of exactly this prefix, or -1. */
  get(prefix: Int32Array, len: number): number {
    return this.#byLength[len]?.find(prefix) ?? -1;
  }

  /** Calls back with each value, in no order. */
  each(callback: (value: number) => void): void {
    for (const hash of this.#lengths) hash.each((_, value) => callback(value));
  }

  /**
   * The value of the longest prefix that holds the address and is at most `maxLen` long, or -1; its length is in
   * `matchedLen`. Allocates nothing. Call it again with `matchedLen - 1` for the next shorter one.
   */
  find(address: Int32Array, maxLen: number): number {
    if (this.#words === 4) return this.#find6(address, maxLen);
    if (this.#trie !== null && maxLen >= 32) {
      const entry = this.#trie.find(address[0]!);
      if (entry === 0) return this.#findByLength(address, TRIE_LEN_MIN - 1);
      this.matchedLen = (entry >>> 24) - 1;
      return entry & (TRIE_VALUES - 1);
    }
    return this.#findByLength(address, maxLen);
  }

  #find6(address: Int32Array, maxLen: number): number {
    const at = maxLen > 32 ? this.#filter.slotOf(address[0]!) : -1;
    if (at >= 0) {
      const { slots } = this.#filter;
      for (let word = 3; word > 0; word--) {
        for (let bits = slots[at + word]!; bits !== 0; ) {
          const bit = 31 - Math.clz32(bits);
          bits ^= 1 << bit;
          const len = word * 32 + bit + 1;
          if (len > maxLen) continue;
          const value = this.#byLength[len]?.find(address) ?? -1;
          if (value < 0) continue;
          this.matchedLen = len;
          return value;
        }
      }
    }
    return this.#findByLength(address, Math.min(maxLen, 32));
  }

  #findByLength(address: Int32Array, maxLen: number): number {
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

  #addLength(len: number): PrefixHash {
    const hash = this.#words === 1 ? new PrefixHash4(len) : new PrefixHash6(len);
    let at = 0;
    while (at < this.#lengths.length && this.#lengths[at]!.len > len) at++;
    this.#lengths.splice(at, 0, hash);
    this.#byLength[len] = hash;
    return hash;
  }

  #buildTrie(): void {
    const trie = new Ipv4Trie();
    this.#removed = 0;
    let fits = true;
    // Shortest first: then no prefix has to look for longer ones under it.
    for (let i = this.#lengths.length - 1; i >= 0; i--) {
      const hash = this.#lengths[i]!;
      if (hash.len < TRIE_LEN_MIN) continue;
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
    // Full of what is gone: built anew, at a cost that the removals have paid for.
    if (this.#removed > this.#size) this.#buildTrie();
    else this.#withoutTrie = true;
  }
}

/** Words of a key. */
export const KEY_WORDS = 5;
/** Sums of a group, by their place. Rates are octets, or packets, in the time that is asked for; `window` in the long one. */
export const SUM = { flows: 0, bytes: 1, packets: 2, sent: 3, received: 4, pps: 5, window: 6 } as const;
const SUMS = 7;
const FIRST_GROUPS = 1024;

/**
 * Sums by key: open addressing in typed arrays, used again for every ranking. A group has a number, in the order in which
 * they came.
 */
export class GroupTable {
  /** The key to look for, to be set before `group`. */
  readonly key = new Int32Array(KEY_WORDS);
  keys = new Int32Array(FIRST_GROUPS * KEY_WORDS);
  sums = new Float64Array(FIRST_GROUPS * SUMS);
  count = 0;
  /** So that nobody can choose addresses that collide always. */
  readonly #seed = Math.floor(Math.random() * 2 ** 32) | 0;
  /** Number of a group + 1 by hash; 0: none. Twice as many as groups at least. */
  #index = new Int32Array(FIRST_GROUPS * 2);

  /** Forgets all groups. */
  clear(): void {
    this.#index.fill(0);
    this.count = 0;
  }

  /** Where the sums of the group of `key` begin in `sums`; a new one has zeros. */
  group(): number {
    if (this.count * 2 >= this.#index.length) this.#grow();
    const at = this.#find(this.key, 0);
    const known = this.#index[at]!;
    if (known !== 0) return (known - 1) * SUMS;
    const group = this.count++;
    this.#index[at] = group + 1;
    this.keys.set(this.key, group * KEY_WORDS);
    this.sums.fill(0, group * SUMS, (group + 1) * SUMS);
    return group * SUMS;
  }

  /** A sum of a group. @param what one of SUM */
  sum(group: number, what: number): number {
    return this.sums[group * SUMS + what]!;
  }

  #find(keys: Int32Array, off: number): number {
    let h = this.#seed;
    for (let i = 0; i < KEY_WORDS; i++) {
      h = Math.imul(h ^ keys[off + i]!, 0x85ebca6b);
      h ^= h >>> 15;
    }
    h = Math.imul(h, 0xc2b2ae35);
    h ^= h >>> 13;
    const mask = this.#index.length - 1;
    let at = h & mask;
    for (let known = this.#index[at]!; known !== 0; known = this.#index[at]!) {
      if (this.#isKey((known - 1) * KEY_WORDS, keys, off)) break;
      at = (at + 1) & mask;
    }
    return at;
  }

  #isKey(own: number, keys: Int32Array, off: number): boolean {
    for (let i = 0; i < KEY_WORDS; i++) if (this.keys[own + i] !== keys[off + i]) return false;
    return true;
  }

  #grow(): void {
    const groups = this.#index.length;
    const keys = new Int32Array(groups * KEY_WORDS);
    keys.set(this.keys);
    this.keys = keys;
    const sums = new Float64Array(groups * SUMS);
    sums.set(this.sums);
    this.sums = sums;
    this.#index = new Int32Array(groups * 2);
    for (let group = 0; group < this.count; group++)
      this.#index[this.#find(this.keys, group * KEY_WORDS)] = group + 1;
  }
}

import { mixWord, type PrefixHash } from './prefix-hash.ts';

const FIRST_SLOTS = 8;
/** Words of a slot: the key, and one bit a length for 33..64, 65..96, 97..128. A slot without a bit is empty. */
const SLOT = 4;

/**
 * Which lengths of IPv6 prefixes, above 32, there are under the first word of an address: a search then asks those alone
 * and not every length of the table, each a cache miss. A bit may stay when its last prefix is gone; it costs a probe.
 */
export class LengthFilter {
  /** For the search: slots of four words, see `slotOf`. */
  slots = new Int32Array(FIRST_SLOTS * SLOT);
  #used = 0;

  /** Notes a prefix. @param lengths of the table, to be read anew when the filter grows */
  add(first: number, len: number, lengths: readonly PrefixHash[]): void {
    const at = this.#place(first);
    if (this.#isEmpty(at)) {
      if ((this.#used + 1) * 2 * SLOT > this.slots.length) {
        this.#grow(lengths);
        this.add(first, len, lengths);
        return;
      }
      this.slots[at] = first;
      this.#used++;
    }
    this.slots[at + ((len - 1) >>> 5)]! |= 1 << ((len - 1) & 31);
  }

  /** Word at which the slot of an address's first word starts, or -1: no prefix longer than 32 holds the address. */
  slotOf(first: number): number {
    const at = this.#place(first);
    return this.#isEmpty(at) ? -1 : at;
  }

  #place(first: number): number {
    const last = this.slots.length - SLOT;
    let at = (mixWord(first) << 2) & last;
    while (this.slots[at] !== first && !this.#isEmpty(at)) at = (at + SLOT) & last;
    return at;
  }

  #isEmpty(at: number): boolean {
    return (this.slots[at + 1]! | this.slots[at + 2]! | this.slots[at + 3]!) === 0;
  }

  /** Makes room, without the bits of prefixes that are gone. */
  #grow(lengths: readonly PrefixHash[]): void {
    const firsts = new Set<number>();
    for (const hash of lengths) if (hash.len > 32) hash.each((first) => firsts.add(first));
    let capacity = FIRST_SLOTS;
    while (capacity < (firsts.size + 1) * 2.5) capacity *= 2;
    this.slots = new Int32Array(capacity * SLOT);
    this.#used = 0;
    for (const hash of lengths) if (hash.len > 32) hash.each((first) => this.add(first, hash.len, lengths));
  }
}

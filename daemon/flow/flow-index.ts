import type { InnerFlows } from './inner-flows.ts';
import { type FlowKey, KEY_TAILS } from './key.ts';
import { RecentFlows } from './recent-flows.ts';
import * as layout from './slot.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { BIT, F, farOf, KEY_IPV6, KEY_TUNNEL_SHIFT, nearOf, TAIL_WORDS, W } = layout;

/** Places of the table for each flow that it can hold: half full at most, and 8 octets a flow whatever the bound. */
const PLACES_PER_FLOW = 2;
/** The table is this many stretches of equal length: 12 bits of the hash choose one, the next 13 a place in it. */
const STRETCHES = 4096;
/** Entries that a guess looks at: the chain goes on in the same cache line, or the next one. */
const GUESS_MAX = 16;
/** Length of a stretch from which on it is rounded down, not up: that fills the table by 1.6 % more at most. */
const LONG_STRETCH = 64;

/**
 * The hash index of the flow table: open addressing over one Int32Array, linear probing, at most half full. A hash has
 * its home by its high bits, scaled to the size, so that the size need not be a power of two: rounding up to one would cost
 * up to 8 octets a flow more, and scaling in one multiplication needs doubles, which took 5 ns a packet more. An entry is `tag << 24 | slot + 1`, where the tag is the low 8 bits of
 * the hash, so that most probes of other flows end without touching their slot; 0 is empty. Removal shifts later entries
 * back (no tombstones, so it never degrades).
 */
export class FlowIndex {
  readonly entries: Int32Array;
  readonly size: number;
  readonly #stretch: number;
  readonly #recent = new RecentFlows();

  /** @param maxFlows at most 2^24 - 2: an entry has 24 bits for the slot */
  constructor(maxFlows: number) {
    if (maxFlows < 1 || maxFlows > 0xfffffe) {
      throw new RangeError(`flow index: ${maxFlows} flows; 1 to ${0xfffffe} are possible`);
    }
    const stretch = (maxFlows * PLACES_PER_FLOW) / STRETCHES;
    this.#stretch = stretch < LONG_STRETCH ? Math.ceil(stretch) : Math.floor(stretch);
    this.size = this.#stretch * STRETCHES;
    this.entries = new Int32Array(this.size);
  }

  /** Where the chain of a hash begins. @param hash int32 */
  home(hash: number): number {
    const stretch = this.#stretch;
    return (Math.imul(hash >>> 20, stretch) + (Math.imul((hash >>> 7) & 0x1fff, stretch) >>> 13)) | 0;
  }

  /**
   * Looks for the slot with a key where it is likely to be, and then by its hash.
   * @param guess see FlowsAhead; -1: the flows of the latest packets are asked
   * @returns its number, or -1
   */
  locate(guess: number, key: FlowKey, words: Int32Array, inner: InnerFlows | null): number {
    const likely = guess < 0 ? this.#recent.guess(key.words) : guess;
    if (likely >= 0 && this.isFlowOf(likely, key, words, inner)) return likely;
    return this.#search(guess, key, words, inner);
  }

  /** Apart, as most packets need it not: what the compiler puts into one function has a bound. */
  #search(guess: number, key: FlowKey, words: Int32Array, inner: InnerFlows | null): number {
    const slot = this.find(key.hash(), key, words, inner);
    if (guess < 0 && slot >= 0) this.#recent.note(key.words, slot);
    return slot;
  }

  /**
   * Looks for the slot with a key.
   * @param hash  of the key, see hashKey
   * @param words the slab
   * @param inner where the slab may hold flows inside tunnels
   * @returns its number, or -1
   */
  find(hash: number, key: FlowKey, words: Int32Array, inner: InnerFlows | null): number {
    const { entries, size } = this;
    const tag = hash << 24;
    for (let at = this.home(hash); ; at = at + 1 === size ? 0 : at + 1) {
      const entry = entries[at]!;
      if (entry === 0) return -1;
      if ((entry & 0xff000000) !== tag) continue;
      const slot = (entry & 0xffffff) - 1;
      if (this.#isKeyOf(slot, key, words, inner)) return slot;
    }
  }

  /**
   * The slot of the first entry with the tag of a hash: the one that `find` gives, or another flow's, one in 256. Reads no slot.
   * @param home where the chain begins
   * @returns -1 when there is none near
   */
  guess(hash: number, home: number): number {
    const { entries, size } = this;
    const tag = hash << 24;
    const end = Math.min(home + GUESS_MAX, size);
    for (let at = home; at < end; at++) {
      const entry = entries[at]!;
      if (entry === 0) return -1;
      if ((entry & 0xff000000) === tag) return (entry & 0xffffff) - 1;
    }
    return -1;
  }

  /** Whether there is a flow with this key in `slot`: no two have the same, so it is the slot that `find` gives. */
  isFlowOf(slot: number, key: FlowKey, words: Int32Array, inner: InnerFlows | null): boolean {
    const isLive = (words[nearOf(slot) + W.bits]! & BIT.live) !== 0;
    return isLive && this.#isKeyOf(slot, key, words, inner);
  }

  #isKeyOf(slot: number, key: FlowKey, words: Int32Array, inner: InnerFlows | null): boolean {
    const k = key.words;
    const base = nearOf(slot);
    if (words[base] !== k[0] || words[base + 1] !== k[1] || words[base + 2] !== k[2]) return false;
    if (words[base + W.addrLo] !== k[W.addrLo] || words[base + W.addrHi] !== k[W.addrHi]) return false;
    if (k[0]! >>> KEY_TUNNEL_SHIFT !== 0 && inner!.keyIds[slot] !== key.tunnelId) return false;
    return (k[0]! & KEY_IPV6) === 0 || hasTail(words, base, k);
  }

  /** Puts `slot` at the first free place of its chain. The caller knows that it is not there yet. */
  insert(hash: number, slot: number): void {
    const { entries, size } = this;
    let at = this.home(hash);
    while (entries[at] !== 0) if (++at === size) at = 0;
    entries[at] = (hash << 24) | (slot + 1);
  }

  /**
   * Takes `slot` out.
   * @param hashOf hash of the flow in a slot: entries behind the gap are moved only if that brings them nearer home
   */
  remove(hash: number, slot: number, hashOf: (slot: number) => number): void {
    const { entries, size } = this;
    let at = this.home(hash);
    while ((entries[at]! & 0xffffff) !== slot + 1) {
      if (entries[at] === 0) throw new Error(`flow index: slot ${slot} is not in its chain`);
      if (++at === size) at = 0;
    }
    let gap = at;
    for (;;) {
      if (++at === size) at = 0;
      const entry = entries[at]!;
      if (entry === 0) break;
      const home = this.home(hashOf((entry & 0xffffff) - 1));
      if (ahead(at, home, size) >= ahead(at, gap, size)) {
        entries[gap] = entry;
        gap = at;
      }
    }
    entries[gap] = 0;
  }
}

/** The rest of two IPv6 addresses. */
function hasTail(words: Int32Array, base: number, k: Int32Array): boolean {
  const tails = farOf(words, base) + F.tails;
  for (let i = 0; i < 2 * TAIL_WORDS; i++) if (words[tails + i] !== k[KEY_TAILS + i]) return false;
  return true;
}

/** Places from `from` on to `at`, round the end. */
function ahead(at: number, from: number, size: number): number {
  return at >= from ? at - from : at - from + size;
}

import * as layout from './slot.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { BIT, F, farOf, nearOf, TCP_KEEP_SHIFT, TCP_TROUBLE, W } = layout;

/** Holes of a side that are kept exactly, see tcp-holes.ts. */
export const HOLES_MAX = 4;

/** Words of a side in an entry. */
const SIDE_WORDS = 2 * HOLES_MAX + 14;
const ENTRY_WORDS = 2 * SIDE_WORDS;

/** Flows that share one entry's memory: 176 octets in 23, which with the probes of tcp-timestamps.ts makes less than 8 each. */
const FLOWS_PER_ENTRY = 23;
/** Entries of a small table: each flow of a test may be in trouble. */
const ENTRIES_MIN = 64;

/** Words of a side in an entry; what is not told otherwise counts segments that the side sent, modulo 2^32. */
export const T = {
  /** While BIT.hole: HOLES_MAX times the first sequence number of a hole and how many octets are missing, at most 2^31 - 1. */
  holes: 0,
  /** Octets that will not come any more: the peer acknowledged what was not seen (uint32, stays at its end). */
  missed: 2 * HOLES_MAX,
  /** Octets of payload that did not advance the sequence space (uint32, stays at its end). */
  repeated: 2 * HOLES_MAX + 1,
  /** Retransmissions of all kinds, and of these the fast and the spurious ones. */
  retransmits: 2 * HOLES_MAX + 2,
  fast: 2 * HOLES_MAX + 3,
  spurious: 2 * HOLES_MAX + 4,
  outOfOrder: 2 * HOLES_MAX + 5,
  dupAcks: 2 * HOLES_MAX + 6,
  keepAlives: 2 * HOLES_MAX + 7,
  zeroWindows: 2 * HOLES_MAX + 8,
  lostSegments: 2 * HOLES_MAX + 9,
  /** How often an event of the history came that is noted on a logarithmic scale. */
  historyT: 2 * HOLES_MAX + 10,
  historyW: 2 * HOLES_MAX + 11,
  historyG: 2 * HOLES_MAX + 12,
  historyC: 2 * HOLES_MAX + 13,
} as const;

// Copies, as above.
const FIRST_TOUCHED = T.repeated;
const HISTORY_T = T.historyT;
const KEEP_ALIVES = T.keepAlives;

/** Where a count stands while it is small, by T: shift of side 0, bits a side (0: nowhere). The word: see fewWord. */
const FEW_SHIFT = new Uint8Array(SIDE_WORDS);
const FEW_BITS = new Uint8Array(SIDE_WORDS);
for (const [what, shift, bits] of [
  [T.retransmits, 0, 4],
  [T.dupAcks, 8, 4],
  [T.keepAlives, TCP_KEEP_SHIFT, 2],
] as const) {
  FEW_SHIFT[what] = shift;
  FEW_BITS[what] = bits;
}

/** The word of a slot in which a count stands while it is small. @param what one of T with FEW_BITS */
function fewWord(slots: Int32Array, slot: number, what: number): number {
  const base = nearOf(slot);
  return what === KEEP_ALIVES ? base + W.tcp : farOf(slots, base) + F.few;
}

/** Entries of a table for so many flows. */
function capacityFor(maxFlows: number): number {
  return Math.min(Math.max(ENTRIES_MIN, Math.floor(maxFlows / FLOWS_PER_ENTRY)), TCP_TROUBLE);
}

/**
 * What is kept of the TCP flows in which something went wrong: holes, retransmissions, windows that closed. Most flows have
 * none of it, so a slot has no place for it, and one in 23 flows can have an entry here at a time. When all entries are
 * taken, events are not counted; the flow says so (BIT.untracked) and is counted in `untracked`.
 */
export class TroubleTable {
  readonly words: Int32Array;
  /** By capture index: flows that had an event for which no entry was left. */
  readonly untracked: Float64Array;
  readonly #capacity: number;
  #used = 0;
  /** Number of the first free entry, 0: none; the next one stands in its first word. */
  #free = 0;

  /**
   * @param maxFlows of the flow table
   * @param captures capture points that `untracked` tells apart
   * @param memory   of `bytes(maxFlows)` octets; left out, its own
   */
  constructor(maxFlows: number, captures: number, memory?: SharedArrayBuffer) {
    this.untracked = new Float64Array(captures);
    this.#capacity = capacityFor(maxFlows);
    this.words = new Int32Array(memory ?? new SharedArrayBuffer(TroubleTable.bytes(maxFlows)));
  }

  /** Octets of a table for so many flows. */
  static bytes(maxFlows: number): number {
    return capacityFor(maxFlows) * ENTRY_WORDS * Int32Array.BYTES_PER_ELEMENT;
  }

  /**
   * Where the words T.… of a side stand in `words`; the flow gets an entry when it has none.
   * @param slots the flow table's slab
   * @returns -1 when there is none left
   */
  of(slots: Int32Array, slot: number, side: number): number {
    const at = nearOf(slot) + W.tcp;
    let entry = slots[at]! & TCP_TROUBLE;
    if (entry === 0) {
      entry = this.#take();
      if (entry === 0) {
        this.#refuse(slots, nearOf(slot));
        return -1;
      }
      slots[at]! |= entry;
    }
    return (entry - 1) * ENTRY_WORDS + side * SIDE_WORDS;
  }

  /** As `of`, but -1 when the flow has no entry. */
  peek(slots: Int32Array, slot: number, side: number): number {
    const entry = slots[nearOf(slot) + W.tcp]! & TCP_TROUBLE;
    return entry === 0 ? -1 : (entry - 1) * ENTRY_WORDS + side * SIDE_WORDS;
  }

  /**
   * Reads a word of each cache line of the flow's entry in which a segment that is sent again is counted, so that the lines are in the
   * processor's caches, see FlowsAhead.
   * @returns their sum, to be used: what is not, the compiler would not read
   */
  touch(slots: Int32Array, slot: number): number {
    const entry = slots[nearOf(slot) + W.tcp]! & TCP_TROUBLE;
    if (entry === 0) return 0;
    const { words } = this;
    const at = (entry - 1) * ENTRY_WORDS;
    return words[at + FIRST_TOUCHED]! + words[at + HISTORY_T]! + words[at + SIDE_WORDS + HISTORY_T]!;
  }

  /** Counts an event of a side. @param what one of T @returns the new count; 0 when it could not be counted */
  bump(slots: Int32Array, slot: number, side: number, what: number): number {
    const at = this.of(slots, slot, side);
    if (at < 0) return 0;
    const count = this.words[at + what]! + 1;
    this.words[at + what] = count;
    return count;
  }

  /** Counts a retransmission that is also of another kind. @param kind one of T */
  bumpRepeat(slots: Int32Array, slot: number, side: number, kind: number): void {
    const at = this.of(slots, slot, side);
    if (at < 0) return;
    this.words[at + T.retransmits]!++;
    this.words[at + kind]!++;
  }

  /** Counts an event that is common in flows without trouble: the first few need no entry. @param what one of T with FEW_BITS */
  bumpFew(slots: Int32Array, slot: number, side: number, what: number): void {
    const at = fewWord(slots, slot, what);
    const place = FEW_SHIFT[what]! + side * FEW_BITS[what]!;
    const max = (1 << FEW_BITS[what]!) - 1;
    if (((slots[at]! >>> place) & max) < max) slots[at]! += 1 << place;
    else this.bump(slots, slot, side, what);
  }

  /** The count of an event. @param what one of T */
  count(slots: Int32Array, slot: number, side: number, what: number): number {
    const at = this.peek(slots, slot, side);
    const counted = at < 0 ? 0 : this.words[at + what]! >>> 0;
    const bits = FEW_BITS[what]!;
    if (bits === 0) return counted;
    const few = slots[fewWord(slots, slot, what)]! >>> (FEW_SHIFT[what]! + side * bits);
    return counted + (few & ((1 << bits) - 1));
  }

  /** Adds octets to a word that stays at its end. @param at see `of` @param octets may be negative */
  add(at: number, what: number, octets: number): void {
    const sum = (this.words[at + what]! >>> 0) + octets;
    this.words[at + what] = sum >= 0xffffffff ? -1 : sum < 0 ? 0 : sum | 0;
  }

  /** Gives the entry of a flow back, if it has one. */
  release(slots: Int32Array, slot: number): void {
    const at = nearOf(slot) + W.tcp;
    const entry = slots[at]! & TCP_TROUBLE;
    if (entry === 0) return;
    slots[at]! &= ~TCP_TROUBLE;
    this.words[(entry - 1) * ENTRY_WORDS] = this.#free;
    this.#free = entry;
  }

  /** Marks the flow whose slot begins at `base`, and counts it once. */
  #refuse(slots: Int32Array, base: number): void {
    if ((slots[base + W.bits]! & BIT.untracked) !== 0) return;
    slots[base + W.bits]! |= BIT.untracked;
    this.untracked[slots[base + W.key]! & 0xffff]!++;
  }

  /** @returns the number of an entry of zeros, from 1; 0: none */
  #take(): number {
    const entry = this.#free;
    if (entry === 0) return this.#used < this.#capacity ? ++this.#used : 0;
    const base = (entry - 1) * ENTRY_WORDS;
    this.#free = this.words[base]!;
    for (let i = 0; i < ENTRY_WORDS; i++) this.words[base + i] = 0;
    return entry;
  }
}

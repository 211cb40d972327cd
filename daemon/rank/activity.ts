import { bytesOf, flowSeqOf } from '../flow/counters.ts';
import * as layout from '../flow/slot.ts';
import type { SharedSlab } from '../flow/slab.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { BIT, nearOf, W } = layout;

/** Ticks that are kept: the long window, at one tick a second. */
export const TICKS = 10;
/** What is kept of a flow for each tick: octets of side 0 and of side 1, and packets of both. */
const KEPT = 4;
const ROW = TICKS * KEPT;
const FIRST_SLOTS = 4096;
/** Reads of a counter that moves under the eye, at most. */
const READS = 8;

/** What a flow had since a tick. One reused object. */
export interface Activity {
  /** Octets of frames that side 0 and side 1 sent, and packets. */
  bytes0: number;
  bytes1: number;
  packets0: number;
  packets1: number;
}

/**
 * What every living flow of a flow table sent in each of the last TICKS ticks. Reads the memory of a thread that goes on
 * meanwhile, and writes nothing to it. Some 200 octets for every slot that was ever used.
 */
export class FlowActivity {
  readonly slab: SharedSlab;
  /** Ticks so far; the first one only looks where the counters stand. */
  ticks = 0;
  /** Flows that live, and slots to look through, as of the last tick. */
  flows = 0;
  used = 0;
  /** Number of the flow in each slot at the last tick; -1: none. */
  seqs = new Float64Array(0);
  /** The tick in which each flow had its latest packet, or was first seen. */
  changedAt = new Int32Array(0);
  #bytes = new Float64Array(0);
  #packets = new Int32Array(0);
  #ring = new Float32Array(0);
  readonly #timesMs = new Float64Array(TICKS + 1);

  constructor(slab: SharedSlab) {
    this.slab = slab;
  }

  /** Milliseconds that the last `ticks` ticks took, or as many as there were; 0: there was none yet. */
  spanMs(ticks: number): number {
    const back = Math.min(ticks, this.ticks - 1, TICKS);
    if (back <= 0) return 0;
    const at = (tick: number): number => this.#timesMs[tick % (TICKS + 1)]!;
    return at(this.ticks) - at(this.ticks - back);
  }

  /** Looks at every flow. @param nowMs of a clock that never goes back */
  tick(nowMs: number): void {
    const { slab } = this;
    const { words } = slab;
    const tick = ++this.ticks;
    this.#timesMs[tick % (TICKS + 1)] = nowMs;
    const used = slab.used;
    this.#reserve(used);
    this.used = used;
    const column = (tick % TICKS) * KEPT;
    const ring = this.#ring;
    let flows = 0;
    for (let slot = 0; slot < used; slot++) {
      const base = nearOf(slot);
      if ((words[base + W.bits]! & BIT.live) === 0) {
        this.seqs[slot] = -1;
        continue;
      }
      const seq = flowSeqOf(words, slot);
      const isNew = this.seqs[slot] !== seq;
      if (isNew) this.#begin(slot, seq, tick);
      const at = slot * ROW + column;
      const sent = slot * 2;
      // Of the low words the difference is exact: nobody sends 2^32 packets in a tick.
      const packets0 = words[base + W.packets0]!;
      const packets1 = words[base + W.packets0 + 1]!;
      if (packets0 === this.#packets[sent] && packets1 === this.#packets[sent + 1]) {
        for (let i = 0; i < KEPT; i++) ring[at + i] = 0;
        flows++;
        continue;
      }
      const bytes0 = this.#read(slot, 0);
      const bytes1 = this.#read(slot, 1);
      // Given to another flow under our eyes: that one is new at the next tick.
      if (flowSeqOf(words, slot) !== seq || (words[base + W.bits]! & BIT.live) === 0) {
        this.seqs[slot] = -1;
        continue;
      }
      ring[at] = bytes0 - this.#bytes[sent]!;
      ring[at + 1] = bytes1 - this.#bytes[sent + 1]!;
      ring[at + 2] = (packets0 - this.#packets[sent]!) >>> 0;
      ring[at + 3] = (packets1 - this.#packets[sent + 1]!) >>> 0;
      this.#bytes[sent] = bytes0;
      this.#bytes[sent + 1] = bytes1;
      this.#packets[sent] = packets0;
      this.#packets[sent + 1] = packets1;
      this.changedAt[slot] = tick;
      flows++;
      if (tick === 1) ring.fill(0, at, at + KEPT);
    }
    this.flows = flows;
  }

  /** What a flow sent in the last `ticks` ticks. */
  since(slot: number, ticks: number, into: Activity): void {
    let bytes0 = 0;
    let bytes1 = 0;
    let packets0 = 0;
    let packets1 = 0;
    const ring = this.#ring;
    const row = slot * ROW;
    const last = Math.min(ticks, TICKS, this.ticks - 1);
    // What has not changed for so long has sent nothing.
    if (this.ticks - this.changedAt[slot]! < last) {
      for (let back = 0; back < last; back++) {
        const at = row + ((this.ticks - back) % TICKS) * KEPT;
        bytes0 += ring[at]!;
        bytes1 += ring[at + 1]!;
        packets0 += ring[at + 2]!;
        packets1 += ring[at + 3]!;
      }
    }
    into.bytes0 = bytes0;
    into.bytes1 = bytes1;
    into.packets0 = packets0;
    into.packets1 = packets1;
  }

  /** The two halves of a counter are not read at once: a sum that went back is read again. */
  #read(slot: number, side: number): number {
    const before = this.#bytes[slot * 2 + side]!;
    let bytes = bytesOf(this.slab.words, slot, side);
    for (let i = 0; i < READS && bytes < before; i++) bytes = bytesOf(this.slab.words, slot, side);
    return Math.max(bytes, before);
  }

  #begin(slot: number, seq: number, tick: number): void {
    this.seqs[slot] = seq;
    this.changedAt[slot] = tick;
    this.#bytes[slot * 2] = 0;
    this.#bytes[slot * 2 + 1] = 0;
    this.#packets[slot * 2] = 0;
    this.#packets[slot * 2 + 1] = 0;
    this.#ring.fill(0, slot * ROW, slot * ROW + ROW);
  }

  #reserve(used: number): void {
    const had = this.seqs.length;
    if (used <= had) return;
    const slots = Math.max(used, Math.min(Math.max(2 * had, FIRST_SLOTS), this.slab.maxFlows));
    const grown = <T extends Float64Array | Int32Array | Float32Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.seqs = grown(this.seqs, new Float64Array(slots).fill(-1, had));
    this.changedAt = grown(this.changedAt, new Int32Array(slots));
    this.#bytes = grown(this.#bytes, new Float64Array(slots * 2));
    this.#packets = grown(this.#packets, new Int32Array(slots * 2));
    this.#ring = grown(this.#ring, new Float32Array(slots * ROW));
  }
}

import { IpProto } from '../../decoders/packet-fields.ts';
import { packetsOf } from './counters.ts';
import type { Slab } from './record.ts';
import { BIT, D, SLOT_DOUBLES, SLOT_WORDS, W } from './slot.ts';
import { isTcpHalfOpen } from './tcp-state.ts';

/** Slots looked at to choose a victim when the table is full. */
const SAMPLE = 16;
/** Added to the age of half-open and one-way flows: more than any idle timeout. */
const FIRST_TO_GO = 1e6;

/**
 * Chooses the slot that a full table gives to a new flow: one that holds no flow any more, else that of the least valuable of
 * the next few flows: half-open and one-way flows first, then the longest silent. A hand goes round over all slots.
 */
export class VictimHand {
  #next = 0;

  reset(): void {
    this.#next = 0;
  }

  /** @param used slots to choose from, at least 1 @param now epoch seconds */
  choose({ words, doubles }: Slab, used: number, now: number): number {
    let worst = Number.NEGATIVE_INFINITY;
    let victim = 0;
    for (let i = 0; i < SAMPLE; i++) {
      const slot = this.#next;
      this.#next = (this.#next + 1) % used;
      const base = slot * SLOT_WORDS;
      const bits = words[base + W.bits]!;
      if ((bits & BIT.live) === 0) return slot;
      const dbase = slot * SLOT_DOUBLES;
      const last = doubles[dbase + D.startSec]! + words[base + W.lastDelta]!;
      const isTcp = ((words[base + W.key]! >>> 16) & 0xff) === IpProto.TCP;
      const isOneWay = packetsOf(words, slot, 0) === 0 || packetsOf(words, slot, 1) === 0;
      const score = now - last + (isOneWay || (isTcp && isTcpHalfOpen(bits)) ? FIRST_TO_GO : 0);
      if (score > worst) {
        worst = score;
        victim = slot;
      }
    }
    return victim;
  }
}

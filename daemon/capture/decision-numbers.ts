import { createHash } from 'node:crypto';
import type { RouteDecision } from '../../storage/route-decision.ts';

const FIRST_SLOTS = 256;
/** Words of a slot: two of the digest, and the number + 1. */
const SLOT = 3;

/**
 * Numbers distinct decisions by their content. The content itself is not kept: 12 to 24 octets a decision instead of some
 * thousand, for a daemon that meets a million routes.
 */
export class DecisionNumbers {
  /** Numbers given so far. */
  count = 0;
  #slots = new Int32Array(FIRST_SLOTS * SLOT);

  /** The number of a decision; `count` goes up when it is a new one. */
  numberOf(decision: RouteDecision): number {
    // 64 bits: of a million decisions two share a number once in 40 million runs.
    const digest = createHash('sha1').update(JSON.stringify(decision)).digest();
    const a = digest.readInt32LE(0);
    const b = digest.readInt32LE(4);
    const at = this.#find(this.#slots, a, b);
    if (this.#slots[at + 2] !== 0) return this.#slots[at + 2]! - 1;
    const number = this.count++;
    this.#put(this.#slots, at, a, b, number);
    if ((this.count + 1) * 2 * SLOT > this.#slots.length) this.#grow();
    return number;
  }

  #find(slots: Int32Array, a: number, b: number): number {
    const count = slots.length / SLOT;
    let at = (a & (count - 1)) * SLOT;
    while (slots[at + 2] !== 0 && (slots[at] !== a || slots[at + 1] !== b)) at = (at + SLOT) % slots.length;
    return at;
  }

  #put(slots: Int32Array, at: number, a: number, b: number, number: number): void {
    slots[at] = a;
    slots[at + 1] = b;
    slots[at + 2] = number + 1;
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Int32Array(old.length * 2);
    for (let at = 0; at < old.length; at += SLOT) {
      if (old[at + 2] === 0) continue;
      this.#put(slots, this.#find(slots, old[at]!, old[at + 1]!), old[at]!, old[at + 1]!, old[at + 2]! - 1);
    }
    this.#slots = slots;
  }
}

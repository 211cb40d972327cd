import { DECISION_KEYS, type RouteDecision } from '../../storage/route-decision.ts';

const FIRST_SLOTS = 256;
/** Words of a slot: two of the hash, and the number + 1. */
const SLOT = 3;

/**
 * Numbers distinct decisions by their content. The content itself is not kept: 12 to 24 octets a decision instead of some
 * thousand, for a daemon that meets a million routes.
 */
export class DecisionNumbers {
  /** Numbers given so far. */
  count = 0;
  #slots = new Int32Array(FIRST_SLOTS * SLOT);
  #a = 0;
  #b = 0;

  /** The number of a decision; `count` goes up when it is a new one. */
  numberOf(decision: RouteDecision): number {
    this.#hash(decision);
    const a = this.#a;
    const b = this.#b;
    const at = this.#find(this.#slots, a, b);
    if (this.#slots[at + 2] !== 0) return this.#slots[at + 2]! - 1;
    const number = this.count++;
    this.#put(this.#slots, at, a, b, number);
    if ((this.count + 1) * 2 * SLOT > this.#slots.length) this.#grow();
    return number;
  }

  /**
   * 64 bits of a decision's content: of a million decisions two share a number once in 40 million runs. Two lanes that are
   * mixed into each other at the end, as in murmur3; a cryptographic hash takes eight times as long, for each route that is
   * ever used.
   */
  #hash(decision: RouteDecision): void {
    let a = 0x2c1b3c6d;
    let b = 0x297a2d39;
    for (const key of DECISION_KEYS) {
      const text = String(decision[key]);
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i);
        a = Math.imul(a ^ code, 0x85ebca77);
        b = Math.imul(b ^ code, 0xc2b2ae3d);
      }
      // Where one value ends and the next begins.
      a = Math.imul(a ^ 0x1ff, 0x85ebca77);
      b = Math.imul(b ^ 0x1ff, 0xc2b2ae3d);
      a ^= a >>> 15;
      b ^= b >>> 13;
    }
    a = Math.imul(a ^ (a >>> 16), 0x735a2d97) ^ Math.imul(b ^ (b >>> 15), 0xcaf649a9);
    b = Math.imul(b ^ (b >>> 16), 0x735a2d97) ^ Math.imul(a ^ (a >>> 15), 0xcaf649a9);
    this.#a = a;
    this.#b = b;
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

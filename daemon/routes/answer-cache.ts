import { IGMP } from './input-path.ts';
import type { RouteQuery } from './query.ts';

/** Questions remembered a family, at most: 8 MiB for IPv4, 16 for IPv6. */
const SLOTS_MAX = 1 << 18;
/** Words of a slot: see `put`. */
const SHIFT4 = 3;
const SHIFT6 = 4;
const ADDRESS = 5;

/**
 * The decisions last given, by question: in a large table the way from the root of the trie to the route is a chain of cache
 * misses, and most new flows are between hosts that had one a moment ago. Direct-mapped; whatever changes the tables makes
 * all of it void. Not for questions with a mark.
 */
export class AnswerCache {
  /** A rule selects by protocol or port, which are then part of the question. */
  readonly #usesPorts: boolean;
  /** A power of two. */
  readonly #slots: number;
  #v4 = new Int32Array(0);
  #v6 = new Int32Array(0);
  /** What is valid carries this number; 0 never is. */
  #version = 1;

  /**
   * @param usesPorts a rule selects by protocol or port
   * @param routes    in the tables: a cache that is larger than they are would be of no use
   */
  constructor(usesPorts: boolean, routes: number) {
    this.#usesPorts = usesPorts;
    this.#slots = slotsFor(routes);
  }

  /** True when one for so many routes would be larger. */
  isTooSmall(routes: number): boolean {
    return slotsFor(routes) > this.#slots;
  }

  /** Makes everything that is remembered void. */
  clear(): void {
    this.#version = (this.#version + 1) | 0 || 1;
  }

  /** The decision of a question, or -1. */
  find(q: RouteQuery): number {
    const slots = q.version === 4 ? this.#v4 : this.#v6;
    if (slots.length === 0) return -1;
    const at = this.#slotOf(q);
    if (slots[at] !== this.#version || slots[at + 2] !== q.ifIndex) return -1;
    if (slots[at + 3] !== this.#how(q) || slots[at + 4] !== this.#ports(q)) return -1;
    const words = q.version === 4 ? 1 : 4;
    for (let i = 0; i < words; i++) {
      if (slots[at + ADDRESS + i] !== q.src[i]) return -1;
      if (slots[at + ADDRESS + words + i] !== q.dst[i]) return -1;
    }
    return slots[at + 1]!;
  }

  /** Remembers the decision of a question, in place of another one. */
  put(q: RouteQuery, decision: number): void {
    if (q.version === 4 && this.#v4.length === 0) this.#v4 = new Int32Array(this.#slots << SHIFT4);
    if (q.version === 6 && this.#v6.length === 0) this.#v6 = new Int32Array(this.#slots << SHIFT6);
    const slots = q.version === 4 ? this.#v4 : this.#v6;
    const at = this.#slotOf(q);
    slots[at] = this.#version;
    slots[at + 1] = decision;
    slots[at + 2] = q.ifIndex;
    slots[at + 3] = this.#how(q);
    slots[at + 4] = this.#ports(q);
    const words = q.version === 4 ? 1 : 4;
    for (let i = 0; i < words; i++) {
      slots[at + ADDRESS + i] = q.src[i]!;
      slots[at + ADDRESS + words + i] = q.dst[i]!;
    }
  }

  /** Type of the packet, TOS, whether the ports are known and it is a fragment, and the protocol where that may matter. */
  #how(q: RouteQuery): number {
    const how =
      (q.pktType & 7) |
      (q.tos << 3) |
      (q.l4Known ? 1 << 11 : 0) |
      (q.isFragment ? 1 << 12 : 0) |
      (q.proto === IGMP ? 1 << 13 : 0);
    return this.#usesPorts ? how | (q.proto << 14) : how;
  }

  #ports(q: RouteQuery): number {
    return this.#usesPorts ? (q.sport << 16) | q.dport : 0;
  }

  #slotOf(q: RouteQuery): number {
    let h = q.ifIndex ^ Math.imul(this.#ports(q), 0x27d4eb2f);
    const words = q.version === 4 ? 1 : 4;
    for (let i = 0; i < words; i++) {
      h = Math.imul(h ^ q.dst[i]!, 0x9e3779b1);
      h = Math.imul((h ^ (h >>> 15)) + q.src[i]!, 0x85ebca6b);
    }
    h ^= h >>> 13;
    return (h & (this.#slots - 1)) << (q.version === 4 ? SHIFT4 : SHIFT6);
  }
}

function slotsFor(routes: number): number {
  let slots = 1;
  while (slots < SLOTS_MAX && slots < routes / 2) slots *= 2;
  return slots;
}

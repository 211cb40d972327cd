import type { Answer } from './answer.ts';
import { R, type RouteStore } from './route-store.ts';

/** Words of a remembered answer: see `#put`. */
const WORDS = 7;
const FIRST_DECISIONS = 32;
/** Answers remembered at most; then they are forgotten, all at once. 1,048,576 are 44 MiB. */
const DECISIONS_MAX = 1 << 20;

/**
 * Numbers the distinct answers of one engine, in the order in which they come up. In large tables almost every answer is a
 * forwarded packet without any doubt, and its number is remembered in the route itself, which the lookup has just read:
 * finding it by hash would be two more cache misses.
 */
export class DecisionIndex {
  /** Goes up when all numbers were forgotten and start from 0 again. */
  epoch = 1;
  readonly #max: number;
  #count = 0;
  #answers = new Int32Array(FIRST_DECISIONS * WORDS);
  /** By hash: the number + 1. */
  #slots = new Int32Array(FIRST_DECISIONS * 2);

  /** @param max answers remembered at most; a power of two */
  constructor(max = DECISIONS_MAX) {
    this.#max = max;
  }

  /** The number of an answer. @param store the routes of its family */
  idOf(a: Answer, store: RouteStore): number {
    const how = a.kind | (a.stage << 4) | (a.verdict << 6) | (a.observed << 9) | ((a.version & 2) << 10);
    if (a.route === -1 || a.reason !== 0 || a.doubt !== 0 || a.hop > 0 || a.ifIndex !== 0)
      return this.#find(a, how, a.route === -1 ? 0 : store.words[(a.route << store.shift) + R.serial]!);
    const { words } = store;
    const at = a.route << store.shift;
    const key = how | ((a.hop + 1) << 12);
    const len = words[at + R.len]!;
    if (len >>> 8 === key && words[at + R.memoRule] === a.rule && words[at + R.memoEpoch] === this.epoch)
      return words[at + R.memoId]!;
    const id = this.#find(a, how, words[at + R.serial]!);
    words[at + R.len] = (len & 0xff) | (key << 8);
    words[at + R.memoRule] = a.rule;
    words[at + R.memoEpoch] = this.epoch;
    words[at + R.memoId] = id;
    return id;
  }

  /** Forgets all answers: rules or interfaces have other numbers now, or there are too many. */
  reset(): void {
    // 0 is "never" in a route's memory.
    this.epoch = (this.epoch + 1) | 0 || 1;
    this.#count = 0;
    this.#answers = new Int32Array(FIRST_DECISIONS * WORDS);
    this.#slots = new Int32Array(FIRST_DECISIONS * 2);
  }

  /**
   * Puts the answer of a number into `a`, except `shape`.
   * @returns false for a number that was not given since the last reset, and when the route has changed since
   */
  restore(id: number, a: Answer, stores: { v4: RouteStore; v6: RouteStore }): boolean {
    if (!(id >= 0 && id < this.#count)) return false;
    const words = this.#answers;
    const at = id * WORDS;
    const how = words[at + 5]!;
    const rest = words[at + 6]!;
    a.route = words[at]!;
    a.rule = words[at + 2]!;
    a.doubtRule = words[at + 3]!;
    a.ifIndex = words[at + 4]!;
    a.kind = (how & 15) as Answer['kind'];
    a.stage = ((how >>> 4) & 3) as Answer['stage'];
    a.verdict = ((how >>> 6) & 7) as Answer['verdict'];
    a.observed = ((how >>> 9) & 3) as Answer['observed'];
    a.version = (how >>> 11) & 1 ? 6 : 4;
    a.reason = (rest & 0xff) as Answer['reason'];
    a.doubt = ((rest >>> 8) & 0xff) as Answer['doubt'];
    a.hop = (rest >>> 16) - 1;
    const store = a.version === 4 ? stores.v4 : stores.v6;
    return a.route === -1 || store.words[(a.route << store.shift) + R.serial] === words[at + 1];
  }

  #find(a: Answer, how: number, serial: number): number {
    const rest = a.reason | (a.doubt << 8) | ((a.hop + 1) << 16);
    const words = this.#answers;
    const last = this.#slots.length - 1;
    let slot = hash(serial, a.rule, a.doubtRule, a.ifIndex, how, rest) & last;
    for (; ; slot = (slot + 1) & last) {
      const id = this.#slots[slot]! - 1;
      if (id === -1) break;
      const at = id * WORDS;
      if (
        words[at] === a.route &&
        words[at + 1] === serial &&
        words[at + 2] === a.rule &&
        words[at + 3] === a.doubtRule &&
        words[at + 4] === a.ifIndex &&
        words[at + 5] === how &&
        words[at + 6] === rest
      )
        return id;
    }
    if (this.#count === this.#max) {
      this.reset();
      return this.#find(a, how, serial);
    }
    if (this.#count * WORDS === words.length) {
      this.#grow();
      return this.#find(a, how, serial);
    }
    const id = this.#count++;
    this.#put(id, a, how, rest, serial);
    this.#slots[slot] = id + 1;
    return id;
  }

  #put(id: number, a: Answer, how: number, rest: number, serial: number): void {
    const words = this.#answers;
    const at = id * WORDS;
    words[at] = a.route;
    words[at + 1] = serial;
    words[at + 2] = a.rule;
    words[at + 3] = a.doubtRule;
    words[at + 4] = a.ifIndex;
    words[at + 5] = how;
    words[at + 6] = rest;
  }

  #grow(): void {
    const answers = new Int32Array(this.#answers.length * 2);
    answers.set(this.#answers);
    const slots = new Int32Array(this.#slots.length * 2);
    const last = slots.length - 1;
    for (let id = 0; id < this.#count; id++) {
      const at = id * WORDS;
      let slot =
        hash(
          answers[at + 1]!,
          answers[at + 2]!,
          answers[at + 3]!,
          answers[at + 4]!,
          answers[at + 5]!,
          answers[at + 6]!,
        ) & last;
      while (slots[slot] !== 0) slot = (slot + 1) & last;
      slots[slot] = id + 1;
    }
    this.#answers = answers;
    this.#slots = slots;
  }
}

function hash(a: number, b: number, c: number, d: number, e: number, f: number): number {
  let h = Math.imul(a ^ 0x2545f491, 0x9e3779b1);
  h = Math.imul((h ^ (h >>> 15)) + b, 0x85ebca6b);
  h = Math.imul((h ^ (h >>> 13)) + c, 0xc2b2ae35);
  h = Math.imul((h ^ (h >>> 16)) + d, 0x27d4eb2f);
  h = Math.imul((h ^ (h >>> 15)) + e, 0x165667b1);
  h = Math.imul((h ^ (h >>> 14)) + f, 0x9e3779b1);
  return h ^ (h >>> 16);
}

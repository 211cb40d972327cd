import type { KnownDecision, RouteDecision } from '../../storage/route-decision.ts';

/** Decisions that are kept; beyond, they are asked for again. */
const DECISIONS_MAX = 65_536;
/** Decisions that are asked for at once, at most; the rest when they are looked for again. */
const NEEDED_MAX = 4096;

/** Route decisions by their numbers, see taggedDecision, and what is missing of them. */
export class KnownDecisions {
  readonly #decisions = new Map<number, RouteDecision>();
  /** By number: the first number of the same decision. */
  readonly #sames = new Map<number, number>();
  readonly #firsts = new Map<string, number>();
  readonly #needed = new Set<number>();

  /** @returns undefined: not known yet; it is needed */
  get(number: number): RouteDecision | undefined {
    const known = this.#decisions.get(number);
    if (known === undefined) this.#needed.add(number);
    return known;
  }

  /** One number for all that stand for the same decision: each capture thread has its own. @returns as `get` does */
  same(number: number): number | undefined {
    const known = this.#sames.get(number);
    if (known === undefined) this.#needed.add(number);
    return known;
  }

  learn(list: readonly KnownDecision[]): void {
    if (this.#decisions.size + list.length > DECISIONS_MAX)
      for (const each of [this.#decisions, this.#sames, this.#firsts]) each.clear();
    for (const [number, decision] of list) {
      this.#decisions.set(number, decision);
      const text = JSON.stringify(decision);
      const first = this.#firsts.get(text) ?? number;
      this.#firsts.set(text, first);
      this.#sames.set(number, first);
    }
  }

  /** Numbers that were looked for in vain since it was asked last. */
  takeNeeded(): number[] {
    const numbers = [...this.#needed].slice(0, NEEDED_MAX);
    this.#needed.clear();
    return numbers;
  }
}

import { mutate } from './mutate.ts';
import { Random } from '../support/random.ts';
import type { Target } from './target.ts';

/** Inputs kept for going a new way; a bound on memory. */
const KEPT_MAX = 4096;
/** Simplifications tried of a find. */
const MINIMISE_MAX = 2000;

/** What an invariant was broken by. */
export interface Find {
  input: Uint8Array;
  reason: string;
}

export interface FuzzResult {
  executions: number;
  /** Distinct ways that inputs went. */
  ways: number;
  find: Find | null;
}

/** What is being run, in memory that a guard on another thread can read when it hangs. */
export interface Progress {
  begin(input: Uint8Array): void;
}

/**
 * Mutates inputs and runs the target on them until it breaks or has run `executions` times. The same seed and inputs give
 * the same run, except that a target's own clock or chance would show.
 */
export function fuzz(
  target: Target,
  seed: number,
  executions: number,
  more: readonly Uint8Array[] = [],
  progress?: Progress,
): FuzzResult {
  const random = new Random(seed);
  const kept = [...target.seeds(), ...more];
  const ways = new Set<number>();
  let done = 0;
  for (const input of kept) {
    progress?.begin(input);
    const reason = attempt(target, input, (way) => ways.add(way));
    if (reason !== null) return { executions: done, ways: ways.size, find: { input, reason } };
    done++;
  }
  const first = kept.length;
  for (; done < executions; done++) {
    const input = mutate(random, random.pick(kept), random.pick(kept));
    let isNew = false;
    progress?.begin(input);
    const reason = attempt(target, input, (way) => {
      isNew = !ways.has(way);
      if (isNew) ways.add(way);
    });
    if (reason !== null) {
      const small = minimise(target, input);
      return { executions: done, ways: ways.size, find: { input: small, reason } };
    }
    if (!isNew) continue;
    if (kept.length < first + KEPT_MAX) kept.push(input);
    else kept[first + random.below(KEPT_MAX)] = input;
  }
  return { executions: done, ways: ways.size, find: null };
}

/** Runs the target once. @returns why it broke, or null */
export function attempt(
  target: Target,
  input: Uint8Array,
  went: (way: number) => void = () => {},
): string | null {
  try {
    went(target.run(input));
    return null;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

/** Leaves out pieces as long as it still breaks. A break that needs what came before (a table's state) stays as it is. */
function minimise(target: Target, input: Uint8Array): Uint8Array {
  let small = input;
  let tries = 0;
  for (let size = Math.ceil(input.length / 2); size > 0; size >>= 1)
    for (let at = 0; at < small.length && tries < MINIMISE_MAX; tries++) {
      const less = new Uint8Array([...small.subarray(0, at), ...small.subarray(at + size)]);
      if (attempt(target, less) !== null) small = less;
      else at += size;
    }
  return small;
}

import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

/** What is counted, in all threads of a process. */
export const COUNTED = ['ffi', 'insertFlow', 'updateFlow', 'otherStatement', 'commit'] as const;
export type Counted = (typeof COUNTED)[number];

const NAME = 'nstap-work-counts';

/** The words that all threads of this process count in; the main thread makes them. */
const words = ((): Int32Array => {
  let shared = getEnvironmentData(NAME) as SharedArrayBuffer | undefined;
  if (shared === undefined) {
    shared = new SharedArrayBuffer(COUNTED.length * Int32Array.BYTES_PER_ELEMENT);
    setEnvironmentData(NAME, shared);
  }
  return new Int32Array(shared);
})();

/** Counts one. */
export function count(what: Counted): void {
  Atomics.add(words, COUNTED.indexOf(what), 1);
}

/** What was counted so far, in all threads. */
export function readCounts(): Record<Counted, number> {
  const entries = COUNTED.map((what, i) => [what, Atomics.load(words, i)]);
  return Object.fromEntries(entries) as Record<Counted, number>;
}

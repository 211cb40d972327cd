/** Date.now() is cut to whole milliseconds: no more than this may lie between it and a finer clock. */
const APART_MS = 1;

let originMs = performance.timeOrigin;

/**
 * Milliseconds since the epoch with their fraction. performance.now() is fine enough and stands still while the wall clock is
 * set or slewed, so it is brought back to Date.now() whenever the two part.
 */
export function wallClockMs(): number {
  const coarse = Date.now();
  const fine = originMs + performance.now();
  if (fine >= coarse && fine < coarse + APART_MS) return fine;
  originMs = coarse - performance.now();
  return coarse;
}

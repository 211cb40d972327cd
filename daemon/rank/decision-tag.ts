/** Each capture thread numbers its decisions from 0: so many numbers each thread has here. With 16 threads they fit 32 bits. */
const SPAN = 2 ** 25;

/** One number for a decision of one of several capture threads; -1, for none, stays. */
export function taggedDecision(number: number, thread: number): number {
  return number < 0 ? number : number + thread * SPAN;
}

/** The thread in a number of `taggedDecision`. */
export function threadOfDecision(tagged: number): number {
  return Math.floor(tagged / SPAN);
}

/** The thread's own number in it. */
export function decisionInThread(tagged: number): number {
  return tagged % SPAN;
}

/** Words: whether the line is drawn, how many pieces are to be read, then for each thread the piece that it has begun. */
const S = { state: 0, limit: 1, begun: 2 } as const;
const OPEN = 0;
const DRAWING = 1;
const DRAWN = 2;

/** Shared memory of a line for so many threads. */
export function createStopLine(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer((S.begun + threads) * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * Draws the line: the threads stop behind the last piece that any of them has begun, so that all have read the same. A second
 * call does nothing.
 */
export function drawStopLine(shared: SharedArrayBuffer): void {
  const words = new Int32Array(shared);
  if (Atomics.compareExchange(words, S.state, OPEN, DRAWING) !== OPEN) return;
  // Whoever begins a piece from now on sees the state, and waits for the limit.
  let limit = 0;
  for (let i = S.begun; i < words.length; i++) limit = Math.max(limit, Atomics.load(words, i));
  Atomics.store(words, S.limit, limit);
  Atomics.store(words, S.state, DRAWN);
  Atomics.notify(words, S.state);
}

/**
 * Where threads that read the same files, piece by piece and each at its own pace, stop when they are told to: all behind the
 * same piece. A piece is whatever lies between two calls of `isReached`, which every thread makes at the same places.
 */
export class StopLine {
  readonly #words: Int32Array;
  readonly #thread: number;
  #pieces = 0;

  /** @param thread which of them this one is, from 0 */
  constructor(shared: SharedArrayBuffer, thread: number) {
    this.#words = new Int32Array(shared);
    this.#thread = thread;
  }

  /** Begins the next piece, unless it lies behind the line. @returns true when it does; so it does ever after */
  isReached(): boolean {
    const words = this.#words;
    const piece = this.#pieces + 1;
    Atomics.store(words, S.begun + this.#thread, piece);
    if (Atomics.load(words, S.state) !== OPEN) {
      Atomics.wait(words, S.state, DRAWING);
      if (piece > Atomics.load(words, S.limit)) return true;
    }
    this.#pieces = piece;
    return false;
  }
}

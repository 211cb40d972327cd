/** Words of a census: threads that have come to it, its number, what they hold so far, threads that come no more, two results. */
const C = { arrived: 0, number: 1, sum: 2, gone: 3, results: 4 } as const;
const WORDS = 6;

/** Nobody who still reads takes so long to come to the same packet, in milliseconds. */
const PATIENCE_MS = 120_000;
/** A thread that waits looks this often whether another one has gone. */
const LOOK_MS = 100;

/** Shared memory of a census, to be handed to every thread. */
export function createCensus(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * The flows that several tables hold together, each in a thread of its own that reads the same packets. It is asked by all of
 * them at the same packet, and each waits there for the others: rarely, therefore.
 */
export class Census {
  readonly #words: Int32Array;
  readonly #threads: number;

  /** @param shared of createCensus @param threads that take part */
  constructor(shared: SharedArrayBuffer, threads: number) {
    this.#words = new Int32Array(shared);
    this.#threads = threads;
  }

  /**
   * @param live flows that this thread's table holds
   * @returns the sum over all threads
   * @throws Error when another thread has come to the end without having been here: it has read other packets
   */
  take(live: number): number {
    const words = this.#words;
    const number = Atomics.load(words, C.number);
    const result = C.results + (number & 1);
    Atomics.add(words, C.sum, live);
    if (Atomics.add(words, C.arrived, 1) === this.#threads - 1) {
      Atomics.store(words, result, Atomics.load(words, C.sum));
      Atomics.store(words, C.sum, 0);
      Atomics.store(words, C.arrived, 0);
      Atomics.add(words, C.number, 1);
      Atomics.notify(words, C.number);
    } else this.#wait(number);
    // The one after the next needs this thread, so nobody writes there before it has been read.
    return Atomics.load(words, result);
  }

  /** This thread reads no more. */
  leave(): void {
    Atomics.add(this.#words, C.gone, 1);
  }

  #wait(number: number): void {
    const deadline = performance.now() + PATIENCE_MS;
    while (Atomics.load(this.#words, C.number) === number) {
      const isLeft = Atomics.load(this.#words, C.gone) > 0;
      if ((isLeft && Atomics.load(this.#words, C.number) === number) || performance.now() > deadline)
        throw new Error(
          'replay: one of its threads has read other packets than this one: a file was changed while it was read; try again when nobody writes to it',
        );
      Atomics.wait(this.#words, C.number, number, LOOK_MS);
    }
  }
}

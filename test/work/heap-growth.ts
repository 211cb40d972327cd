import { getHeapStatistics } from 'node:v8';

/**
 * How much the heap grew. It is looked at so often that a collection in between takes the growth of one span with it, not that of
 * all: what fills the young generation several times would look like nothing otherwise.
 */
export class HeapGrowth {
  #last = 0;
  #octets = 0;

  /** Begins to count. */
  start(): void {
    this.#octets = 0;
    this.#last = getHeapStatistics().used_heap_size;
  }

  /** Looks at the heap; some 300 octets themselves. */
  look(): void {
    const used = getHeapStatistics().used_heap_size;
    if (used > this.#last) this.#octets += used - this.#last;
    this.#last = used;
  }

  /** Octets until the last look. */
  get octets(): number {
    return this.#octets;
  }
}

import { FlowBatch, flowBatchBytes } from './flow-batch.ts';

/** A pool as plain data, to hand to both threads in workerData or a message. */
export interface BatchPoolShared {
  /** Records a batch; a multiple of 8. */
  capacity: number;
  /** Octets a batch for what some flows have beyond their record, see ExtraArea; 0 where none do. */
  extraBytes: number;
  /** One buffer a batch; the index is the batch number of `StorageRequest`. */
  buffers: SharedArrayBuffer[];
  /** Int32 per batch (see BATCH_STATE), then one Int32 that counts releases. */
  states: SharedArrayBuffer;
}

/** State words of the batches. */
export const BATCH_STATE = { free: 0, taken: 1 } as const;

/**
 * Allocates the shared memory of a pool.
 * @param capacity records a batch; a multiple of 8
 * @param batches  how many batches may be with storage, or being filled, at once: the bound of the queue
 * @param extraBytes see BatchPoolShared
 */
export function createBatchPool(capacity: number, batches: number, extraBytes = 0): BatchPoolShared {
  if (!Number.isInteger(batches) || batches < 1)
    throw new RangeError(`batch pool: ${batches} batches, at least 1 is needed`);
  const bytes = flowBatchBytes(capacity, extraBytes);
  return {
    capacity,
    extraBytes,
    buffers: Array.from({ length: batches }, () => new SharedArrayBuffer(bytes)),
    states: new SharedArrayBuffer((batches + 1) * Int32Array.BYTES_PER_ELEMENT),
  };
}

/**
 * The batches that one capture thread and the storage thread pass to and fro. The capture thread acquires one (its state
 * becomes `taken`), fills it and posts its number; storage releases it when its records are committed. The states are
 * shared words, not messages, because a capture thread is synchronous: it never returns to its event loop to be told.
 *
 * One instance a side, over the same BatchPoolShared; only the capture thread acquires, only storage releases.
 */
export class BatchPool {
  readonly shared: BatchPoolShared;
  readonly #batches: readonly FlowBatch[];
  readonly #states: Int32Array;
  /** Index of the word that counts releases: what a waiting thread sleeps on, whichever batch becomes free. */
  readonly #releases: number;
  #next = 0;

  constructor(shared: BatchPoolShared) {
    this.shared = shared;
    this.#batches = shared.buffers.map((buffer) => new FlowBatch(shared.capacity, buffer, shared.extraBytes));
    this.#states = new Int32Array(shared.states);
    this.#releases = shared.buffers.length;
  }

  /** Number of batches. */
  get size(): number {
    return this.#batches.length;
  }

  /** Batch number `index`. Throws RangeError when there is none. */
  batch(index: number): FlowBatch {
    const batch = this.#batches[index];
    if (batch === undefined) throw new RangeError(`batch pool: no batch ${index} of ${this.#batches.length}`);
    return batch;
  }

  /** Takes a free batch; its `count` is whatever it was. @returns its number, or -1 when none is free */
  acquire(): number {
    const n = this.#batches.length;
    for (let k = 0; k < n; k++) {
      const i = (this.#next + k) % n;
      if (
        Atomics.compareExchange(this.#states, i, BATCH_STATE.free, BATCH_STATE.taken) === BATCH_STATE.free
      ) {
        this.#next = (i + 1) % n;
        return i;
      }
    }
    return -1;
  }

  /**
   * Takes a free batch, and sleeps until there is one. Not on a main thread of a browser, but on any of Node.
   * @param timeoutMs at most so long
   * @returns its number, or -1 when none became free in time
   */
  acquireWait(timeoutMs: number): number {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      // Read before looking: a release in between changes the word, and the wait returns at once.
      const seen = Atomics.load(this.#states, this.#releases);
      const index = this.acquire();
      if (index >= 0) return index;
      const left = deadline - performance.now();
      if (left <= 0) return -1;
      Atomics.wait(this.#states, this.#releases, seen, left);
    }
  }

  /** Gives a batch back. Throws RangeError when it was not taken: two releases would hand it out while it is filled. */
  release(index: number): void {
    this.batch(index);
    if (Atomics.exchange(this.#states, index, BATCH_STATE.free) !== BATCH_STATE.taken)
      throw new RangeError(`batch pool: batch ${index} was free already`);
    Atomics.add(this.#states, this.#releases, 1);
    Atomics.notify(this.#states, this.#releases);
  }
}

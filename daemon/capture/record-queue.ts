import type { MessagePort } from 'node:worker_threads';
import type { BatchPool } from '../../storage/batch-pool.ts';
import type { FlowBatch } from '../../storage/flow-batch.ts';
import type {
  CaptureCounters,
  CaptureInfo,
  CountedSpan,
  StorageRequest,
  ThreadLoad,
} from '../../storage/messages.ts';
import type { RecordSink } from '../flow/table-options.ts';
import type { RouteTagger } from './route-tag.ts';

/** Longest wait for storage in a replay, in milliseconds; after that it is taken for dead. */
const WAIT_MS = 60_000;
/**
 * Share of the batches with storage from which on records of little value are shed: more than route changes may take, so that
 * those do not cost any record.
 */
const SPARE_SHARE = 0.75;

/**
 * The capture thread's end of the queue to the storage thread. Records and route changes go into batches of shared memory;
 * what they point at (captures, decisions) is posted before them on the same port, so it is always there first.
 */
export class RecordQueue implements RecordSink {
  readonly #pool: BatchPool;
  readonly #port: MessagePort;
  readonly #tagger: RouteTagger;
  readonly #wait: boolean;
  /** Milliseconds to wait for a batch; 0: none is waited for. */
  #patienceMs: number;
  /** When waiting is over for good. performance.now() */
  #drainedMs = Infinity;
  /** The pool's count of releases, the word behind the states of its batches. */
  readonly #releases: Int32Array;
  #current: FlowBatch | null = null;
  #index = -1;
  /** Batches handed over so far; as int32, like the count of releases. */
  #posted = 0;
  /** By capture that has not ended: what was told last. */
  readonly #told = new Map<number, CaptureCounters>();
  /** Captures that other threads count, too. */
  readonly #shared = new Set<number>();
  /** Of the load that was told last. */
  #toldQueued = -1;

  /** @param wait true in a replay: when storage is behind, reading waits. Live capture never waits; it sheds and counts */
  constructor(pool: BatchPool, port: MessagePort, tagger: RouteTagger, wait: boolean) {
    this.#pool = pool;
    this.#port = port;
    this.#tagger = tagger;
    this.#wait = wait;
    this.#patienceMs = wait ? WAIT_MS : 0;
    this.#releases = new Int32Array(pool.shared.states, pool.size * Int32Array.BYTES_PER_ELEMENT, 1);
  }

  batch(isSpare = false): FlowBatch | null {
    if (this.#current?.isFull) this.flush();
    if (isSpare && this.#patienceMs === 0 && this.#share() >= SPARE_SHARE) return null;
    return this.#current ?? this.#take();
  }

  /**
   * Waits for storage from now on, as a replay does, but no longer than `patienceMs` at a time and `totalMs` in all: at the end
   * of a live capture there may be more flows than the queue holds, and nothing comes any more that waiting would lose.
   */
  drain(patienceMs: number, totalMs = Infinity): void {
    this.#patienceMs = patienceMs;
    this.#drainedMs = performance.now() + totalMs;
  }

  /**
   * A table change can change the decision of every flow at once: what does not fit into half of the batches is shed, so
   * that the last records of flows, which nothing replaces, still find a batch.
   */
  changes(): FlowBatch | null {
    if (this.#current !== null && this.#current.changeCount < this.#current.capacity) return this.#current;
    if (this.#patienceMs === 0 && this.#isBehind()) return null;
    this.flush();
    return this.#take();
  }

  #take(): FlowBatch | null {
    if (performance.now() >= this.#drainedMs) this.#patienceMs = 0;
    const index = this.#patienceMs > 0 ? this.#pool.acquireWait(this.#patienceMs) : this.#pool.acquire();
    if (index < 0) {
      this.#patienceMs = 0;
      if (this.#wait)
        throw new Error(`storage has taken no batch for ${WAIT_MS / 1000} s; it has failed or is stuck`);
      return null;
    }
    this.#index = index;
    const batch = this.#pool.batch(index);
    batch.clear();
    this.#current = batch;
    return batch;
  }

  /** Hands over what has been written so far. */
  flush(): void {
    if (this.#current === null) return;
    this.flushDecisions();
    this.#post({ type: 'batch', batch: this.#index });
    this.#posted = (this.#posted + 1) | 0;
    this.#current = null;
  }

  /** Hands over the decisions that are new; records that point at them may come later. */
  flushDecisions(): void {
    const decisions = this.#tagger.takeNew();
    if (decisions !== null) this.#post({ type: 'decisions', ...decisions });
  }

  /**
   * Hands over what has been written so far, unless storage still has half of the batches: then this one is filled first.
   * Else a few records a tick would use up all batches within seconds of a locked database.
   */
  flushIfTaken(): void {
    if (!this.#isBehind()) this.flush();
  }

  /** True while storage has half of the batches. */
  #isBehind(): boolean {
    return this.#share() >= 0.5;
  }

  /** The share of the batches that storage has. */
  #share(): number {
    return this.waiting / this.#pool.size;
  }

  /** Batches that storage has, of `size`. */
  get waiting(): number {
    return (this.#posted - Atomics.load(this.#releases, 0)) | 0;
  }

  /** Batches there are. */
  get size(): number {
    return this.#pool.size;
  }

  /** True when a record waits for `flush`. */
  get hasRecords(): boolean {
    return this.#current !== null;
  }

  /** Announces a capture point; must come before its first record. */
  capture(info: CaptureInfo): void {
    if ((info.sharedBy ?? 1) > 1) this.#shared.add(info.index);
    this.#post({ type: 'capture', info });
  }

  /** Flushes, and has storage say `synced` with this number when everything up to here is committed. */
  sync(request: number): void {
    this.flush();
    this.#post({ type: 'sync', request });
  }

  /**
   * Tells what a capture point counts, unless storage knows it.
   * @param span  of the packets counted; null where it is not known
   * @param final true when the capture point is at its end: told in any case
   * @returns whether it was told
   */
  counters(
    captureIndex: number,
    counters: CaptureCounters,
    span: CountedSpan | null,
    final: boolean,
  ): boolean {
    const told = this.#told.get(captureIndex);
    // Of a point that threads share it matters as well until when each of them has counted, packets or not.
    const isKnown = told !== undefined && isSame(told, counters) && !this.#shared.has(captureIndex);
    if (isKnown && !final) return false;
    if (final) this.#told.delete(captureIndex);
    else this.#told.set(captureIndex, counters);
    this.#post({ type: 'counters', captureIndex, counters, span, final });
    return true;
  }

  /** Notes another filter of a capture point. */
  filter(captureIndex: number, filter: string | null): void {
    this.#post({ type: 'filter', captureIndex, filter });
  }

  /**
   * What the thread is doing. Storage is told when it is due, and when the queue is longer or shorter than it knows.
   * @param cpuNs see ThreadLoad
   */
  load(cpuNs: number, isDue: boolean): ThreadLoad {
    const load = { queued: this.waiting, queueSize: this.#pool.size, cpuNs };
    if (isDue || load.queued !== this.#toldQueued) {
      this.#toldQueued = load.queued;
      this.#post({ type: 'load', load });
    }
    return load;
  }

  /** Flushes, and tells storage that nothing more comes from here. */
  close(): void {
    this.flush();
    this.#post({ type: 'close' });
  }

  #post(request: StorageRequest): void {
    this.#port.postMessage(request);
  }
}

function isSame(a: CaptureCounters, b: CaptureCounters): boolean {
  for (const name in a)
    if (a[name as keyof CaptureCounters] !== b[name as keyof CaptureCounters]) return false;
  return true;
}

import type { Worker } from 'node:worker_threads';
import type { CaptureCounters, CaptureInfo, ThreadLoad } from '../storage/messages.ts';
import { sum } from '../storage/sum.ts';
import type { CaptureOpen, CaptureReply, CaptureRequest } from './capture/capture-messages.ts';
import { signalEvent } from './kernel/eventfd.ts';

/** A capture thread as the engine has it. */
export interface CaptureThread {
  worker: Pick<Worker, 'postMessage' | 'on'>;
  /** eventfd that wakes it; signalled after each message. */
  wakeFd: number;
}

/** A capture, and how each thread opens its part of it. */
export interface OpenedCapture {
  capture: CaptureInfo;
  /** One for each thread; the descriptors are the threads' from `add` on. */
  opens: CaptureOpen[];
}

/** What is known of a capture whose packets the threads share. */
interface Shared {
  /** Threads that have opened it. */
  opened: number;
  /** Threads that have let it go, or never had it. */
  over: number;
  /** Why the first of them did. */
  reason: string;
  /** True when that one could not open it. */
  hasFailed: boolean;
  /** It goes on under another index. */
  isRenamed: boolean;
  /** By thread: what it has told last. */
  readonly counters: Map<number, CaptureCounters>;
}

/**
 * The capture threads of an engine as one: what is asked goes to all, and what they say of a capture that they share is told once,
 * with the sum of what they count. It is open when all have opened it, and has ended when all have let it go; when one does, the
 * others are told to.
 */
export class CaptureThreads {
  readonly #threads: readonly CaptureThread[];
  readonly #deliver: (reply: CaptureReply) => void;
  readonly #captures = new Map<number, Shared>();
  readonly #loads = new Map<number, ThreadLoad>();
  readonly #alive = new Set<number>();
  #stopped = 0;

  /** @param deliver takes replies, those about captures as of one thread */
  constructor(threads: readonly CaptureThread[], deliver: (reply: CaptureReply) => void) {
    this.#threads = threads;
    this.#deliver = deliver;
    for (const [thread, { worker }] of threads.entries())
      worker.on('message', (reply: CaptureReply) => {
        if (threads.length === 1) deliver(reply);
        else this.#take(thread, reply);
      });
  }

  /** How many there are. */
  get size(): number {
    return this.#threads.length;
  }

  /** Opens a capture. */
  add({ capture, opens }: OpenedCapture): void {
    if (opens.length !== this.size)
      throw new Error(`${opens.length} sources for ${this.size} capture threads`);
    this.#expect(capture.index);
    const shared = this.#asShared(capture);
    for (const [thread, open] of opens.entries())
      this.send({ type: 'add', capture: { ...shared }, open }, thread);
  }

  /** @param thread the only one that gets it; left out: all do */
  send(request: CaptureRequest, thread?: number): void {
    if (thread === undefined && request.type === 'rename') {
      this.#renamed(request.captureIndex, request.capture.index);
      this.#toAll({ ...request, capture: this.#asShared(request.capture) });
    } else if (thread === undefined) this.#toAll(request);
    else this.#post(this.#threads[thread]!, request);
  }

  #asShared(capture: CaptureInfo): CaptureInfo {
    return this.size === 1 ? capture : { ...capture, sharedBy: this.size };
  }

  #toAll(request: CaptureRequest): void {
    for (const each of this.#threads) this.#post(each, request);
  }

  #post({ worker, wakeFd }: CaptureThread, request: CaptureRequest): void {
    worker.postMessage(request);
    signalEvent(wakeFd);
  }

  #expect(captureIndex: number): void {
    if (this.size === 1) return;
    this.#captures.set(captureIndex, {
      opened: 0,
      over: 0,
      reason: '',
      hasFailed: false,
      isRenamed: false,
      counters: new Map(),
    });
  }

  #renamed(captureIndex: number, newIndex: number): void {
    const shared = this.#captures.get(captureIndex);
    if (shared !== undefined) shared.isRenamed = true;
    this.#expect(newIndex);
  }

  #take(thread: number, reply: CaptureReply): void {
    switch (reply.type) {
      case 'opened': {
        const shared = this.#captures.get(reply.captureIndex);
        if (shared !== undefined && ++shared.opened === this.size) this.#deliver(reply);
        break;
      }
      case 'failed':
        this.#over(thread, reply.captureIndex, reply.reason, true);
        break;
      case 'ended':
        this.#over(thread, reply.captureIndex, reply.reason, false, reply.counters);
        break;
      case 'renamed':
        this.#over(thread, reply.captureIndex, '', false, reply.counters);
        break;
      case 'counters':
        this.#count(thread, reply);
        break;
      case 'alive':
        this.#alive.add(thread);
        if (this.#alive.size < this.size) break;
        this.#alive.clear();
        this.#deliver(reply);
        break;
      case 'stopped':
        if (++this.#stopped === this.size) this.#deliver(reply);
        break;
      default:
        this.#deliver(reply);
    }
  }

  #over(
    thread: number,
    captureIndex: number,
    reason: string,
    hasFailed: boolean,
    counters?: CaptureCounters,
  ): void {
    const shared = this.#captures.get(captureIndex);
    if (shared === undefined) return;
    if (counters !== undefined) shared.counters.set(thread, counters);
    if (shared.over++ === 0 && !shared.isRenamed) {
      shared.reason = reason;
      shared.hasFailed = hasFailed;
      // The packets of the one that is missing would be nobody's.
      this.#toAll({ type: 'remove', captureIndex, reason });
    }
    if (shared.over < this.size) return;
    this.#captures.delete(captureIndex);
    const total = shared.counters.size === 0 ? undefined : [...shared.counters.values()].reduce(sum);
    if (shared.isRenamed) {
      if (total !== undefined) this.#deliver({ type: 'renamed', captureIndex, counters: total });
    } else if (shared.hasFailed && shared.opened < this.size)
      this.#deliver({ type: 'failed', captureIndex, reason: shared.reason });
    else
      this.#deliver({
        type: 'ended',
        captureIndex,
        reason: shared.reason,
        ...(total === undefined ? {} : { counters: total }),
      });
  }

  #count(thread: number, { counters, load }: Extract<CaptureReply, { type: 'counters' }>): void {
    this.#loads.set(thread, load);
    for (const each of counters) this.#captures.get(each.captureIndex)?.counters.set(thread, each.counters);
    this.#deliver({
      type: 'counters',
      counters: counters.flatMap(({ captureIndex }) => {
        const shared = this.#captures.get(captureIndex);
        if (shared === undefined) return [];
        return { captureIndex, counters: [...shared.counters.values()].reduce(sum) };
      }),
      load: [...this.#loads.values()].reduce(sum),
    });
  }
}

/** What thread number `thread` of so many gets of something that all have together: whole numbers that add up to it. */
export function shareOf(total: number, thread: number, threads: number): number {
  return Math.floor((total + thread) / threads);
}

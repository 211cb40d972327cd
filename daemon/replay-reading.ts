import { type MessagePort, Worker } from 'node:worker_threads';
import type { BatchPoolShared } from '../storage/batch-pool.ts';
import { sum } from '../storage/sum.ts';
import type { CarveOrder } from './capture/carver.ts';
import type { ReplayReply, ReplayRequest, ReplayThreadData } from './capture/replay-thread.ts';
import { createSharedWindows } from './capture/shared-windows.ts';
import { createStopLine, drawStopLine } from './capture/stop-line.ts';
import { meteringOf } from './config.ts';
import { createCensus } from './flow/census.ts';
import type { ReadOptions, ReadTotals, ReplayProgress } from './replay.ts';
import { sibling } from './sibling.ts';
import { threadEnv } from './thread-env.ts';

/** Octets that are read at a time where several threads read together. */
const WINDOW_LEN = 1024 * 1024;

/** Where a replay thread puts its records: its end of the channel to storage, and its batches. */
export interface RecordOutlet {
  port: MessagePort;
  pool: BatchPoolShared;
}

/** Replay threads at work. */
export interface Reading {
  done: Promise<ReadTotals>;
  /** Has them read; what they need for it they load before. */
  begin(): void;
  terminate(): Promise<unknown>;
}

/**
 * Starts the threads that read files and meter packets, once they are told to begin.
 * @param outlets one a thread; their ports are transferred
 * @param octets  see ReplayPlan; null: there is one thread
 * @param order   with one thread only
 */
export function startReading(
  options: ReadOptions,
  outlets: readonly RecordOutlet[],
  octets: number[] | null,
  order: CarveOrder | null,
): Reading {
  const stop = createStopLine(outlets.length);
  const shallStop = (): void => drawStopLine(stop);
  if (options.signal?.aborted) shallStop();
  options.signal?.addEventListener('abort', shallStop);
  const shared =
    octets === null
      ? null
      : {
          census: createCensus(),
          windows: createSharedWindows(outlets.length, options.windowLen ?? WINDOW_LEN),
          octets,
        };
  const progress = new ProgressOfAll(options, outlets.length);
  const threads = outlets.map(({ port, pool }, index) => {
    const workerData: ReplayThreadData = {
      options: {
        ...meteringOf(options),
        auditRate: 0,
        ...(options.seed === undefined ? {} : { seed: options.seed }),
      },
      pool,
      storage: port,
      files: options.files,
      filter: options.filter,
      netns: options.netns,
      snapshot: options.snapshot,
      carve: order,
      stop,
      shard: { index, count: outlets.length },
      shared,
    };
    const worker = new Worker(sibling('./capture/replay-thread', import.meta.url), {
      ...threadEnv(),
      workerData,
      transferList: [port],
    });
    const done = new Promise<ReadTotals>((resolve, reject) => {
      worker.on('message', (reply: ReplayReply) => {
        if (reply.type === 'progress') progress.moved(index, reply);
        else if (reply.type === 'ending') progress.ending(reply.stopped);
        else {
          const { type: _, ...totals } = reply;
          resolve(totals);
        }
      });
      worker.on('error', reject);
      worker.on('exit', (code) => reject(new Error(`a replay thread ended with ${code}`)));
    });
    return { worker, done };
  });
  const done = Promise.all(threads.map((thread) => thread.done)).then((all) => together(all, options.files));
  // Whoever waits for something else first must not be surprised by it.
  done.catch(() => {});
  return {
    done,
    begin: () => {
      for (const { worker } of threads) worker.postMessage('begin' satisfies ReplayRequest);
    },
    terminate: () => Promise.all(threads.map(({ worker }) => worker.terminate())),
  };
}

/** Tells of several threads as if they were one. */
class ProgressOfAll {
  readonly #options: ReadOptions;
  readonly #packets: number[];
  #reading: number;

  constructor(options: ReadOptions, threads: number) {
    this.#options = options;
    this.#packets = new Array<number>(threads).fill(0);
    this.#reading = threads;
  }

  /** The first thread says where reading is: they all read the same. */
  moved(thread: number, progress: ReplayProgress): void {
    this.#packets[thread] = progress.packets;
    if (thread > 0) return;
    const packets = this.#packets.reduce((total, n) => total + n, 0);
    this.#options.onProgress?.({ ...progress, packets });
  }

  ending(stopped: boolean): void {
    if (--this.#reading === 0) this.#options.onEnding?.(stopped);
  }
}

/** What the threads have seen: each all of the files, and a part of the packets and flows. */
function together(all: ReadTotals[], files: readonly string[]): ReadTotals {
  const first = all[0]!;
  const errors = [...first.errors];
  if (all.some(({ seen }) => seen !== first.seen))
    errors.push({
      file: files.join(', '),
      offset: null,
      reason: `changed while it was read: its readers saw ${all.map(({ seen }) => seen).join(' and ')} packets; replay it again when nobody writes to it`,
    });
  return {
    ...first,
    errors,
    counters: all.map(({ counters }) => counters).reduce(sum),
    flows: all.reduce((total, { flows }) => total + flows, 0),
  };
}

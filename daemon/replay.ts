import { MessageChannel, Worker } from 'node:worker_threads';
import { createBatchPool } from '../storage/batch-pool.ts';
import type { ReplayReply, ReplayThreadData } from './capture/replay-thread.ts';
import { type MeteringOptions, meteringOf } from './config.ts';
import { extraBytes } from './extra-bytes.ts';
import type { RouteSnapshot } from './routes/snapshot.ts';
import { sibling } from './sibling.ts';
import { startStorage } from './storage-worker.ts';
import { version } from './version.ts';

/** Records a batch, and batches in flight: enough that reading and writing overlap. */
const BATCH_RECORDS = 2048;
const BATCHES = 16;

export interface ReplayOptions extends MeteringOptions {
  /** Paths of savefiles; "-" is stdin. */
  files: string[];
  db: string;
  /** Namespace name to store with the flows, or null. */
  netns: string | null;
  /** tcpdump expression, or null. */
  filter: string | null;
  /** Routes to decide with, or null: every decision is then "unknown". */
  snapshot: RouteSnapshot | null;
  /** Two replays of the same files with the same seed make the same flows: it keys the tables. Left out: any. */
  seed?: number;
  /** For the run's row. */
  commandLine: string;
  onProgress?: (progress: ReplayProgress) => void;
  /** Aborted, it stops reading and stores what it has; it notices at the next octets, which a silent pipe has not. */
  signal?: AbortSignal;
  /** Nothing more is read; `stopped` when that is because of `signal`. */
  onEnding?: (stopped: boolean) => void;
  /** Trouble with the database that may pass. */
  onTrouble?: (message: string) => void;
}

export type ReplayProgress = Extract<ReplayReply, { type: 'progress' }>;
export interface ReplayTotals extends Omit<Extract<ReplayReply, { type: 'done' }>, 'type'> {
  /** Number of the run in the database. */
  runId: number;
}

/**
 * Replays savefiles into the database: the capture and storage threads of the daemon, with files as packet source.
 * @returns totals when everything is committed; damaged files are in `errors`
 * @throws Error when the database cannot be opened or written
 */
export async function replay(options: ReplayOptions): Promise<ReplayTotals> {
  const pool = createBatchPool(BATCH_RECORDS, BATCHES, extraBytes(options));
  const { port1, port2 } = new MessageChannel();
  const run = {
    kind: 'replay' as const,
    version: version(),
    commandLine: options.commandLine,
    timeseries: options.timeseries,
  };
  const storage = startStorage(options.db, run, pool, port2, (trouble) => {
    if (trouble.type === 'error') options.onTrouble?.(trouble.message);
  });
  const stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const shallStop = (): void => void Atomics.store(stop, 0, 1);
  if (options.signal?.aborted) shallStop();
  options.signal?.addEventListener('abort', shallStop);
  // Reading starts only when there is somewhere to write.
  const runId = await storage.ready;
  const workerData: ReplayThreadData = {
    options: {
      ...meteringOf(options),
      auditRate: 0,
      ...(options.seed === undefined ? {} : { seed: options.seed }),
    },
    pool,
    storage: port1,
    files: options.files,
    filter: options.filter,
    netns: options.netns,
    snapshot: options.snapshot,
    stop,
  };
  const worker = new Worker(sibling('./capture/replay-thread', import.meta.url), {
    workerData,
    transferList: [port1],
  });
  const done = new Promise<ReplayTotals>((resolve, reject) => {
    worker.on('message', (reply: ReplayReply) => {
      if (reply.type === 'progress') options.onProgress?.(reply);
      else if (reply.type === 'ending') options.onEnding?.(reply.stopped);
      else resolve({ ...reply, runId });
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`the replay thread ended with ${code}`)));
  });
  try {
    const totals = await Promise.race([done, storage.closed.then(() => done)]);
    await storage.closed;
    return totals;
  } catch (error) {
    // A thread that waits for a batch which storage will never release keeps the process alive for a minute. Its end closes
    // its port, and so ends storage: that one's failure is the better reason than that nobody took the batches.
    await worker.terminate();
    await storage.closed;
    throw error;
  }
}

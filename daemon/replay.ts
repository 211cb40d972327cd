import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { BatchPool, type BatchPoolShared, createBatchPool } from '../storage/batch-pool.ts';
import type { StorageRequest } from '../storage/messages.ts';
import type { CarveOrder } from './capture/carver.ts';
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

/** What is read, and how; the same for every use of the files. */
export interface ReadOptions extends MeteringOptions {
  /** Paths of savefiles; "-" is stdin. */
  files: string[];
  /** Namespace name to store with the flows, or null. */
  netns: string | null;
  /** tcpdump expression, or null. */
  filter: string | null;
  /** Routes to decide with, or null: every decision is then "unknown". */
  snapshot: RouteSnapshot | null;
  /** Two replays of the same files with the same seed make the same flows: it keys the tables. Left out: any. */
  seed?: number;
  onProgress?: (progress: ReplayProgress) => void;
  /** Aborted, it stops reading and stores what it has; it notices at the next octets, which a silent pipe has not. */
  signal?: AbortSignal;
  /** Nothing more is read; `stopped` when that is because of `signal`. */
  onEnding?: (stopped: boolean) => void;
}

export interface ReplayOptions extends ReadOptions {
  db: string;
  /** For the run's row. */
  commandLine: string;
  /** Trouble with the database that may pass. */
  onTrouble?: (message: string) => void;
}

export type ReplayProgress = Extract<ReplayReply, { type: 'progress' }>;
/** What one reading of the files saw. */
export type ReadTotals = Omit<Extract<ReplayReply, { type: 'done' }>, 'type'>;
export interface ReplayTotals extends ReadTotals {
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
  const storage = startStorage(options.db, run, [{ port: port2, pool }], (trouble) => {
    if (trouble.type === 'error') options.onTrouble?.(trouble.message);
  });
  // Reading starts only when there is somewhere to write.
  const runId = await storage.ready;
  const reading = startReading(options, pool, port1, null);
  try {
    const totals = await Promise.race([reading.done, storage.closed.then(() => reading.done)]);
    await storage.closed;
    return { ...totals, runId };
  } catch (error) {
    // A thread that waits for a batch which storage will never release keeps the process alive for a minute. Its end closes
    // its port, and so ends storage: that one's failure is the better reason than that nobody took the batches.
    await reading.terminate();
    await storage.closed;
    throw error;
  }
}

/**
 * Reads savefiles again as an earlier replay read them, and writes the packets of wanted flows to a file. Nothing is stored.
 * @param options with the `seed` of that replay, so that flows have the same numbers
 * @throws Error when the file cannot be written
 */
export async function carve(options: ReadOptions & { seed: number }, order: CarveOrder): Promise<ReadTotals> {
  const shared = createBatchPool(BATCH_RECORDS, BATCHES, extraBytes(options));
  const pool = new BatchPool(shared);
  const { port1, port2 } = new MessageChannel();
  // The flows are known already.
  port2.on('message', (request: StorageRequest) => {
    if (request.type === 'batch') pool.release(request.batch);
  });
  const reading = startReading(options, shared, port1, order);
  try {
    return await reading.done;
  } finally {
    await reading.terminate();
    port2.close();
  }
}

/** A replay thread at work. */
interface Reading {
  done: Promise<ReadTotals>;
  terminate(): Promise<unknown>;
}

function startReading(
  options: ReadOptions,
  pool: BatchPoolShared,
  port: MessagePort,
  order: CarveOrder | null,
): Reading {
  const stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const shallStop = (): void => void Atomics.store(stop, 0, 1);
  if (options.signal?.aborted) shallStop();
  options.signal?.addEventListener('abort', shallStop);
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
  };
  const worker = new Worker(sibling('./capture/replay-thread', import.meta.url), {
    workerData,
    transferList: [port],
  });
  const done = new Promise<ReadTotals>((resolve, reject) => {
    worker.on('message', (reply: ReplayReply) => {
      if (reply.type === 'progress') options.onProgress?.(reply);
      else if (reply.type === 'ending') options.onEnding?.(reply.stopped);
      else {
        const { type: _, ...totals } = reply;
        resolve(totals);
      }
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`the replay thread ended with ${code}`)));
  });
  return { done, terminate: () => worker.terminate() };
}

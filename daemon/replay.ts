import { MessageChannel } from 'node:worker_threads';
import { BatchPool, createBatchPool } from '../storage/batch-pool.ts';
import type { StorageRequest } from '../storage/messages.ts';
import type { CarveOrder } from './capture/carver.ts';
import type { ReplayReply } from './capture/replay-thread.ts';
import type { MeteringOptions } from './config.ts';
import { extraBytes } from './extra-bytes.ts';
import { planReplay } from './replay-plan.ts';
import { startReading } from './replay-reading.ts';
import type { RouteSnapshot } from './routes/snapshot.ts';
import { startStorage, upgradeText } from './storage-worker.ts';
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
  /** Octets that several threads read at a time, at least 512; left out: what is fast. */
  windowLen?: number;
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
  /** Trouble with the database that may pass, or why it takes long to open. */
  onTrouble?: (message: string) => void;
  /** Threads that meter, where the files allow it (see planReplay); null or left out: as many as help. */
  threads?: number | null;
}

export type ReplayProgress = Extract<ReplayReply, { type: 'progress' }>;
/** What one reading of the files saw. */
export type ReadTotals = Omit<Extract<ReplayReply, { type: 'done' }>, 'type'>;
export interface ReplayTotals extends ReadTotals {
  /** Number of the run in the database. */
  runId: number;
}

/**
 * Replays savefiles into the database: the capture and storage threads of the daemon, with files as packet source. Flows and
 * counters do not depend on the number of threads; the numbers of flows do.
 * @returns totals when everything is committed; damaged files are in `errors`
 * @throws Error when the database cannot be opened or written
 */
export async function replay(options: ReplayOptions): Promise<ReplayTotals> {
  const { threads, octets } = planReplay(options.files, options.threads ?? null);
  const ways = Array.from({ length: threads }, () => {
    const { port1, port2 } = new MessageChannel();
    return {
      outlet: port1,
      inlet: port2,
      pool: createBatchPool(BATCH_RECORDS, BATCHES, extraBytes(options)),
    };
  });
  const run = {
    kind: 'replay' as const,
    version: version(),
    commandLine: options.commandLine,
    timeseries: options.timeseries,
  };
  const inlets = ways.map(({ inlet, pool }) => ({ port: inlet, pool }));
  const storage = startStorage(options.db, run, inlets, (trouble) => {
    if (trouble.type === 'error') options.onTrouble?.(`${trouble.message}; trying again`);
    else if (trouble.type === 'upgrading') options.onTrouble?.(upgradeText(trouble.path));
  });
  const outlets = ways.map(({ outlet, pool }) => ({ port: outlet, pool }));
  const reading = startReading(options, outlets, octets, null);
  let runId: number;
  try {
    // Reading begins only when there is somewhere to write.
    runId = await storage.ready;
  } catch (error) {
    await reading.terminate();
    throw error;
  }
  reading.begin();
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
  const reading = startReading(options, [{ port: port1, pool: shared }], null, order);
  reading.begin();
  try {
    return await reading.done;
  } finally {
    await reading.terminate();
    port2.close();
  }
}

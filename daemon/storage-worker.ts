import { type MessagePort, Worker } from 'node:worker_threads';
import type { Experiment, ExperimentChange } from '../storage/experiments.ts';
import type { RunInfo, StorageReply } from '../storage/messages.ts';
import type { KnownDecision } from '../storage/route-decision.ts';
import type { RetentionOptions } from '../storage/retention-options.ts';
import type { StorageInlet } from '../storage/storage-service.ts';
import type { StorageThreadData, StorageThreadRequest } from '../storage/storage-thread.ts';
import { nowNs } from '../storage/time.ts';
import { ControlError } from './control/errors.ts';
import { Questions } from './questions.ts';
import { sibling } from './sibling.ts';
import { threadEnv } from './thread-env.ts';

/** What storage tells while it goes on: trouble that may pass (disk full, locked), its end, and what retention does. */
export type StorageNotice = Exclude<
  StorageReply,
  { type: 'ready' | 'closed' | 'synced' | 'marked' | 'unmarked' | 'decided' }
>;

/** What is said while a database of an older nstap is brought up to date. */
export function upgradeText(path: string): string {
  return `${path} is of an older nstap and is brought up to date, some 8 s a million flows`;
}

/** The storage thread, running. */
export interface StorageWorker {
  /**
   * Takes requests from one more thread that has no batches (it follows routes). `closed` waits for its `close`, or its end,
   * as it does for the capture thread's; so it is to be added before that one closes, and stopped before `closed` is awaited.
   * @param port storage's end of the channel; transferred
   */
  addInlet(port: MessagePort): void;
  /** Has a reader told what is written, see FlowTap. @param port storage's end of the channel; transferred */
  watch(port: MessagePort): void;
  /** Starts or stops an experiment, as of now. Rejects with ControlError. */
  mark(change: ExperimentChange): Promise<Experiment>;
  /**
   * Waits until everything is committed that an inlet's thread sends before its `sync`. Rejects with ControlError.
   * @param ask has that thread send one with this number
   */
  synced(ask: (request: number) => void): Promise<void>;
  /**
   * Route decisions by the numbers of a capture thread: those that are written. Rejects with ControlError.
   * @param thread which of the inlets that storage was started with; left out: the first
   */
  decisions(numbers: number[], thread?: number): Promise<KnownDecision[]>;
  /** The database is open; the number of this run in it. Rejects with the reason when it cannot be. */
  ready: Promise<number>;
  /** Everything is committed and the database closed. Rejects when storage failed for good. */
  closed: Promise<{ flows: number; records: number }>;
}

/**
 * Starts the storage thread.
 * @param inlets    one for each capture thread; their ports are transferred
 * @param notify    called for each StorageNotice that is not fatal
 * @param retention write flows into partitions, and keep the database within these bounds; left out: neither
 */
export function startStorage(
  dbPath: string,
  run: RunInfo,
  inlets: StorageInlet[],
  notify: (notice: StorageNotice) => void,
  retention?: RetentionOptions,
): StorageWorker {
  const workerData: StorageThreadData = {
    dbPath,
    run,
    inlets,
    ...(retention && { retention }),
  };
  const worker = new Worker(sibling('../storage/storage-thread', import.meta.url), {
    ...threadEnv(),
    workerData,
    transferList: inlets.map(({ port }) => port),
  });
  const questions = new Questions();
  const ready = Promise.withResolvers<number>();
  const closed = Promise.withResolvers<{ flows: number; records: number }>();
  const fail = (error: Error): void => {
    ready.reject(error);
    closed.reject(error);
  };
  worker.on('message', (reply: StorageReply) => {
    if (reply.type === 'ready') ready.resolve(reply.runId);
    else if (reply.type === 'closed') closed.resolve({ flows: reply.flows, records: reply.records });
    else if (reply.type === 'synced') questions.answer(reply.request, undefined);
    else if (reply.type === 'marked') questions.answer(reply.request, reply.experiment);
    else if (reply.type === 'unmarked') questions.fail(reply.request, markError(reply.code, reply.message));
    else if (reply.type === 'decided') questions.answer(reply.request, reply.decisions);
    else if (reply.type === 'error' && reply.fatal) {
      fail(
        new Error(
          reply.lostRecords > 0 ? `${reply.message}; ${reply.lostRecords} records are lost` : reply.message,
        ),
      );
    } else notify(reply);
  });
  worker.on('error', fail);
  worker.on('exit', (code) => fail(new Error(`the storage thread ended with ${code}`)));
  // Whoever waits for one of the two must not be surprised by the other.
  ready.promise.catch(() => {});
  closed.promise.catch(() => {});
  const addInlet = (inlet: MessagePort): void => {
    const request: StorageThreadRequest = { type: 'inlet', inlet: { port: inlet, pool: null } };
    worker.postMessage(request, [inlet]);
  };
  const watch = (reader: MessagePort): void => {
    const request: StorageThreadRequest = { type: 'watch', port: reader };
    worker.postMessage(request, [reader]);
  };
  const mark = (change: ExperimentChange): Promise<Experiment> => {
    const atNs = nowNs();
    return questions.ask((request) =>
      worker.postMessage({ type: 'mark', request, change, atNs } satisfies StorageThreadRequest),
    );
  };
  const synced = (ask: (request: number) => void): Promise<void> => questions.ask(ask);
  const decisions = (numbers: number[], thread = 0): Promise<KnownDecision[]> =>
    questions.ask((request) =>
      worker.postMessage({ type: 'decide', request, numbers, thread } satisfies StorageThreadRequest),
    );
  return { addInlet, watch, mark, synced, decisions, ready: ready.promise, closed: closed.promise };
}

/** What a client is told of a change that was not made. @param code of ExperimentError or StorageError */
function markError(code: string, message: string): ControlError {
  switch (code) {
    case 'EXPERIMENT_NAME':
      return new ControlError('CONTROL_BAD_REQUEST', message);
    case 'EXPERIMENT_RUNNING':
      return new ControlError('CONTROL_REFUSED', message);
    case 'EXPERIMENT_NOT_RUNNING':
      return new ControlError('CONTROL_NOT_FOUND', message);
    default:
      return new ControlError('CONTROL_FAILED', message);
  }
}

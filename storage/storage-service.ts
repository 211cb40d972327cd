import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { BatchPool, type BatchPoolShared } from './batch-pool.ts';
import { StorageError, toStorageError } from './errors.ts';
import { changeExperiment, type ExperimentChange, ExperimentError } from './experiments.ts';
import { FlowTap } from './flow-tap.ts';
import type { RunInfo, StorageReply, StorageRequest } from './messages.ts';
import { Retention } from './retention.ts';
import type { RetentionOptions } from './retention-options.ts';
import type { KnownDecision } from './route-decision.ts';
import { RouteBacklog, type RouteGap } from './route-backlog.ts';
import { FlowWriter, type WriteRequest } from './writer.ts';
import type { WriterChannel } from './writer-channel.ts';

/** Storage's end of the way from one thread. */
export interface StorageInlet {
  /** The thread's StorageRequests arrive here; nothing is sent back on it. */
  port: MessagePort;
  /** A capture thread's batches: `release` is the answer that their records are committed. null: it will send none. */
  pool: BatchPoolShared | null;
}

/** While the disk is full or the database is locked, the waiting transaction is tried again this often. */
const RETRY_MS = 500;
/** And after every inlet has closed, at most so long. */
const CLOSE_PATIENCE_MS = 10_000;
/** What is to be dropped is looked for this often; and this soon again while there is more to do. */
const RETENTION_MS = 2000;
const RETENTION_AGAIN_MS = 100;
/** Octets of route updates that wait meanwhile, at most. */
const ROUTE_BACKLOG_BYTES = 64 * 1024 * 1024;

interface OpenInlet {
  port: MessagePort;
  pool: BatchPool | null;
  channel: WriterChannel;
  isOpen: boolean;
}

interface Pending {
  inlet: OpenInlet;
  request: Exclude<StorageRequest, { type: 'close' }> | RouteGap;
}

/**
 * The storage thread's work: takes requests from any number of threads and writes them, everything that has
 * arrived since the last commit as one transaction, so that a busy moment makes fewer and larger ones. A batch is
 * released only when it is committed: what is not on disk still lies in its shared memory, and a capture thread that
 * finds no free batch sheds (and counts) or waits.
 *
 * When the last inlet has closed, the run is ended and the database closed.
 */
export class StorageService {
  readonly #writer: FlowWriter;
  readonly #reply: (message: StorageReply) => void;
  readonly #inlets: OpenInlet[] = [];
  readonly #backlog = new RouteBacklog(ROUTE_BACKLOG_BYTES);
  #tap: FlowTap | null = null;
  #pending: Pending[] = [];
  #flushTimer: NodeJS.Immediate | NodeJS.Timeout | null = null;
  #isInTrouble = false;
  #closeDeadlineMs = Number.POSITIVE_INFINITY;
  readonly #retention: Retention | null;
  #retentionTimer: NodeJS.Timeout | null = null;
  /** The check that goes on. */
  #retaining: Promise<void> | null = null;
  #isRetentionInTrouble = false;
  #isOver = false;

  /**
   * @param retention write flows into partitions, and keep the database within these bounds; null: neither
   * @throws StorageError when the database cannot be opened
   */
  constructor(
    path: string,
    run: RunInfo,
    reply: (message: StorageReply) => void,
    retention: RetentionOptions | null = null,
  ) {
    this.#reply = reply;
    this.#writer = new FlowWriter(path, run, retention !== null, (version) =>
      reply({ type: 'upgrading', path, version }),
    );
    this.#retention = retention === null ? null : new Retention(this.#writer, retention, reply);
    reply({ type: 'ready', runId: this.#writer.runId });
    this.#retainIn(0);
  }

  /** Takes requests from one more thread, until its `close` or the end of the thread. */
  add(inlet: StorageInlet): void {
    const open: OpenInlet = {
      port: inlet.port,
      pool: inlet.pool === null ? null : new BatchPool(inlet.pool),
      channel: this.#writer.channel(),
      isOpen: true,
    };
    this.#inlets.push(open);
    inlet.port.on('message', (request: StorageRequest) => this.#take(open, request));
    inlet.port.on('close', () => this.#closeInlet(open));
  }

  /** Tells a reader what is written from now on, in place of the one before; until its port closes. */
  watch(port: MessagePort): void {
    this.#tap?.close();
    const tap = new FlowTap(port, () => {
      if (this.#tap === tap) this.#tap = null;
    });
    this.#tap = tap;
  }

  /**
   * Starts or stops an experiment and answers `marked` or `unmarked`. At once, and once: whoever asks is told when the database
   * cannot take it.
   * @param atNs when it was asked for, see changeExperiment
   */
  mark(request: number, change: ExperimentChange, atNs: bigint): void {
    if (this.#isOver) return;
    try {
      this.#writer.checkFile();
      const experiment = changeExperiment(this.#writer.db, change, atNs);
      this.#reply({ type: 'marked', request, experiment });
    } catch (error) {
      if (!(error instanceof ExperimentError || error instanceof StorageError)) throw error;
      const { code, message } = error;
      this.#reply({ type: 'unmarked', request, code, message });
    }
  }

  /**
   * Answers `decided` with those that a capture thread has given a number and that are written.
   * @param thread which one: from 0 in the order in which inlets with batches were added
   */
  decide(request: number, numbers: readonly number[], thread: number): void {
    const channel = this.#inlets.filter(({ pool }) => pool !== null)[thread]?.channel;
    const decisions: KnownDecision[] = [];
    try {
      for (const number of this.#isOver || channel === undefined ? [] : numbers) {
        const decision = channel!.decision(number);
        if (decision !== null) decisions.push([number, decision]);
      }
    } catch (error) {
      // The database cannot be read: who watches sees flows without their routes, and the next commit says why.
      if (!(toStorageError('query', this.#writer.path, error) instanceof StorageError)) throw error;
    }
    this.#reply({ type: 'decided', request, decisions });
  }

  /** Ends after what has arrived is written, whether or not the capture threads have closed. */
  close(): void {
    for (const inlet of this.#inlets) {
      for (let m = receiveMessageOnPort(inlet.port); m !== undefined; m = receiveMessageOnPort(inlet.port))
        this.#take(inlet, m.message as StorageRequest);
      this.#closeInlet(inlet);
    }
    this.#flushSoon();
  }

  #take(inlet: OpenInlet, request: StorageRequest): void {
    if (this.#isOver) return;
    if (request.type === 'close') this.#closeInlet(inlet);
    else if (request.type === 'routeUpdate') {
      const admitted = this.#backlog.admit(request);
      if (admitted !== null) this.#pending.push({ inlet, request: admitted });
    } else if (!(this.#isInTrouble && this.#replaceCounters(inlet, request)))
      this.#pending.push({ inlet, request });
    this.#flushSoon();
  }

  /** Counters come every second for as long as the trouble lasts; only the latest count. */
  #replaceCounters(inlet: OpenInlet, request: Pending['request']): boolean {
    const earlier = this.#pending.find((p) => p.inlet === inlet && isSuperseded(p.request, request));
    if (earlier === undefined) return false;
    earlier.request = request;
    return true;
  }

  #closeInlet(inlet: OpenInlet): void {
    if (!inlet.isOpen) return;
    inlet.isOpen = false;
    inlet.port.close();
    this.#flushSoon();
  }

  #flushSoon(): void {
    this.#flushTimer ??= setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushTimer = null;
    if (this.#isOver) return;
    const isLast = this.#inlets.every((inlet) => !inlet.isOpen);
    if (isLast)
      this.#closeDeadlineMs = Math.min(this.#closeDeadlineMs, performance.now() + CLOSE_PATIENCE_MS);
    try {
      if (this.#pending.length > 0) this.#commit();
      // A file that is being removed is first removed, and counted.
      if (isLast && this.#retaining === null) this.#finish();
    } catch (error) {
      this.#failed(error);
    }
  }

  #retainIn(delayMs: number): void {
    if (this.#retention === null) return;
    this.#retentionTimer = setTimeout(() => {
      this.#retaining = this.#retain(this.#retention!).finally(() => {
        this.#retaining = null;
        this.#flushSoon();
      });
    }, delayMs);
  }

  async #retain(retention: Retention): Promise<void> {
    let delayMs = RETENTION_MS;
    try {
      // Where nothing is captured nothing is committed either.
      this.#writer.checkFile();
    } catch (error) {
      this.#failed(error);
      return;
    }
    try {
      if (await retention.check()) delayMs = RETENTION_AGAIN_MS;
      this.#isRetentionInTrouble = false;
    } catch (error) {
      if (this.#isOver) return; // the database was closed for an error that is told already
      if (!(error instanceof StorageError)) throw error;
      const { code, message } = error;
      if (!this.#isRetentionInTrouble) this.#reply({ type: 'retentionTrouble', code, message });
      this.#isRetentionInTrouble = true;
    }
    if (!this.#isOver) this.#retainIn(delayMs);
  }

  #commit(): void {
    const pending = this.#pending;
    this.#writer.write(
      pending.flatMap(({ inlet, request }) => {
        const resolved = resolve(inlet, request);
        return resolved === null ? [] : [[inlet.channel, resolved] as const];
      }),
    );
    this.#pending = [];
    this.#backlog.written();
    if (this.#tap !== null) this.#tell(this.#tap, pending);
    for (const { inlet, request } of pending)
      if (request.type === 'batch') poolOf(inlet).release(request.batch);
      else if (request.type === 'sync') this.#reply({ type: 'synced', request: request.request });
    if (this.#isInTrouble) this.#reply({ type: 'recovered' });
    this.#isInTrouble = false;
  }

  #tell(tap: FlowTap, pending: readonly Pending[]): void {
    for (const { inlet, request } of pending) {
      if (request.type !== 'batch') continue;
      try {
        tap.add(inlet.channel, poolOf(inlet).batch(request.batch));
      } catch (error) {
        // The database cannot be read: the next commit says so, and the reader is told that records are missing.
        if (!(toStorageError('query', this.#writer.path, error) instanceof StorageError)) throw error;
      }
    }
  }

  #finish(): void {
    this.#isOver = true;
    this.#tap?.close();
    if (this.#retentionTimer !== null) clearTimeout(this.#retentionTimer);
    this.#retention?.tell();
    const { flows, records } = this.#writer.totals;
    this.#writer.checkFile();
    this.#writer.close();
    this.#reply({ type: 'closed', flows, records });
  }

  #failed(error: unknown): void {
    if (!(error instanceof StorageError)) throw error;
    const { code, message } = error;
    if (error.isTransient && !this.#isOver && performance.now() < this.#closeDeadlineMs) {
      if (!this.#isInTrouble) this.#reply({ type: 'error', code, message, fatal: false, lostRecords: 0 });
      this.#isInTrouble = true;
      this.#flushTimer = setTimeout(() => this.#flush(), RETRY_MS);
      return;
    }
    this.#isOver = true;
    if (this.#retentionTimer !== null) clearTimeout(this.#retentionTimer);
    this.#reply({ type: 'error', code, message, fatal: true, lostRecords: this.#waitingRecords() });
    for (const inlet of this.#inlets) inlet.port.close();
    this.#tap?.close();
    try {
      this.#writer.close();
    } catch (closing) {
      // Told already: the same trouble that ended the thread.
      if (!(closing instanceof StorageError)) throw closing;
    }
    process.exitCode = 1;
  }

  #waitingRecords(): number {
    let records = 0;
    for (const { inlet, request } of this.#pending) {
      if (request.type !== 'batch') continue;
      const batch = poolOf(inlet).batch(request.batch);
      records += batch.count + batch.changeCount;
    }
    return records;
  }
}

/** @returns null for what is not written */
function resolve(inlet: OpenInlet, request: Pending['request']): WriteRequest | null {
  if (request.type === 'sync') return null;
  return request.type === 'batch' ? { type: 'batch', batch: poolOf(inlet).batch(request.batch) } : request;
}

/** True for two of the same counters, which are cumulative. */
function isSuperseded(earlier: Pending['request'], later: Pending['request']): boolean {
  if (later.type === 'counters')
    return earlier.type === later.type && earlier.captureIndex === later.captureIndex;
  if (later.type === 'load') return earlier.type === later.type;
  if (later.type === 'routeAudit' || later.type === 'routeMirror')
    return earlier.type === later.type && earlier.netnsId === later.netnsId;
  return false;
}

function poolOf(inlet: OpenInlet): BatchPool {
  if (inlet.pool === null) throw new RangeError('storage: a batch from a thread that said it has none');
  return inlet.pool;
}

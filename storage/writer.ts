import { type FlowDatabase, openForWriting } from './database.ts';
import { toStorageError } from './errors.ts';
import type { FlowBatch } from './flow-batch.ts';
import { localHost } from './host.ts';
import type { RunInfo, StorageRequest, ThreadLoad } from './messages.ts';
import type { RouteGap } from './route-backlog.ts';
import { RouteWriter } from './route-writer.ts';
import { SeriesWriter } from './series.ts';
import { nowNs } from './time.ts';
import {
  type ChannelOwner,
  prepareStatements,
  WriterChannel,
  type WriterStatements,
} from './writer-channel.ts';

/** What a writer has committed. */
export interface WriterTotals {
  /** Rows added to `flows`. */
  flows: number;
  /** Records taken from batches: new flows and later records of the same. */
  records: number;
}

/** A request as the writer takes it: the batch itself in place of its number, and what stands for lost updates. */
export type WriteRequest =
  | Exclude<StorageRequest, { type: 'batch' } | { type: 'close' }>
  | { type: 'batch'; batch: FlowBatch }
  | RouteGap;

/**
 * Writes one run (a daemon's life, or one replay) into a database that other processes may write and read meanwhile. It
 * opens the database, writes the run's row, and owns the connection until `close`.
 */
export class FlowWriter implements ChannelOwner {
  readonly path: string;
  readonly runId: number;
  readonly hostId: number;
  readonly statements: WriterStatements;
  readonly series: SeriesWriter | null;
  readonly #db: FlowDatabase;
  readonly #routes: RouteWriter;
  readonly #channels: WriterChannel[] = [];
  readonly #undo: (() => void)[] = [];
  #totals: WriterTotals = { flows: 0, records: 0 };
  #isClosed = false;

  /** @throws StorageError when the database cannot be opened or written */
  constructor(path: string, run: RunInfo) {
    this.path = path;
    this.#db = openForWriting(path);
    try {
      this.statements = prepareStatements(this.#db);
      this.series = run.timeseries ? new SeriesWriter(this.#db) : null;
      [this.hostId, this.runId] = this.#db.transaction(() => startRun(this.#db, run)).immediate();
      this.#routes = new RouteWriter(this.#db, this.runId);
    } catch (error) {
      this.#db.close();
      throw toStorageError('begin a run in', path, error);
    }
  }

  /** What is committed so far. */
  get totals(): Readonly<WriterTotals> {
    return this.#totals;
  }

  /** How long a commit waits for another process's transaction, in milliseconds, before it fails with SQLITE_BUSY. */
  setBusyTimeout(timeoutMs: number): void {
    this.#db.pragma(`busy_timeout = ${timeoutMs}`);
  }

  /** A numbering of captures, decisions and flows of its own: one for each capture thread. */
  channel(): WriterChannel {
    const channel = new WriterChannel(this);
    this.#channels.push(channel);
    return channel;
  }

  onRollback(undo: () => void): void {
    this.#undo.push(undo);
  }

  /**
   * Writes requests in one transaction, in order: all of them, or none.
   * @throws StorageError; nothing of `requests` is in the database then, and the same call may be tried again
   */
  write(requests: Iterable<readonly [WriterChannel, WriteRequest]>): void {
    const totals = { ...this.#totals };
    try {
      // IMMEDIATE: a transaction that read first and wrote then could not be retried when another process wrote in between.
      this.#db
        .transaction(() => {
          for (const [channel, request] of requests) this.#apply(channel, request, totals);
          this.#updateRun(totals, null);
        })
        .immediate();
    } catch (error) {
      for (const undo of this.#undo.toReversed()) undo();
      throw toStorageError('commit', this.path, error);
    } finally {
      this.#undo.length = 0;
    }
    this.#totals = totals;
  }

  /**
   * Writes the run's end, folds the write-ahead log into the database, and closes it; a second call does nothing.
   * @throws StorageError; the connection is closed all the same
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#updateRun(this.#totals, nowNs());
      // A reader in the middle of a query keeps the log from being cut: the next one to close will do it.
      this.#db.pragma('wal_checkpoint(TRUNCATE)');
    } catch (error) {
      throw toStorageError('close', this.path, error);
    } finally {
      this.#db.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #apply(channel: WriterChannel, request: WriteRequest, totals: WriterTotals): void {
    switch (request.type) {
      case 'capture':
        channel.addCapture(request.info);
        break;
      case 'decisions':
        channel.addDecisions(request.base, request.list);
        break;
      case 'counters':
        channel.setCounters(request.captureIndex, request.counters, request.final);
        break;
      case 'filter':
        channel.setFilter(request.captureIndex, request.filter);
        break;
      case 'load':
        this.#setLoad(request.load);
        break;
      case 'batch':
        totals.flows += channel.writeBatch(request.batch);
        totals.records += request.batch.count;
        break;
      default:
        this.#routes.write(request);
    }
  }

  /** Of the one capture thread that a run has. */
  #setLoad({ queued, queueSize, cpuNs }: ThreadLoad): void {
    this.#db
      .prepare('UPDATE runs SET queued = ?, queue_size = ?, capture_cpu_ns = ? WHERE run_id = ?')
      .run(queued, queueSize, cpuNs, this.runId);
  }

  #updateRun(totals: WriterTotals, endedNs: bigint | null): void {
    const clamped = this.#channels.reduce((n, channel) => n + channel.clampedTimes, 0);
    this.#db
      .prepare('UPDATE runs SET flows = ?, records = ?, clamped_times = ?, ended_ns = ? WHERE run_id = ?')
      .run(totals.flows, totals.records, clamped, endedNs, this.runId);
  }
}

/** @returns host id and run id */
function startRun(db: FlowDatabase, run: RunInfo): [number, number] {
  const { machineId, name } = run.host ?? localHost();
  db.prepare('INSERT OR IGNORE INTO hosts (machine_id, name) VALUES (?, ?)').run(machineId, name);
  const hostId = db
    .prepare<[string, string], number>('SELECT host_id FROM hosts WHERE machine_id = ? AND name = ?')
    .pluck()
    .get(machineId, name)!;
  const { lastInsertRowid } = db
    .prepare(
      `INSERT INTO runs (host_id, kind, version, command_line, pid, started_ns) VALUES (?, ?, ?, ?, ?, ?)`,
    )
    .run(hostId, run.kind, run.version, run.commandLine, process.pid, nowNs());
  return [hostId, Number(lastInsertRowid)];
}

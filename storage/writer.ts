import { statSync } from 'node:fs';
import { durably, type FlowDatabase, openForWriting } from './database.ts';
import { StorageError, toStorageError } from './errors.ts';
import type { FlowBatch } from './flow-batch.ts';
import { hasFlowIndexes, makeFlowIndexes } from './flow-indexes.ts';
import { type FlowHome, flowHome } from './flow-home.ts';
import { localHost } from './host.ts';
import type { RunInfo, StorageRequest, ThreadLoad } from './messages.ts';
import { Partitions } from './partitions.ts';
import type { RouteGap } from './route-backlog.ts';
import { RouteWriter } from './route-writer.ts';
import { SharedCaptures } from './shared-captures.ts';
import { sum } from './sum.ts';
import { nowNs } from './time.ts';
import {
  type ChannelOwner,
  prepareStatements,
  WriterChannel,
  type WriterStatements,
} from './writer-channel.ts';

/** How long the logs of each file wait for readers at the end of a run. */
const CHECKPOINT_PATIENCE_MS = 100;

/**
 * Flows of a replay into a new database before they are indexed all the same: readers look at all of them until then, and making the
 * indexes takes seconds, in which the replay waits.
 */
const UNINDEXED_MAX = 262_144;

/** What a writer has committed. */
export interface WriterTotals {
  /** Rows added to `flows`. */
  flows: number;
  /** Records taken from batches: new flows and later records of the same. */
  records: number;
}

/** A request as the writer takes it: the batch itself in place of its number, and what stands for lost updates. */
export type WriteRequest =
  | Exclude<StorageRequest, { type: 'batch' } | { type: 'sync' } | { type: 'close' }>
  | { type: 'batch'; batch: FlowBatch }
  | RouteGap;

/** A request and the channel that it came by. */
type Addressed = readonly [WriterChannel, WriteRequest];

/**
 * Writes one run (a daemon's life, or one replay) into a database that other processes may write and read meanwhile. It
 * opens the database, writes the run's row, and owns the connection until `close`.
 *
 * Flows go to the main file, or to partitions (see Partitions). SQLite commits several files one after the other, the main one
 * first, and a disk that is full in the middle leaves the first committed. So there everything but batches is committed before
 * them, and only once; what captures and decisions a flow points at is on the disk before the flow is.
 */
export class FlowWriter implements ChannelOwner {
  readonly path: string;
  readonly runId: number;
  readonly hostId: number;
  readonly statements: WriterStatements;
  /** null: flows go to the main file. */
  readonly partitions: Partitions | null;
  /** The connection, for retention; it is the writer's to close. */
  readonly db: FlowDatabase;
  readonly #main: FlowHome;
  readonly #routes: RouteWriter;
  readonly #addFlows;
  readonly #channels: WriterChannel[] = [];
  readonly #undo: (() => void)[] = [];
  readonly sharedCaptures = new SharedCaptures((undo) => this.onRollback(undo));
  /** What each channel has told last. As it tells all of it again, a rollback takes nothing back. */
  readonly #loads = new Map<WriterChannel, ThreadLoad>();
  /** Requests without flows that are committed although the batches beside them are not. */
  readonly #announced = new WeakSet<WriteRequest>();
  #totals: WriterTotals = { flows: 0, records: 0 };
  /** The indexes of flows are yet to be made. */
  #isUnindexed: boolean;
  /** The file that was opened, see fileNumber. */
  readonly #file: string | null;
  #isClosed = false;

  /**
   * @param partitioned write flows into partitions
   * @param onOlder see openForWriting
   * @throws StorageError when the database cannot be opened or written
   */
  constructor(path: string, run: RunInfo, partitioned = false, onOlder?: (version: number) => void) {
    this.path = path;
    // A replay is over soon, and its flows mostly come at its end.
    this.db = openForWriting(path, run.kind === 'replay' && !partitioned, onOlder);
    try {
      this.#isUnindexed = !hasFlowIndexes(this.db);
      this.#file = fileNumber(path);
      const timeseries = run.timeseries ?? false;
      this.statements = prepareStatements(this.db);
      this.#main = flowHome(this.db, 0, timeseries);
      this.partitions = partitioned
        ? new Partitions(this.db, path, timeseries, {
            begun: (home) => {
              for (const channel of this.#channels) channel.moveTo(home);
            },
            gone: (home) => {
              for (const channel of this.#channels) channel.leave(home, this.#main);
            },
          })
        : null;
      const highest = Partitions.highestFlowId(this.db, path);
      [this.hostId, this.runId] = this.db.transaction(() => startRun(this.db, run, highest)).immediate();
      this.#routes = new RouteWriter(this.db, this.runId);
      this.#addFlows = this.db.prepare<[number, number]>(
        'UPDATE main.partitions SET flows = flows + ? WHERE number = ?',
      );
    } catch (error) {
      this.db.close();
      throw toStorageError('begin a run in', path, error);
    }
  }

  get home(): FlowHome {
    return this.partitions?.newest ?? this.#main;
  }

  /** What is committed so far. */
  get totals(): Readonly<WriterTotals> {
    return this.#totals;
  }

  /** How long a commit waits for another process's transaction, in milliseconds, before it fails with SQLITE_BUSY. */
  setBusyTimeout(timeoutMs: number): void {
    this.db.pragma(`busy_timeout = ${timeoutMs}`);
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
   * Writes requests, in order: all of them, or none; see the class for partitions.
   * @throws StorageError; the same call may be tried again then, unless the file is gone (see checkFile)
   */
  write(requests: Iterable<Addressed>): void {
    this.checkFile();
    if (this.partitions === null) {
      if (this.#isUnindexed && this.#totals.flows >= UNINDEXED_MAX) this.#makeIndexes();
      this.#commit(requests);
      return;
    }
    const all = [...requests];
    const others = all.filter(([, request]) => request.type !== 'batch' && !this.#announced.has(request));
    if (others.length > 0) {
      const isPointedAt = others.some(([, { type }]) => type === 'capture' || type === 'decisions');
      if (isPointedAt) durably(this.db, () => this.#commit(others));
      else this.#commit(others);
      for (const [, request] of others) this.#announced.add(request);
    }
    const batches = all.filter(([, request]) => request.type === 'batch');
    if (batches.length > 0) this.#commit(batches);
  }

  /**
   * Looks whether what is written can still be found. A file that was removed takes every commit, and they go with it.
   * @throws StorageError: NSTAP_GONE when the path leads to no file or to another one
   */
  checkFile(): void {
    let file: string | null;
    try {
      file = fileNumber(this.path);
    } catch (error) {
      throw toStorageError('find', this.path, error);
    }
    if (file !== this.#file)
      throw new StorageError(
        'commit',
        this.path,
        'NSTAP_GONE',
        `the file was ${file === null ? 'removed or moved' : 'replaced'} while it was written; flows of this run in it: ${this.#totals.flows}`,
      );
  }

  /**
   * Writes the run's end, makes the indexes if they were put off, folds the write-ahead log into the database, and closes it; a second call does nothing.
   * @throws StorageError; the connection is closed all the same
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#updateRun(this.#totals, nowNs());
      if (this.#isUnindexed) this.#makeIndexes();
      // A reader in the middle of a query keeps a log from being cut: the next one to close will do it, for ten files that
      // wait for it one after the other would take longer than whoever ended the run has patience.
      this.setBusyTimeout(CHECKPOINT_PATIENCE_MS);
      this.db.pragma('wal_checkpoint(TRUNCATE)');
    } catch (error) {
      throw toStorageError('close', this.path, error);
    } finally {
      this.db.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #makeIndexes(): void {
    try {
      makeFlowIndexes(this.db);
      this.#isUnindexed = false;
    } catch (error) {
      throw toStorageError('make the indexes of the flows that are stored in', this.path, error);
    }
  }

  #commit(requests: Iterable<Addressed>): void {
    const totals = { ...this.#totals };
    const homes = this.partitions?.homes ?? [];
    for (const home of homes) home.added = 0;
    try {
      // IMMEDIATE: a transaction that read first and wrote then could not be retried when another process wrote in between.
      this.db
        .transaction(() => {
          for (const [channel, request] of requests) this.#apply(channel, request, totals);
          for (const { number, added } of homes) if (added > 0) this.#addFlows.run(added, number);
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

  #apply(channel: WriterChannel, request: WriteRequest, totals: WriterTotals): void {
    switch (request.type) {
      case 'capture':
        channel.addCapture(request.info);
        break;
      case 'decisions':
        channel.addDecisions(request.base, request.list);
        break;
      case 'counters':
        channel.setCounters(request.captureIndex, request);
        break;
      case 'filter':
        channel.setFilter(request.captureIndex, request.filter);
        break;
      case 'load':
        this.#setLoad(channel, request.load);
        break;
      case 'batch':
        totals.flows += channel.writeBatch(request.batch);
        totals.records += request.batch.count;
        break;
      default:
        this.#routes.write(request);
    }
  }

  /** The sum over all capture threads of the run. */
  #setLoad(channel: WriterChannel, load: ThreadLoad): void {
    this.#loads.set(channel, load);
    const { queued, queueSize, cpuNs } = [...this.#loads.values()].reduce(sum);
    this.statements.updateLoad.run(queued, queueSize, cpuNs, this.runId);
  }

  #updateRun(totals: WriterTotals, endedNs: bigint | null): void {
    const clamped = this.#channels.reduce((n, channel) => n + channel.clampedTimes, 0);
    this.statements.updateRun.run(totals.flows, totals.records, clamped, endedNs, this.runId);
  }
}

/** What tells a file from another of the same path, as SQLite does; null: there is none. stat(2) */
function fileNumber(path: string): string | null {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? null : `${stat.dev}:${stat.ino}`;
}

/**
 * @param highest id of a flow in partitions: after a power cut, they may have more of the last second than the main file
 * @returns host id and run id
 */
function startRun(db: FlowDatabase, run: RunInfo, highest: number): [number, number] {
  db.prepare("UPDATE meta SET value = ? WHERE name = 'next_flow_id' AND value <= ?").run(
    highest + 1,
    highest,
  );
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

import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { toStorageError } from './errors.ts';
import type { FlowHome } from './flow-home.ts';
import { MainSweep } from './main-sweep.ts';
import type { RetentionNotice } from './messages.ts';
import {
  databaseOctets,
  MAX_PARTITIONS,
  type PartitionRow,
  partitionPath,
  unlinkPartition,
} from './partition-files.ts';
import type { Partitions } from './partitions.ts';
import { earliestEnd } from './retained.ts';
import { boundOctets, type RetentionOptions } from './retention-options.ts';
import { nowNs } from './time.ts';
import type { FlowWriter } from './writer.ts';

/** A bound on age or size is kept in so many steps: one partition each, and the newest one. */
const STEPS = MAX_PARTITIONS - 1;
/** No partition is begun for its age before this one is so old: a day of experiments needs no more files than a month. */
const PERIOD_MIN_SEC = 3600;
/** What a reader has open gives its space back only when it ends: so long, nothing more is dropped for free space. */
const FREE_PAUSE_MS = 30_000;
/** Work on the rows of the main file in one check: the writer waits meanwhile. */
const SLICE_MS = 20;
/** Runs and captures are kept for so long, whatever is left of their flows: an hour. */
const RECENT_NS = 3_600_000_000_000n;
const NS_PER_SEC = 1_000_000_000n;

/** Octets of a file system: all, and those that a user may still take. statfs(2) */
interface Disk {
  totalOctets: number;
  freeOctets: number;
}

/** The world as retention sees it; tests have their own. */
export interface RetentionEnv {
  /** Wall clock, nanoseconds since the epoch. */
  nowNs(): bigint;
  /** A clock that nobody sets, milliseconds. */
  elapsedMs(): number;
  /** The file system that a folder is on. */
  disk(folder: string): Disk;
}

const HOST: RetentionEnv = {
  nowNs,
  elapsedMs: () => performance.now(),
  disk: (folder) => {
    const { bsize, blocks, bavail } = statfsSync(folder);
    return { totalOctets: blocks * bsize, freeOctets: bavail * bsize };
  },
};

type Reason = RetentionNotice['reason'];

/**
 * Keeps a database within bounds on age, size and free disk, beside its writer, in the writer's thread: begins partitions in
 * time, drops the oldest, and sweeps the main file. Removing a file is the thread pool's work; what is done here takes
 * milliseconds.
 */
export class Retention {
  readonly #writer: FlowWriter;
  readonly #partitions: Partitions;
  readonly #options: RetentionOptions;
  readonly #notify: (notice: RetentionNotice) => void;
  readonly #env: RetentionEnv;
  readonly #sweep: MainSweep;
  #freedMs = Number.NEGATIVE_INFINITY;
  /** Prepared once each, as all that is done again and again. */
  readonly #asks = new Map<string, { get(): unknown }>();
  readonly #asksNs = new Map<string, { get(): bigint | undefined }>();
  /** Something was dropped since the main file was last tidied, or may have been before this run. */
  #isUntidy = true;
  /** Flows dropped from the main file that were not told yet: they go by the hundred. */
  #swept: { flows: number; reason: Reason } | null = null;
  /** What the database was like when nothing was due; '' after something was. */
  #quiet = '';

  /** @param writer has partitions; stays the caller's */
  constructor(
    writer: FlowWriter,
    options: RetentionOptions,
    notify: (notice: RetentionNotice) => void,
    env: RetentionEnv = HOST,
  ) {
    if (writer.partitions === null) throw new RangeError('retention: the writer has no partitions');
    this.#writer = writer;
    this.#partitions = writer.partitions;
    this.#options = options;
    this.#notify = notify;
    this.#env = env;
    this.#sweep = new MainSweep(writer.db, writer.runId);
  }

  /**
   * Looks once, and does one thing that is due. Not while an earlier call goes on, nor within a transaction.
   * @returns true when it should be called again soon
   * @throws StorageError; the next call tries again
   */
  async check(): Promise<boolean> {
    try {
      return await this.#check();
    } catch (error) {
      throw toStorageError('retain', this.#writer.path, error);
    }
  }

  /** Tells what was dropped from the main file and not told yet; before the end, too. */
  tell(): void {
    if (this.#swept === null) return;
    const { flows, reason } = this.#swept;
    this.#swept = null;
    this.#notify({ type: 'dropped', partition: 0, flows, octets: 0, fromNs: null, untilNs: null, reason });
  }

  async #check(): Promise<boolean> {
    const disk = this.#env.disk(dirname(this.#writer.path));
    const version = this.#version();
    const isSame = version === this.#quiet && this.#options.ageSec === null;
    if (isSame && !this.#isShort(disk)) return false;
    this.#quiet = '';
    const isMore = await this.#look(disk);
    // What this very look has written is looked at as well.
    if (!isMore) this.#quiet = version;
    return isMore;
  }

  /** Another after each commit: of this connection, or of another one. */
  #version(): string {
    return `${this.#ask('SELECT total_changes()')}/${this.#ask('PRAGMA main.data_version')}`;
  }

  async #look(disk: Disk): Promise<boolean> {
    for (const row of this.#partitions.refresh()) this.#dropped(row, null, 0, 'missing');
    const sizeMax = this.#options.size === null ? null : boundOctets(this.#options.size, disk.totalOctets);
    const rows = this.#partitions.rows();
    if (this.#isDue(rows, sizeMax ?? disk.totalOctets)) {
      this.#partitions.begin(this.#env.nowNs());
      return true;
    }

    const beforeNs =
      this.#options.ageSec === null ? null : this.#env.nowNs() - BigInt(this.#options.ageSec) * NS_PER_SEC;
    const need = this.#need(rows, sizeMax, disk);
    const oldest = this.#oldestClosed();
    const deadlineMs = performance.now() + SLICE_MS;
    let isBusy = false;
    // What ended before the oldest partition was closed is as old as what that one holds, and goes first.
    if (need !== null && (need === 'size' || this.#sweep.canVacuum))
      isBusy = this.#sweepFlows(rows[0]!.closedNs ?? rows[0]!.createdNs, need, deadlineMs);
    if (!isBusy && oldest !== null && (need !== null || this.#isPast(oldest, beforeNs))) {
      await this.#drop(oldest, need ?? 'age');
      return true;
    }
    if (!isBusy && beforeNs !== null) isBusy = this.#sweepFlows(beforeNs, 'age', deadlineMs);
    if (!isBusy) this.tell();
    const horizonNs = this.#isUntidy ? this.#horizonNs() : null;
    if (horizonNs !== null) this.#isUntidy = this.#sweep.tidy(horizonNs, deadlineMs);
    const isFull = this.#sweep.vacuum(deadlineMs);
    return isBusy || isFull || (horizonNs !== null && this.#isUntidy);
  }

  /**
   * What was over before it, and has no flows, is of no use: the oldest flow's end. Not sooner than some time ago: the captures of
   * an engine that was killed a moment ago tell what it counted, though their flows were not written any more.
   */
  #horizonNs(): bigint | null {
    const endNs = earliestEnd(this.#writer.db);
    const recentNs = this.#env.nowNs() - RECENT_NS;
    return endNs === null || endNs < recentNs ? endNs : recentNs;
  }

  /** True when the newest partition has all it should have. */
  #isDue(rows: PartitionRow[], octets: number): boolean {
    const { newest } = this.#partitions;
    const row = rows.find(({ number }) => number === newest.number);
    if (row === undefined || rows.length >= MAX_PARTITIONS || this.#lowestId(newest) === null) return false;
    if (databaseOctets(this.#path(newest)) >= octets / STEPS) return true;
    if (this.#options.ageSec === null) return false;
    const periodSec = Math.max(PERIOD_MIN_SEC, Math.floor(this.#options.ageSec / STEPS));
    const ageNs = this.#env.nowNs() - row.createdNs;
    // A clock that was set back by a period is as good as one that went on: else nothing would be begun until it is there again.
    return (ageNs < 0n ? -ageNs : ageNs) >= BigInt(periodSec) * NS_PER_SEC;
  }

  /** Why something has to go, whatever its age; null: nothing has to. */
  #need(rows: PartitionRow[], sizeMax: number | null, disk: Disk): 'size' | 'free' | null {
    const { path } = this.#writer;
    const partitions = rows.reduce((sum, { number }) => sum + databaseOctets(partitionPath(path, number)), 0);
    if (sizeMax !== null && partitions + this.#sweep.usedOctets > sizeMax) return 'size';
    return this.#isShort(disk) && this.#env.elapsedMs() - this.#freedMs >= FREE_PAUSE_MS ? 'free' : null;
  }

  #isShort({ freeOctets, totalOctets }: Disk): boolean {
    const { free } = this.#options;
    return free !== null && freeOctets < boundOctets(free, totalOctets);
  }

  #oldestClosed(): FlowHome | null {
    const oldest = this.#partitions.homes[0];
    return oldest === undefined || oldest === this.#partitions.newest ? null : oldest;
  }

  #lowestId({ schema }: Pick<FlowHome, 'schema'>): number | null {
    return this.#ask<number>(`SELECT min(flow_id) FROM ${schema}.flows`);
  }

  #isPast({ schema }: FlowHome, beforeNs: bigint | null): boolean {
    if (beforeNs === null) return false;
    const last = this.#askNs(`SELECT max(end_ns) FROM ${schema}.flows`);
    return last === null || last < beforeNs;
  }

  async #drop(home: FlowHome, reason: Reason): Promise<void> {
    const row = this.#partitions.rows().find(({ number }) => number === home.number);
    if (row === undefined) return; // by another process, this moment
    const octets = databaseOctets(this.#path(home));
    const span = {
      fromNs: this.#askNs(`SELECT min(start_ns) FROM ${home.schema}.flows`),
      untilNs: this.#askNs(`SELECT max(end_ns) FROM ${home.schema}.flows`),
    };
    this.#partitions.detach(home.number);
    await unlinkPartition(this.#writer.path, home.number);
    if (reason === 'free') this.#freedMs = this.#env.elapsedMs();
    this.#dropped(row, span, octets, reason);
  }

  #dropped(
    row: PartitionRow,
    span: { fromNs: bigint | null; untilNs: bigint | null } | null,
    octets: number,
    reason: Reason,
  ): void {
    this.#partitions.forget(row, octets);
    this.#isUntidy = true;
    const { fromNs, untilNs } = span ?? { fromNs: null, untilNs: null };
    const { number: partition, flows } = row;
    this.#notify({ type: 'dropped', partition, flows, octets, fromNs, untilNs, reason });
  }

  /** @returns true when there may be more */
  #sweepFlows(beforeNs: bigint, reason: Reason, deadlineMs: number): boolean {
    const flows = this.#sweep.deleteFlows(beforeNs, deadlineMs);
    if (flows === 0) return false;
    this.#isUntidy = true;
    this.#swept = { flows: (this.#swept?.flows ?? 0) + flows, reason };
    return true;
  }

  #path({ number }: FlowHome): string {
    return partitionPath(this.#writer.path, number);
  }

  #ask<T>(sql: string): T | null {
    const statement = this.#asks.get(sql) ?? this.#writer.db.prepare<[], unknown>(sql).pluck();
    this.#asks.set(sql, statement);
    return (statement.get() as T | undefined) ?? null;
  }

  #askNs(sql: string): bigint | null {
    const statement =
      this.#asksNs.get(sql) ?? this.#writer.db.prepare<[], bigint>(sql).pluck().safeIntegers();
    this.#asksNs.set(sql, statement);
    return statement.get() ?? null;
  }
}

import Database from 'better-sqlite3';
import { existsSync, realpathSync } from 'node:fs';
import { durably, type FlowDatabase, openForWriting } from './database.ts';
import { type FlowHome, flowHome, schemaName } from './flow-home.ts';
import {
  MAX_PARTITIONS,
  type PartitionRow,
  partitionFiles,
  partitionPath,
  partitionRows,
  removePartition,
} from './partition-files.ts';
import { countDropped } from './retained.ts';
import { nowNs } from './time.ts';

/** Page cache of a partition in KiB: the newest one's indexes grow, of the others some flows are still written. */
const CACHE_KIB = { newest: 65_536, other: 2048 } as const;

/** What whoever writes flows is to know of the files they go to. */
export interface PartitionHooks {
  /** New flows go to this one from now on. */
  begun(home: FlowHome): void;
  /** Nothing may be written to this one any more. */
  gone(home: FlowHome): void;
}

/**
 * A writer's partitions: files beside the main one that hold the flows of a time, so that dropping them is removing a file.
 * A partition is a database of the same schema, of which only `flows`, `flow_series`, `route_changes` are used; it is attached
 * to the writer's connection. All of them are, always: flows that began in an older one go on there, and a reader that may not
 * write in the folder finds the log's index (-shm) of each.
 *
 * The main file's table `partitions` says which count. A file is made before its row is committed, and removed before its row
 * is: what a crash leaves in between is settled by the next writer. No method may be called within a transaction.
 */
export class Partitions {
  readonly #db: FlowDatabase;
  readonly #path: string;
  readonly #hooks: PartitionHooks;
  readonly #timeseries: boolean;
  readonly #attached = new Map<number, FlowHome>();
  #newest: FlowHome | null = null;

  /**
   * Settles what an earlier writer left, and begins the first partition, or goes on with the newest one.
   * @param path of the main file, which is open for writing in `db`
   */
  constructor(db: FlowDatabase, path: string, timeseries: boolean, hooks: PartitionHooks) {
    this.#db = db;
    this.#path = path;
    this.#hooks = hooks;
    this.#timeseries = timeseries;
    this.#removeStrays();
    this.refresh();
    if (this.#newest === null) this.begin();
  }

  /** The one that new flows go to. */
  get newest(): FlowHome {
    return this.#newest!;
  }

  /** Those that are attached, oldest first. */
  get homes(): FlowHome[] {
    return [...this.#attached.values()].sort((a, b) => a.number - b.number);
  }

  /** All that the main file knows, oldest first. */
  rows(): PartitionRow[] {
    return partitionRows(this.#db);
  }

  /** Takes over what another process has begun or dropped. @returns rows whose file is missing: their flows are lost */
  refresh(): PartitionRow[] {
    const rows = this.rows();
    for (const home of this.homes)
      if (!rows.some(({ number }) => number === home.number)) this.detach(home.number);
    const missing: PartitionRow[] = [];
    for (const row of rows) {
      if (this.#attached.has(row.number)) continue;
      if (existsSync(partitionPath(this.#path, row.number))) this.#attach(row.number);
      else missing.push(row);
    }
    const last = this.homes.at(-1);
    if (last !== undefined && last !== this.#newest) this.#moveTo(last);
    return missing;
  }

  /**
   * Begins a new one, unless another process has done so meanwhile or there are as many as there may be.
   * @param atNs now, in nanoseconds since the epoch
   */
  begin(atNs: bigint = nowNs()): void {
    const before = this.#newest?.number ?? 0;
    const begin = this.#db.transaction(() => {
      const rows = this.rows().filter(({ number }) => existsSync(partitionPath(this.#path, number)));
      if (rows.length >= MAX_PARTITIONS || (rows.at(-1)?.number ?? 0) > before) return;
      const { lastInsertRowid } = this.#db
        .prepare('INSERT INTO main.partitions (created_ns) VALUES (?)')
        .run(atNs);
      const number = Number(lastInsertRowid);
      removePartition(this.#path, number);
      openForWriting(partitionPath(this.#path, number)).close();
      this.#db.prepare('UPDATE main.partitions SET closed_ns = ? WHERE number = ?').run(atNs, before);
    });
    // A file without its row would be removed by the next writer, with all that is in it by then.
    durably(this.#db, () => begin.immediate());
    this.refresh();
  }

  /** Lets go of a partition, so that its file can be removed: what still comes of its flows goes to the main file. */
  detach(number: number): void {
    const home = this.#attached.get(number);
    if (home === undefined) return;
    this.#attached.delete(number);
    if (this.#newest === home) this.#newest = null;
    this.#hooks.gone(home);
    // The last connection folds the log in, and would wait for the disk, of a file that is to be removed.
    this.#db.pragma(`${home.schema}.synchronous = OFF`);
    this.#db.exec(`DETACH ${home.schema}`);
  }

  /** Forgets a partition whose file is removed, and counts it as dropped. @param octets that it had */
  forget({ number, flows }: PartitionRow, octets: number): void {
    this.#db
      .transaction(() => {
        const { changes } = this.#db.prepare('DELETE FROM main.partitions WHERE number = ?').run(number);
        // Not twice, where two daemons write one database.
        if (changes > 0)
          countDropped(this.#db, { dropped_partitions: 1, dropped_flows: flows, dropped_octets: octets });
      })
      .immediate();
  }

  /** The highest id of a flow that any of them has; 0 when there is none. */
  static highestFlowId(db: FlowDatabase, path: string): number {
    let highest = 0;
    for (const { number } of partitionRows(db)) {
      const file = partitionPath(path, number);
      if (!existsSync(file)) continue;
      const partition = new Database(file, { readonly: true });
      try {
        const id = partition.prepare('SELECT max(flow_id) FROM flows').pluck().get() as number | null;
        highest = Math.max(highest, id ?? 0);
      } finally {
        partition.close();
      }
    }
    return highest;
  }

  #attach(number: number): void {
    this.#db.prepare(`ATTACH ? AS ${schemaName(number)}`).run(partitionPath(this.#path, number));
    this.#db.pragma(`${schemaName(number)}.synchronous = NORMAL`);
    this.#db.pragma(`${schemaName(number)}.cache_size = -${CACHE_KIB.other}`);
    this.#attached.set(number, flowHome(this.#db, number, this.#timeseries));
  }

  #moveTo(home: FlowHome): void {
    const before = this.#newest;
    this.#newest = home;
    this.#db.pragma(`${home.schema}.cache_size = -${CACHE_KIB.newest}`);
    this.#hooks.begun(home);
    if (before === null) return;
    this.#db.pragma(`${before.schema}.cache_size = -${CACHE_KIB.other}`);
    // Little is written to it from now on: its log would stay as long as it was. Readers in its way are not waited for.
    const timeoutMs = this.#db.pragma('busy_timeout', { simple: true }) as number;
    this.#db.pragma('busy_timeout = 0');
    this.#db.pragma(`${before.schema}.wal_checkpoint(TRUNCATE)`);
    this.#db.pragma(`busy_timeout = ${timeoutMs}`);
  }

  /** Files of no partition: a crash came between making one and recording it, or in the middle of removing one. */
  #removeStrays(): void {
    this.#db
      .transaction(() => {
        const known = new Set(this.rows().map(({ number }) => number));
        for (const number of partitionFiles(realpathSync(this.#path)).keys())
          if (!known.has(number)) removePartition(this.#path, number);
      })
      .immediate();
  }
}

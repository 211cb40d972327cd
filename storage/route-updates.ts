import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import { clampNs } from './time.ts';

/** An update of a namespace's tables as it was handed to storage. */
export interface RouteUpdate {
  /** Of the run that was told it. */
  runId: number;
  /** "dev:inode" of the namespace. */
  netnsId: string;
  /** Nanoseconds since the epoch. */
  atNs: bigint;
  /** `data` stands for itself; else it says what changed since the update before. */
  isFull: boolean;
  data: Buffer;
}

interface FullUpdate {
  updateId: bigint;
  runId: bigint;
  netnsId: string;
}

/**
 * What it takes to make a namespace's tables as they were: the latest full update at or before a time, and what the same
 * run told of the same namespace after it up to that time, oldest first. Empty when nothing was known by then, or updates
 * between the two were lost.
 * @param netns name of the namespace; one that was re-created under the name is another, and the later one counts
 * @param atNs  nanoseconds since the epoch
 * @throws StorageError
 */
export function routeUpdatesAt(db: FlowDatabase, netns: string, atNs: bigint): RouteUpdate[] {
  const at = clampNs(atNs);
  try {
    // One snapshot: a daemon may write between the two questions.
    return db.transaction(() => readUpdates(db, netns, at)).deferred();
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

function readUpdates(db: FlowDatabase, netns: string, at: bigint): RouteUpdate[] {
  const full = db
    .prepare<[string, bigint], FullUpdate>(
      `SELECT update_id AS updateId, run_id AS runId, netns_id AS netnsId FROM route_updates
       WHERE netns = ? AND is_full = 1 AND at_ns <= ? ORDER BY at_ns DESC, update_id DESC LIMIT 1`,
    )
    .safeIntegers()
    .get(netns, at);
  if (full === undefined) return [];
  // In the order they were written: a clock that was set back must not take one update out of a row of them.
  const mine = `netns = :netns AND run_id = :runId AND netns_id = :netnsId AND update_id >= :updateId`;
  const rows = db
    .prepare<unknown[], { netnsId: string; atNs: bigint; isFull: bigint; data: Buffer | null }>(
      `SELECT netns_id AS netnsId, at_ns AS atNs, is_full AS isFull, data FROM route_updates
       WHERE ${mine} AND update_id <= (SELECT max(update_id) FROM route_updates WHERE ${mine} AND at_ns <= :at)
       ORDER BY update_id`,
    )
    .safeIntegers()
    .all({ netns, at, ...full });
  const updates: RouteUpdate[] = [];
  for (const row of rows) {
    if (row.data === null) return [];
    updates.push({ ...row, runId: Number(full.runId), isFull: row.isFull === 1n, data: row.data });
  }
  return updates;
}

/** What is kept of the tables of one namespace name over time. Times are nanoseconds since the epoch. */
export interface RouteHistory {
  /** Of the first update from which tables can be made, and of the last one. */
  firstNs: bigint;
  lastNs: bigint;
}

/**
 * What is kept of a namespace's tables; null when there is nothing from which they can be made.
 * @throws StorageError
 */
export function routeUpdateSpan(db: FlowDatabase, netns: string): RouteHistory | null {
  const span = ask<[string, string], { firstNs: bigint | null; lastNs: bigint }>(
    db,
    `SELECT (SELECT min(at_ns) FROM route_updates WHERE netns = ? AND is_full = 1) AS firstNs,
            (SELECT max(at_ns) FROM route_updates WHERE netns = ? AND data IS NOT NULL) AS lastNs`,
    netns,
    netns,
  )[0]!;
  return span.firstNs === null ? null : { firstNs: span.firstNs, lastNs: span.lastNs };
}

/**
 * The time of the first update after `afterNs` from which tables can be made; null when none follows.
 * @param notOf "dev:inode" of a namespace that does not count: whose name went to another one
 * @throws StorageError
 */
export function nextFullUpdate(
  db: FlowDatabase,
  netns: string,
  afterNs: bigint,
  notOf: string = '',
): bigint | null {
  const [next] = ask<[string, bigint, string], { atNs: bigint | null }>(
    db,
    `SELECT min(at_ns) AS atNs FROM route_updates
     WHERE netns = ? AND is_full = 1 AND at_ns > ? AND netns_id != ?`,
    netns,
    clampNs(afterNs),
    notOf,
  );
  return next!.atNs;
}

/** Names of the namespaces of which tables can be made, sorted. @throws StorageError */
export function routeHistoryNames(db: FlowDatabase): string[] {
  return ask<[], { netns: string }>(
    db,
    'SELECT DISTINCT netns FROM route_updates WHERE is_full = 1 ORDER BY netns',
  ).map(({ netns }) => netns);
}

/** Rows with their integers as bigint. */
function ask<P extends unknown[], T>(db: FlowDatabase, sql: string, ...params: P): T[] {
  try {
    return db
      .prepare<P, T>(sql)
      .safeIntegers()
      .all(...params);
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

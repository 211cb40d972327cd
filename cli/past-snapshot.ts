import { snapshotOfUpdates } from '../daemon/routes/rebuild.ts';
import type { RouteSnapshot } from '../daemon/routes/snapshot.ts';
import type { RouteUpdate } from '../daemon/routes/update.ts';
import { decodeUpdate } from '../daemon/routes/update-codec.ts';
import { type FlowDatabase, openForReading } from '../storage/database.ts';
import { StorageError } from '../storage/errors.ts';
import {
  nextFullUpdate,
  type RouteUpdate as StoredUpdate,
  routeHistoryNames,
  routeUpdateSpan,
  routeUpdatesAt,
} from '../storage/route-updates.ts';
import { readRun } from '../storage/runs.ts';
import { clampNs, nowNs } from '../storage/time.ts';
import { defaultDb } from './default-db.ts';
import { formatTime } from './format/time.ts';
import { runState } from './run-state.ts';
import { parseTime } from './time-argument.ts';
import type { TimeZone } from './time-zone.ts';

/** Namespaces that an error lists, at most. */
const NAMES_MAX = 10;

/**
 * The routing of a namespace as a daemon saw it at a time; says on stderr since when it was so, and what makes that uncertain.
 * @param netns name of the namespace as the daemon had it
 * @param at    as `parseTime` takes it
 * @param path  the database; undefined: the default one
 * @param zone  of `at` where it has none
 * @throws UsageError for the time; StorageError, RouteUpdateError
 */
export function pastSnapshot(
  netns: string,
  at: string,
  path: string = defaultDb(),
  zone: TimeZone = null,
): RouteSnapshot {
  const atNs = clampNs(parseTime(at, nowNs(), { zone }));
  const db = openForReading(path);
  try {
    const stored = routeUpdatesAt(db, netns, atNs);
    if (stored.length === 0) throw unknown(db, netns, atNs);
    const snapshot = snapshotOfUpdates(decoded(stored), formatTime(atNs));
    const last = stored.at(-1)!;
    say(`${netns} as it was since ${formatTime(last.atNs)}`);
    for (const note of doubts(db, netns, atNs, last)) say(`note: ${note}`);
    return snapshot;
  } finally {
    db.close();
  }
}

/** The routing of a namespace at a time. */
export interface PastTables {
  snapshot: RouteSnapshot;
  /** "dev:inode" of the namespace. */
  netnsId: string;
  /** Since when it was so. */
  sinceNs: bigint;
}

/** As pastSnapshot, of a database that is open, and without a word; null when it is not known. @throws StorageError, RouteUpdateError */
export function tablesAt(db: FlowDatabase, netns: string, atNs: bigint): PastTables | null {
  const stored = routeUpdatesAt(db, netns, atNs);
  const last = stored.at(-1);
  if (last === undefined) return null;
  const snapshot = snapshotOfUpdates(decoded(stored), formatTime(atNs));
  return { snapshot, netnsId: last.netnsId, sinceNs: last.atNs };
}

/** One at a time: unpacked, the updates of a large table are several times as large. */
function* decoded(stored: readonly StoredUpdate[]): Iterable<RouteUpdate> {
  for (const { data } of stored) yield decodeUpdate(data);
}

function say(text: string): void {
  process.stderr.write(`nstap: ${text}\n`);
}

/** Why nothing is known, and what to ask instead. */
function unknown(db: FlowDatabase, netns: string, atNs: bigint): StorageError {
  const what = `the routes of ${netns} at ${formatTime(atNs)}`;
  const span = routeUpdateSpan(db, netns);
  if (span === null) return noHistory(`${what} are not known: ${otherHistories(db)}`);
  const next = nextFullUpdate(db, netns, atNs);
  if (atNs < span.firstNs)
    return noHistory(
      `${what} are not known: their history begins at ${formatTime(span.firstNs)}; ask for that time or a later one`,
    );
  const again = next === null ? 'nothing newer is known' : `they are known again from ${formatTime(next)} on`;
  return noHistory(
    `${what} are not known: changes before that were lost, because the database took nothing for too long; ${again}`,
  );

  function noHistory(reason: string): StorageError {
    return new StorageError('query', db.name, 'NSTAP_NO_HISTORY', reason);
  }
}

function otherHistories(db: FlowDatabase): string {
  const names = routeHistoryNames(db);
  if (names.length === 0)
    return 'the database has no history of routes; `nstap daemon` keeps one unless it has --no-route-history';
  const more = names.length > NAMES_MAX ? `, and ${names.length - NAMES_MAX} more` : '';
  return `there is a history of ${names.slice(0, NAMES_MAX).join(', ')}${more}; choose one with --netns`;
}

/** What may make the tables others than they were. @param last update that was applied */
function doubts(db: FlowDatabase, netns: string, atNs: bigint, last: StoredUpdate): string[] {
  const notes: string[] = [];
  const run = readRun(db, last.runId);
  const endedNs = run?.endedNs ?? null;
  if (endedNs !== null && endedNs < atNs)
    notes.push(
      `the daemon that followed the routes ended at ${formatTime(endedNs)}; what changed after that is not known`,
    );
  if (run !== null && endedNs === null && last.atNs >= routeUpdateSpan(db, netns)!.lastNs)
    notes.push(
      runState(run) === 'running'
        ? 'no later change is stored'
        : 'no later change is stored, and the daemon that followed the routes has not said when it ended',
    );
  const another = nextFullUpdate(db, netns, last.atNs, last.netnsId);
  if (another !== null)
    notes.push(
      `from ${formatTime(another)} on, ${netns} is another namespace: it was re-created, or the host restarted`,
    );
  return notes;
}

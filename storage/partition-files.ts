import { readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FlowDatabase } from './database.ts';

/**
 * Partition files that may exist at once. SQLite attaches ten files to a connection (SQLITE_MAX_ATTACHED as better-sqlite3 is
 * compiled), and one is left for whoever reads.
 */
export const MAX_PARTITIONS = 9;

/** What SQLite keeps beside a database; the database itself comes first. */
const SUFFIXES = ['', '-wal', '-shm', '-journal'] as const;

/** A partition as the main file knows it. */
export interface PartitionRow {
  number: number;
  /** Nanoseconds since the epoch. */
  createdNs: bigint;
  /** null: new flows go there. */
  closedNs: bigint | null;
  /** Inserted so far. */
  flows: number;
}

/**
 * Path of a partition: the main file's with the number behind it, so that `flows.db*` is all of a database. A link to the main
 * file is followed, as SQLite does for its log.
 * @param dbPath of the main file, which must exist
 */
export function partitionPath(dbPath: string, number: number): string {
  return `${realpathSync(dbPath)}-${String(number).padStart(4, '0')}`;
}

/** Partitions that a main file open in `db` has, oldest first; none where the schema is too old to have any. */
export function partitionRows(db: FlowDatabase): PartitionRow[] {
  const hasTable = db.prepare("SELECT 1 FROM main.sqlite_schema WHERE name = 'partitions'").get();
  if (hasTable === undefined) return [];
  return db
    .prepare<[], { number: bigint; createdNs: bigint; closedNs: bigint | null; flows: bigint }>(
      `SELECT number, created_ns AS createdNs, closed_ns AS closedNs, flows FROM main.partitions ORDER BY number`,
    )
    .safeIntegers()
    .all()
    .map((row) => ({ ...row, number: Number(row.number), flows: Number(row.flows) }));
}

/**
 * Every file of a partition that is there, also those of partitions that no main file knows, by number.
 * @param path of the main file, which need not exist; a link is not followed
 */
export function partitionFiles(path: string): Map<number, string[]> {
  const folder = dirname(path);
  const found = new Map<number, string[]>();
  const prefix = `${basename(path)}-`;
  for (const name of readdirSync(folder)) {
    const number = name.startsWith(prefix)
      ? /^(\d{4,})(?:-(?:wal|shm|journal))?$/.exec(name.slice(prefix.length))
      : null;
    if (number === null) continue;
    const files = found.get(Number(number[1])) ?? [];
    files.push(join(folder, name));
    found.set(Number(number[1]), files);
  }
  return found;
}

/** Every file that a database has or may have: the main one, what SQLite keeps beside it, and its partitions. No link is followed. */
export function databaseFiles(path: string): string[] {
  return [path, `${path}-wal`, `${path}-shm`, ...[...partitionFiles(path).values()].flat()];
}

/** Octets of a database file and its log; 0 for one that is not there. */
export function databaseOctets(path: string): number {
  let octets = 0;
  for (const file of [path, `${path}-wal`]) octets += statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return octets;
}

/** Octets of all files that a database has, see `databaseFiles`. */
export function allFilesOctets(path: string): number {
  const each = databaseFiles(path).map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0);
  return each.reduce((sum, octets) => sum + octets, 0);
}

/** Removes a partition's files at once. */
export function removePartition(dbPath: string, number: number): void {
  for (const suffix of SUFFIXES) rmSync(`${partitionPath(dbPath, number)}${suffix}`, { force: true });
}

/**
 * Removes a partition's files in the thread pool: giving back gigabytes takes a file system a while. The database goes first,
 * so that nobody opens it without its log.
 */
export async function unlinkPartition(dbPath: string, number: number): Promise<void> {
  const path = partitionPath(dbPath, number);
  for (const suffix of SUFFIXES) {
    try {
      await unlink(`${path}${suffix}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

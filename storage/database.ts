import { accessSync, closeSync, constants, existsSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { StorageError, toStorageError } from './errors.ts';
import { makeFlowIndexes } from './flow-indexes.ts';
import { partitionPath, partitionRows } from './partition-files.ts';
import { attachForReading } from './partition-views.ts';
import { migrate, SCHEMA_VERSION, schemaVersion } from './schema.ts';
import { addSqlFunctions } from './sql-functions.ts';

/** A connection; what it is good for says the function that opened it. */
export type FlowDatabase = Database.Database;

/** Owner writes, group reads, others nothing: flows say who talked to whom. */
const FILE_MODE = 0o640;

/** Another process's transaction takes milliseconds; a checkpoint of a large log on a slow disk can take seconds. */
const BUSY_TIMEOUT_MS = 10_000;

/** Page cache of a writer, in KiB: the upper levels of all indexes of some million flows. */
const CACHE_KIB = 65_536;

/**
 * Pages of the write-ahead log before it is folded into the database. The inner pages of the indexes are in the log once
 * for each transaction, and are folded in once: with 8 times SQLite's default, inserting was a fifth faster.
 */
const WAL_PAGES = 8192;

/** SQLite's lock for a change of journal mode is not covered by the busy timeout: tried so often, so long apart. */
const WAL_ATTEMPTS = 50;
const WAL_PAUSE_MS = 20;

/**
 * Opens a database for writing, creates the file when there is none (mode 0640 less the umask; its -wal and -shm take the
 * same), and brings its schema up to date, that of its partitions first. WAL, so that readers and other writers go on; synchronous NORMAL, so that a
 * commit survives the death of the process, and a power cut costs at most the last commits but never the database
 * (https://sqlite.org/pragma.html#pragma_synchronous).
 * @param indexLater leave the indexes of flows out of a new database, for whoever makes them when its flows are there. One that is
 *                   there already, and has none because its writer was killed, gets them.
 * @param onOlder called with the schema version of a database that is brought up to date now, which takes some 8 s a million flows
 * @throws StorageError; the folder must exist
 */
export function openForWriting(
  path: string,
  indexLater = false,
  onOlder: (version: number) => void = () => {},
): FlowDatabase {
  const folder = dirname(path);
  if (!existsSync(folder)) throw new StorageError('open', path, 'ENOENT', `there is no folder ${folder}`);
  return open('open', path, () => {
    closeSync(openSync(path, 'a', FILE_MODE));
    const db = new Database(path, { timeout: BUSY_TIMEOUT_MS });
    return initialised(db, () => {
      const version = schemaVersion(db); // refuses a foreign file before anything in it changes
      if (version > 0 && version < SCHEMA_VERSION) onOlder(version);
      if (version === 0) db.pragma('auto_vacuum = INCREMENTAL'); // for retention; a file that has tables stays as it is
      useWal(db);
      db.pragma('synchronous = NORMAL');
      db.pragma(`cache_size = -${CACHE_KIB}`);
      db.pragma(`wal_autocheckpoint = ${WAL_PAGES}`);
      db.pragma('temp_store = MEMORY');
      db.pragma('foreign_keys = OFF'); // the writer is the only one who makes ids
      // Cut short, this leaves a main file that readers refuse until it is done.
      if (version < SCHEMA_VERSION)
        for (const { number } of partitionRows(db)) migratePartition(partitionPath(path, number));
      migrate(db, indexLater);
      if (version > 0) makeFlowIndexes(db);
    });
  });
}

function migratePartition(path: string): void {
  if (existsSync(path)) openForWriting(path).close();
}

/**
 * Opens a database read-only, with all its partitions seen as one (see attachForReading), also while others write to it.
 * @throws StorageError: NSTAP_MISSING when there is no such file, NSTAP_OLDER when it has to be written to once first
 */
export function openForReading(path: string): FlowDatabase {
  return open('open', path, () => {
    // A folder that this user may not enter throws EACCES, which `existsSync` would take for a file that is not there.
    const there = statSync(path, { throwIfNoEntry: false });
    if (there === undefined)
      throw new StorageError(
        'open',
        path,
        'NSTAP_MISSING',
        'there is no such database; run `nstap daemon` or `nstap replay FILE`, or name another with --db',
      );
    if (there.isDirectory()) throw new StorageError('open', path, 'EISDIR', 'it is a folder');
    // SQLite says SQLITE_CANTOPEN of whatever it cannot open.
    accessSync(path, constants.R_OK);
    const db = new Database(path, { readonly: true, timeout: BUSY_TIMEOUT_MS });
    return initialised(db, () => {
      const version = schemaVersion(db);
      if (version < SCHEMA_VERSION)
        throw new StorageError(
          'open',
          path,
          'NSTAP_OLDER',
          version === 0
            ? 'it is empty; run `nstap daemon` or `nstap replay FILE`, or name another with --db'
            : `schema version ${version} of an older nstap; a run of \`nstap daemon\` or \`nstap replay\` brings it up to date`,
        );
      attachForReading(db, SCHEMA_VERSION);
      addSqlFunctions(db);
    });
  });
}

/**
 * Runs transactions of the main file that are on the disk when they are committed, which the others are after the next
 * checkpoint: a power cut must not take what another file relies on. Not within a transaction.
 */
export function durably<T>(db: FlowDatabase, work: () => T): T {
  db.pragma('main.synchronous = FULL');
  try {
    return work();
  } finally {
    db.pragma('main.synchronous = NORMAL');
  }
}

function open(operation: string, path: string, work: () => FlowDatabase): FlowDatabase {
  try {
    return work();
  } catch (error) {
    throw toStorageError(operation, path, error);
  }
}

function initialised(db: FlowDatabase, work: () => void): FlowDatabase {
  try {
    work();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function useWal(db: FlowDatabase): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 1; ; attempt++) {
    try {
      db.pragma('journal_mode = WAL');
      return;
    } catch (error) {
      const isBusy = (error as { code?: unknown }).code === 'SQLITE_BUSY';
      if (!isBusy || attempt === WAL_ATTEMPTS) throw error;
      Atomics.wait(pause, 0, 0, WAL_PAUSE_MS);
    }
  }
}

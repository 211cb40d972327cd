import type { Database } from 'better-sqlite3';
import { StorageError } from './errors.ts';
import { dropFlowIndexes } from './flow-indexes.ts';
import { CONN_STATES, END_REASONS, TUNNEL_TYPES } from './flow-batch.ts';
import { APPLICATION_ID, MIGRATIONS } from './migrations.ts';
import { PROTOCOL_NAMES } from './protocols.ts';

/** The schema version this program writes; it reads no newer one. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings a database that is open for writing to SCHEMA_VERSION; an empty file becomes a database. Safe when several
 * processes do it at once: the version is read again under the write lock.
 * @param indexLater a new database gets no indexes of `flows`, see makeFlowIndexes
 * @throws StorageError NSTAP_FOREIGN (a SQLite database of somebody else), NSTAP_NEWER (written by a newer nstap)
 */
export function migrate(db: Database, indexLater = false): void {
  if (schemaVersion(db) === SCHEMA_VERSION) return;
  db.transaction(() => {
    const isNew = schemaVersion(db) === 0;
    for (let version = schemaVersion(db); version < SCHEMA_VERSION; version++) db.exec(MIGRATIONS[version]!);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
    nameCodes(db);
    if (isNew && indexLater) dropFlowIndexes(db);
  }).immediate();
}

/**
 * The schema version of a database; 0 for an empty file.
 * @throws StorageError as migrate
 */
export function schemaVersion(db: Database): number {
  // One read transaction: another process may be making its tables between two of these questions.
  return db.transaction(() => readVersion(db)).deferred();
}

function readVersion(db: Database): number {
  const version = db.pragma('user_version', { simple: true }) as number;
  const application = db.pragma('application_id', { simple: true }) as number;
  if (application !== APPLICATION_ID) {
    const objects = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() as number;
    if (objects === 0 && application === 0) return 0;
    throw new StorageError(
      'open',
      db.name,
      'NSTAP_FOREIGN',
      'a SQLite database, but not one of nstap; choose another file with --db',
    );
  }
  if (version > SCHEMA_VERSION)
    throw new StorageError(
      'open',
      db.name,
      'NSTAP_NEWER',
      `schema version ${version}, this nstap knows up to ${SCHEMA_VERSION}; update nstap, or choose another file with --db`,
    );
  return version;
}

/** Fills the tables that give codes their names, for whoever reads the database with SQL. */
function nameCodes(db: Database): void {
  const put = (table: string, entries: Iterable<[number, string | null]>): void => {
    const insert = db.prepare(`INSERT OR REPLACE INTO ${table} VALUES (?, ?)`);
    for (const [code, name] of entries) if (name !== null) insert.run(code, name);
  };
  put('conn_states', CONN_STATES.entries());
  put('end_reasons', END_REASONS.entries());
  put('tunnel_types', TUNNEL_TYPES.entries());
  put(
    'protocols',
    Object.entries(PROTOCOL_NAMES).map(([number, name]) => [Number(number), name]),
  );
}

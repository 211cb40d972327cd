import { existsSync } from 'node:fs';
import type { FlowDatabase } from './database.ts';
import { StorageError, toStorageError } from './errors.ts';
import { schemaName } from './flow-home.ts';
import { partitionPath, partitionRows } from './partition-files.ts';

/** What every file has of its own flows, and what a reader sees as one. */
const TABLES = ['flows', 'flow_series', 'route_changes', 'flow_routes'] as const;

/** A partition that is listed but not there is looked for this often, so long apart: it is being dropped. */
const ATTEMPTS = 5;
const PAUSE_MS = 20;

/**
 * Attaches the partitions of a database that is open for reading, and puts temporary views of all files over the tables of the
 * same name: a query need not know of partitions. SQLite takes such views apart: conditions reach the indexes of each file, and
 * files that are read in the order asked for are merged.
 * @param schemaVersion that a partition must have
 * @throws StorageError NSTAP_OLDER, or what SQLite says of a partition
 */
export function attachForReading(db: FlowDatabase, schemaVersion: number): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 1; !attachAll(db, schemaVersion) && attempt < ATTEMPTS; attempt++)
    Atomics.wait(pause, 0, 0, PAUSE_MS);
  const schemas = flowSchemas(db);
  if (schemas.length === 1) return;
  for (const table of TABLES) {
    const columns = db
      .prepare(`SELECT name FROM pragma_table_info('${table}', 'main')`)
      .pluck()
      .all()
      .join(', ');
    const parts = schemas.map((schema) => `SELECT ${columns} FROM ${schema}.${table}`);
    db.exec(`CREATE TEMP VIEW ${table} AS ${parts.join(' UNION ALL ')}`);
  }
}

/** The files that flows are in, as SQL names them: the main file, then the partitions that are attached, oldest first. */
export function flowSchemas(db: FlowDatabase): string[] {
  return db
    .prepare<[], string>(
      "SELECT name FROM pragma_database_list WHERE name = 'main' OR name GLOB 'p[0-9]*' ORDER BY seq",
    )
    .pluck()
    .all();
}

/**
 * Begins a snapshot of all files in which every flow's captures and decisions are there: the main file comes last, because a
 * writer commits it first. Does nothing where a snapshot is held already.
 * @returns what ends it
 * @throws StorageError
 */
export function holdSnapshot(db: FlowDatabase): () => void {
  if (db.inTransaction) return () => {};
  const [main, ...partitions] = flowSchemas(db);
  try {
    db.exec('BEGIN');
    for (const schema of [...partitions, main]) db.prepare(`SELECT 1 FROM ${schema}.flows LIMIT 1`).get();
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
  return () => {
    if (db.inTransaction) db.exec('COMMIT');
  };
}

/** @returns false when a partition that is listed was not there */
function attachAll(db: FlowDatabase, schemaVersion: number): boolean {
  const attached = flowSchemas(db);
  const listed = partitionRows(db).map(({ number }) => number);
  for (const schema of attached.slice(1))
    if (!listed.some((number) => schemaName(number) === schema)) db.exec(`DETACH ${schema}`);
  let isWhole = true;
  for (const number of listed)
    if (!attached.includes(schemaName(number))) isWhole = attach(db, number, schemaVersion) && isWhole;
  return isWhole;
}

function attach(db: FlowDatabase, number: number, schemaVersion: number): boolean {
  const path = partitionPath(db.name, number);
  const schema = schemaName(number);
  try {
    db.prepare(`ATTACH ? AS ${schema}`).run(path);
  } catch (error) {
    if (existsSync(path)) throw error;
    return false;
  }
  const version = db.pragma(`${schema}.user_version`, { simple: true }) as number;
  if (version !== schemaVersion)
    throw new StorageError(
      'open',
      path,
      version < schemaVersion ? 'NSTAP_OLDER' : 'NSTAP_NEWER',
      `schema version ${version}, ${schemaVersion} is needed; a run of \`nstap daemon\` or \`nstap replay\` brings it up to date`,
    );
  return true;
}

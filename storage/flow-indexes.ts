import Database from 'better-sqlite3';
import { MIGRATIONS } from './migrations.ts';

/** Stands for all: they are made in one transaction. */
const ONE_OF_THEM = 'flows_start';

/**
 * Whether `flows` of a file has its indexes. One that a replay began has none until the end, see FlowWriter: it is read as a whole
 * until then.
 * @param schema of the file, as SQL names it
 */
export function hasFlowIndexes(db: Database.Database, schema = 'main'): boolean {
  const found = db.prepare(`SELECT 1 FROM ${schema}.sqlite_schema WHERE type = 'index' AND name = ?`);
  return found.get(ONE_OF_THEM) !== undefined;
}

/** Takes the indexes of `flows` away; in the transaction that makes the tables of a new file. */
export function dropFlowIndexes(db: Database.Database): void {
  for (const { name } of definitions(db)) db.exec(`DROP INDEX ${name}`);
}

/**
 * Makes the indexes of `flows` in the main file, if they are not there: some 5 us a flow, as SQLite sorts the entries first, and so
 * a third of what they cost one by one. Not within a transaction; all or none are made.
 * @throws SqliteError
 */
export function makeFlowIndexes(db: Database.Database): void {
  if (hasFlowIndexes(db)) return;
  const empty = new Database(':memory:');
  try {
    for (const migration of MIGRATIONS) empty.exec(migration);
    const made = db.transaction(() => {
      if (hasFlowIndexes(db)) return; // by another process, this moment
      for (const { sql } of definitions(empty)) db.exec(sql);
    });
    made.immediate();
  } finally {
    empty.close();
  }
}

function definitions(db: Database.Database): { name: string; sql: string }[] {
  return db
    .prepare<[], { name: string; sql: string }>(
      "SELECT name, sql FROM main.sqlite_schema WHERE type = 'index' AND tbl_name = 'flows' ORDER BY name",
    )
    .all();
}

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
      // Which went with the indexes. https://sqlite.org/optoverview.html#the_skip_scan_optimization
      const add = db.prepare('INSERT INTO main.sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)');
      for (const row of figures(empty)) add.run(...row);
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

/** What is said to SQLite about indexes of `flows`. https://sqlite.org/fileformat2.html#stat1tab */
function figures(db: Database.Database): [table: string, index: string, figures: string][] {
  return db
    .prepare<[], [string, string, string]>('SELECT tbl, idx, stat FROM main.sqlite_stat1 ORDER BY idx')
    .raw()
    .all();
}

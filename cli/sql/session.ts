import { type FlowDatabase, openForReading } from '../../storage/database.ts';
import { flowSchemas } from '../../storage/partition-views.ts';
import { addFunctions } from './functions.ts';
import { viewStatements } from './views.ts';

/**
 * Opens a database for people's SQL: read-only, with the views of views.ts in place of the tables of the same names.
 * @param now in nanoseconds since 1970, see addFunctions
 * @throws StorageError
 */
export function openSqlSession(path: string, now: bigint): FlowDatabase {
  const db = openForReading(path);
  addFunctions(db, now);
  for (const statement of viewStatements(flowSchemas(db))) db.exec(statement);
  // The connection cannot write to the files anyway; now neither to its temporary tables.
  db.pragma('query_only = ON');
  return db;
}

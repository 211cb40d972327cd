import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import type { SqlValue } from './flow-columns.ts';
import { type FlowSelection, selectionToSql } from './query.ts';

/** How many flows a selection has. @throws StorageError */
export function countFlows(db: FlowDatabase, selection: FlowSelection): number {
  try {
    const { sql, params } = selectionToSql(db, selection);
    return (
      db
        .prepare<SqlValue[], number>(`SELECT count(*) FROM flows f WHERE ${sql}`)
        .pluck()
        .get(...params) ?? 0
    );
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

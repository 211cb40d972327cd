import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import type { SqlValue } from './flow-columns.ts';
import { type FlowSelection, selectedFlows } from './flow-arms.ts';

/** How many flows a selection has. @throws StorageError */
export function countFlows(db: FlowDatabase, selection: FlowSelection): number {
  try {
    const { sql, params } = selectedFlows(db, selection, ['flow_id']);
    return (
      db
        .prepare<SqlValue[], number>(`SELECT count(*) FROM ${sql}`)
        .pluck()
        .get(...params) ?? 0
    );
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

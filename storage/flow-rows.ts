import type { FlowDatabase } from './database.ts';
import type { SqlCondition } from './filter-sql.ts';
import type { SqlValue } from './flow-columns.ts';

/** The rows of a statement. Arrays: an object with a property a column takes better-sqlite3 twice as long. */
export function rowsOf(db: FlowDatabase, { sql, params }: SqlCondition): IterableIterator<unknown[]> {
  return db
    .prepare<SqlValue[], unknown[]>(sql)
    .raw()
    .iterate(...params);
}

/**
 * The rows of the flows that a statement gives the ids of, and the files: sorting ids takes a part of the time that sorting all columns
 * takes.
 * @param columns of each row, of `f`
 */
export function* rowsById(
  db: FlowDatabase,
  statement: SqlCondition,
  { offset, limit }: { offset: number; limit: number | null },
  columns: string,
): IterableIterator<unknown[]> {
  const ids: [flowId: number, schema: string][] = [];
  for (const [flowId, schema] of rowsOf(db, statement) as Iterable<[number, string]>) {
    // A flow that is in several arms comes once from each, one behind the other.
    if (ids.at(-1)?.[0] !== flowId) ids.push([flowId, schema]);
    if (ids.length === offset + limit!) break;
  }
  const readers = new Map<string, { get(flowId: number): unknown[] | undefined }>();
  for (const [flowId, schema] of ids.slice(offset)) {
    let reader = readers.get(schema);
    if (reader === undefined) {
      reader = db
        .prepare<[number], unknown[]>(`SELECT ${columns} FROM ${schema}.flows f WHERE f.flow_id = ?`)
        .raw();
      readers.set(schema, reader);
    }
    const row = reader.get(flowId);
    if (row !== undefined) yield row; // in one file without a snapshot, retention may have deleted it meanwhile
  }
}

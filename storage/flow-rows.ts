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

/** A flow and the file it is in, as SQL names it. */
export type FlowPlace = readonly [flowId: number, schema: string];

/**
 * The rows of flows by their ids, in the snapshot that these were found in: sorting ids takes a part of the time that sorting all
 * columns takes.
 * @param columns of each row, of `f`
 */
export function* rowsById(
  db: FlowDatabase,
  places: Iterable<FlowPlace>,
  columns: string,
): IterableIterator<unknown[]> {
  const readers = new Map<string, { get(flowId: number): unknown[] | undefined }>();
  for (const [flowId, schema] of places) {
    let reader = readers.get(schema);
    if (reader === undefined) {
      reader = db
        .prepare<[number], unknown[]>(`SELECT ${columns} FROM ${schema}.flows f WHERE f.flow_id = ?`)
        .raw();
      readers.set(schema, reader);
    }
    yield reader.get(flowId)!;
  }
}

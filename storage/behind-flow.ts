import type { FlowDatabase } from './database.ts';
import { StorageError, toStorageError } from './errors.ts';
import type { SqlCondition } from './filter-sql.ts';
import type { SqlValue } from './flow-columns.ts';
import { FLOW_SORTS } from './query.ts';

/** Sorts that some flows have nothing for. */
const NULLABLE = ['rtt', 'retransmits', 'src_port', 'dst_port'];

/**
 * The condition for flows that a list has behind one of its flows: what is next, whatever was captured since.
 * @param sort as of the query, one of FLOW_SORTS; NULL sorts before every value, as SQLite has it
 * @throws StorageError NSTAP_NO_FLOW when that flow is not (or no longer) there; RangeError for another sort
 */
export function behindFlow(
  db: FlowDatabase,
  flowId: number,
  sort: string,
  descending: boolean,
): SqlCondition {
  const key = FLOW_SORTS[sort];
  if (key === undefined) throw new RangeError(`query: cannot sort by ${sort}`);
  let row: { value: SqlValue } | undefined;
  try {
    row = db
      .prepare<[number], { value: SqlValue }>(`SELECT ${key} AS value FROM flows f WHERE f.flow_id = ?`)
      .safeIntegers()
      .get(flowId);
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
  if (row === undefined)
    throw new StorageError(
      'query',
      db.name,
      'NSTAP_NO_FLOW',
      `there is no flow ${flowId}; retention may have dropped it`,
    );
  const [than, id] = descending ? ['<', `f.flow_id < ?`] : ['>', `f.flow_id > ?`];
  if (row.value === null)
    return descending
      ? { sql: `(${key} IS NULL AND ${id})`, params: [flowId] }
      : { sql: `(${key} IS NOT NULL OR ${id})`, params: [flowId] };
  // The bound stands by itself, so that an index can be entered there.
  const bound = `(${key} ${than}= ? AND (${key} ${than} ? OR ${id}))`;
  const params = [row.value, row.value, flowId];
  return { sql: descending && NULLABLE.includes(sort) ? `(${bound} OR ${key} IS NULL)` : bound, params };
}

import type { FlowDatabase } from './database.ts';
import { StorageError } from './errors.ts';

/** Rows of a small table by id, each read once. */
export function lookup<T>(db: FlowDatabase, sql: string): (id: number) => T {
  const statement = db.prepare<[number], T>(sql);
  const rows = new Map<number, T>();
  return (id) => {
    let row = rows.get(id);
    if (row === undefined) {
      row = statement.get(id);
      if (row === undefined)
        throw new StorageError(
          'query',
          db.name,
          'NSTAP_DANGLING',
          `a flow points at row ${id}, which is missing`,
        );
      rows.set(id, row);
    }
    return row;
  };
}

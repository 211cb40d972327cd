/** A value of SQLite: every integer is a bigint. */
export type Cell = bigint | number | string | Uint8Array | null;

/** workerData of the thread that asks the database. */
export interface SqlThreadData {
  path: string;
  sql: string;
  /** Nanoseconds since 1970. */
  now: bigint;
}

/** What the thread says. After each `rows` it waits for any message. */
export type SqlReply =
  | { type: 'columns'; names: string[] }
  | { type: 'rows'; rows: Cell[][] }
  | { type: 'end' }
  /** `isMistake`: of the statement, which was not begun. */
  | { type: 'error'; message: string; isMistake: boolean };

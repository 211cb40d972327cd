import type { FlowDatabase } from './database.ts';
import { ENDPOINT_COLUMNS, ID_COLUMNS, type SqlValue, VALUE_COLUMNS } from './flow-columns.ts';
import { SeriesWriter } from './series.ts';

/** A file that flows are written to: the main file, or a partition that is attached to its connection. */
export interface FlowHome {
  /** Number of the partition; 0: the main file. */
  readonly number: number;
  /** Name of the file in SQL. */
  readonly schema: string;
  readonly statements: HomeStatements;
  /** null: flows over time are not asked for. */
  readonly series: SeriesWriter | null;
  /** Flows inserted by the transaction that is open. */
  added: number;
}

/** The statements over the tables that every such file has. */
export type HomeStatements = ReturnType<typeof prepareHomeStatements>;

/** Prepares a file for writing. @param number of an attached partition; 0: the main file */
export function flowHome(db: FlowDatabase, number: number, timeseries: boolean): FlowHome {
  const schema = schemaName(number);
  return {
    number,
    schema,
    statements: prepareHomeStatements(db, schema),
    series: timeseries ? new SeriesWriter(db, schema) : null,
    added: 0,
  };
}

/** The name under which a partition is attached; 0: the main file. */
export function schemaName(number: number): string {
  return number === 0 ? 'main' : `p${number}`;
}

function prepareHomeStatements(db: FlowDatabase, schema: string) {
  const all = [...ID_COLUMNS, ...ENDPOINT_COLUMNS, ...VALUE_COLUMNS].map(([name]) => name);
  const changing = [...ENDPOINT_COLUMNS, ...VALUE_COLUMNS].map(([name]) => name);
  const flows = `${schema}.flows`;
  const changes = `${schema}.route_changes`;
  const insert = `INSERT INTO ${flows} (${all.join(', ')}) VALUES (${all.map(() => '?').join(', ')})`;
  return {
    insertFlow: db.prepare<SqlValue[]>(insert),
    // SQLite rewrites the entry of every index that has a column in SET, changed or not: so the endpoints are compared
    // here instead of set, and only a flow that was turned around pays for all indexes.
    updateFlow: db.prepare<SqlValue[]>(
      `UPDATE ${flows} SET ${VALUE_COLUMNS.map(([name]) => `${name} = ?`).join(', ')}
       WHERE flow_id = ? AND ${ENDPOINT_COLUMNS.map(([name]) => `${name} IS ?`).join(' AND ')}`,
    ),
    upsertFlow: db.prepare<SqlValue[]>(
      `${insert} ON CONFLICT (flow_id) DO UPDATE SET ${changing.map((name) => `${name} = excluded.${name}`).join(', ')}`,
    ),
    setHints: db.prepare<[string, number]>(`UPDATE ${flows} SET hints = ? WHERE flow_id = ?`),
    setPayloadFwd: db.prepare<[Buffer, number]>(`UPDATE ${flows} SET payload_fwd = ? WHERE flow_id = ?`),
    setPayloadRev: db.prepare<[Buffer, number]>(`UPDATE ${flows} SET payload_rev = ? WHERE flow_id = ?`),
    insertChange: db.prepare<SqlValue[]>(
      `INSERT INTO ${changes} (flow_id, side, seq, since_ns, decision_id) VALUES (?, ?, ?, ?, ?)`,
    ),
    appendChange: db.prepare<SqlValue[]>(
      `INSERT INTO ${changes} (flow_id, side, seq, since_ns, decision_id)
       SELECT ?, ?, coalesce(max(seq), 0) + 1, ?, ? FROM ${changes} WHERE flow_id = ? AND side = ?`,
    ),
  };
}

import type { Statement } from 'better-sqlite3';
import type { FlowDatabase } from './database.ts';
import { ID_COLUMNS, type SqlValue, TUNNEL_COLUMNS } from './flow-columns.ts';
import { anyShape, type FlowShape } from './flow-shapes.ts';
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

type FlowStatement = Statement<SqlValue[]>;

/** The statements that write records of each shape to one table; each is prepared when it is first needed. */
class FlowStatements {
  readonly #db: FlowDatabase;
  readonly #table: string;
  readonly #inserts: (FlowStatement | undefined)[] = [];
  readonly #updates: (FlowStatement | undefined)[] = [];
  /** A record as a whole, of whichever shape, in place of what is there of the flow. */
  readonly upsert: FlowStatement;

  constructor(db: FlowDatabase, table: string) {
    this.#db = db;
    this.#table = table;
    const { insertSql, updateSql, insertColumns } = anyShape();
    this.#inserts[anyShape().number] = this.#prepare(insertSql);
    this.#updates[anyShape().number] = this.#prepare(updateSql);
    const ids = new Set([...ID_COLUMNS, ...TUNNEL_COLUMNS.columns].map(([name]) => name));
    const changing = insertColumns.filter(([name]) => !ids.has(name)).map(([name]) => name);
    this.upsert = this.#prepare(
      `${insertSql} ON CONFLICT (flow_id) DO UPDATE SET ${changing.map((name) => `${name} = excluded.${name}`).join(', ')}`,
    );
  }

  /** Takes values of `insertColumns`. */
  insert({ number, insertSql }: FlowShape): FlowStatement {
    const known = this.#inserts[number];
    if (known !== undefined) return known;
    const statement = this.#prepare(insertSql);
    this.#inserts[number] = statement;
    return statement;
  }

  /** Takes values of `updateColumns`; changes nothing when the flow is not there, or its endpoints are others. */
  update({ number, updateSql }: FlowShape): FlowStatement {
    const known = this.#updates[number];
    if (known !== undefined) return known;
    const statement = this.#prepare(updateSql);
    this.#updates[number] = statement;
    return statement;
  }

  #prepare(sql: string): FlowStatement {
    return this.#db.prepare(sql.replace('{flows}', this.#table));
  }
}

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
  const flows = `${schema}.flows`;
  const changes = `${schema}.route_changes`;
  return {
    flows: new FlowStatements(db, flows),
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

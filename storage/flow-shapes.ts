import {
  type Column,
  ENDPOINT_COLUMNS,
  type FlowRecord,
  ID_COLUMNS,
  type SqlValue,
  TUNNEL_COLUMNS,
  VALUE_COLUMNS,
  VALUE_GROUPS,
} from './flow-columns.ts';

/** Statements of one shape of record: which columns are bound, and which are constants in the text. `{flows}` is the table. */
export interface FlowShape {
  /** From 0, below SHAPES_MAX. */
  readonly number: number;
  readonly insertSql: string;
  readonly updateSql: string;
  readonly insertColumns: readonly Column[];
  readonly updateColumns: readonly Column[];
}

/**
 * Ordinary traffic has some twenty. A statement is some 30 KiB, for each file, and what comes from the network must not be able to ask
 * for any number of them: further shapes have all columns bound.
 */
export const SHAPES_MAX = 64;

const GROUPS = [TUNNEL_COLUMNS, ...VALUE_GROUPS];
/** By the constants of all groups, as digits of a number; 0: none. */
const shapes = new Map<number, FlowShape>();
const ALL_BOUND = shapeOfConstants(0);

/** The shape that a record has. It is the same object for all records alike, in every file. */
export function shapeOf(record: FlowRecord): FlowShape {
  const { c, i } = record;
  let key = 0;
  for (const { constants, constantOf } of GROUPS) key = key * (constants.length + 1) + constantOf(c, i);
  return shapes.get(key) ?? shapeOfConstants(key);
}

/** The shape that fits every record. */
export function anyShape(): FlowShape {
  return ALL_BOUND;
}

/** Puts the values of columns into a list, in place of what it had. */
export function fillValues(values: SqlValue[], columns: readonly Column[], record: FlowRecord): SqlValue[] {
  const { c, i } = record;
  const { length } = columns;
  values.length = length;
  for (let k = 0; k < length; k++) values[k] = columns[k]![1](c, i, record);
  return values;
}

function shapeOfConstants(key: number): FlowShape {
  if (shapes.size >= SHAPES_MAX) return ALL_BOUND;
  const sql: string[] = [];
  let rest = key;
  for (const { constants } of GROUPS.toReversed()) {
    sql.unshift(['?', ...constants][rest % (constants.length + 1)]!);
    rest = Math.floor(rest / (constants.length + 1));
  }
  const groups = GROUPS.map(({ columns }, n) => ({ columns, sql: sql[n]! }));
  const ids = [{ columns: ID_COLUMNS, sql: '?' }, groups[0]!];
  const endpoints = { columns: ENDPOINT_COLUMNS, sql: '?' };
  const values = [{ columns: VALUE_COLUMNS, sql: '?' }, ...groups.slice(1)];
  const inserted = listed([...ids, endpoints, ...values]);
  const shape: FlowShape = {
    number: shapes.size,
    insertSql: `INSERT INTO {flows} (${inserted.map(({ column: [name] }) => name).join(', ')})
       VALUES (${inserted.map(({ sql }) => sql).join(', ')})`,
    // SQLite rewrites the entry of every index that has a column in SET, changed or not: so the endpoints are compared
    // here instead of set, and only a flow that was turned around pays for all indexes.
    updateSql: `UPDATE {flows} SET ${listed(values)
      .map(({ column: [name], sql }) => `${name} = ${sql}`)
      .join(', ')}
       WHERE flow_id = ? AND ${ENDPOINT_COLUMNS.map(([name]) => `${name} IS ?`).join(' AND ')}`,
    insertColumns: bound(inserted),
    updateColumns: [...bound(listed(values)), ...ID_COLUMNS.slice(0, 1), ...ENDPOINT_COLUMNS],
  };
  shapes.set(key, shape);
  return shape;
}

interface Listed {
  column: Column;
  sql: string;
}

function listed(groups: readonly { columns: readonly Column[]; sql: string }[]): Listed[] {
  return groups.flatMap(({ columns, sql }) => columns.map((column) => ({ column, sql })));
}

function bound(columns: readonly Listed[]): Column[] {
  return columns.filter(({ sql }) => sql === '?').map(({ column }) => column);
}

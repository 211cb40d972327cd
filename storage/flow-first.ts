import type { FlowDatabase } from './database.ts';
import type { SqlCondition } from './filter-sql.ts';
import { type FlowArm, unionArms } from './flow-arms.ts';
import type { SqlValue } from './flow-columns.ts';
import { PIECE_SQL } from './flow-pieces.ts';
import type { FlowPlace } from './flow-rows.ts';

/** An order of flows, of which the first are wanted; ties by flow_id. */
export interface FlowOrder {
  /** Of `f`. */
  sort: string;
  descending: boolean;
  /** How many. */
  limit: number;
}

/** A statement that gives the first flows of one piece: id and what it is sorted by. */
export interface PieceStatement extends SqlCondition {
  schema: string;
  pieces: readonly number[];
  /** Whether it takes, behind the piece, how far the flows that are known already go. */
  isBound: boolean;
}

/** Statements that together have the first flows of all arms. */
export interface FirstStatements {
  /** Id, file and what is sorted by; null: no such arms. */
  whole: SqlCondition | null;
  /** Each to be asked of each of its pieces: `piece`, then the bound, then `params`, then how many. */
  byPiece: PieceStatement[];
}

/** @param repeats in so many arms a flow may be */
export function firstStatements(
  arms: readonly FlowArm[],
  repeats: number,
  { sort, descending, limit }: FlowOrder,
): FirstStatements {
  const direction = descending ? 'DESC' : 'ASC';
  const columns = `f.flow_id, {file} AS file, ${sort} AS sort_key`;
  const order = `ORDER BY sort_key ${direction}, flow_id ${direction} LIMIT ?`;
  const whole = arms.filter(({ pieces }) => pieces === null);
  const isBound = sort === 'f.start_ns';
  return {
    whole: whole.length === 0 && arms.length > 0 ? null : limited(whole, columns, order, limit * repeats),
    byPiece: arms.flatMap(({ schema, from, where, pieces }) => {
      if (pieces === null) return [];
      const bound = isBound ? ` AND f.start_ns ${descending ? '>=' : '<='} ?` : '';
      const sql = `SELECT ${columns.replace('{file}', `'${schema}'`)} FROM ${from}
        WHERE ${PIECE_SQL} = ?${bound} AND ${where.sql} ${order}`;
      return [{ schema, pieces, isBound, sql, params: where.params }];
    }),
  };
}

function limited(arms: readonly FlowArm[], columns: string, order: string, rows: number): SqlCondition {
  const { sql, params } = unionArms(arms, columns);
  return { sql: `${sql} ${order}`, params: [...params, rows] };
}

type Key = bigint | number | string | Buffer | null;
type Row = readonly [flowId: bigint, schema: string, key: Key];

const FIRST_NS = -(2n ** 63n);
const LAST_NS = 2n ** 63n - 1n;

/**
 * The first flows of an order. Of an index that begins with the piece, the newest piece is asked first (of an ascending order
 * the oldest), and each next one only for what comes before the flows that are known: mostly nothing.
 */
export function firstFlows(db: FlowDatabase, statements: FirstStatements, order: FlowOrder): FlowPlace[] {
  const { descending, limit } = order;
  if (limit === 0) return [];
  const turn = descending ? -1 : 1;
  const before = (a: Row, b: Row): number => (compared(a[2], b[2]) || compared(a[0], b[0])) * turn;
  let found: Row[] = [];
  if (statements.whole !== null) {
    const { sql, params } = statements.whole;
    found = merged([], reader(db, sql).all(...params), before, limit);
  }
  const asked = statements.byPiece.flatMap(({ sql, params, pieces, isBound }) => {
    const statement = reader(db, sql);
    return pieces.map((piece) => ({ piece, statement, params, isBound }));
  });
  asked.sort((a, b) => (a.piece - b.piece) * turn);
  for (const { piece, statement, params, isBound } of asked) {
    const bound = found.length === limit ? (found.at(-1)![2] as bigint) : descending ? FIRST_NS : LAST_NS;
    const rows = statement.all(piece, ...(isBound ? [bound] : []), ...params, limit);
    found = merged(found, rows, before, limit);
  }
  return found.map(([flowId, schema]) => [Number(flowId), schema]);
}

function reader(db: FlowDatabase, sql: string) {
  return db.prepare<SqlValue[], Row>(sql).raw().safeIntegers();
}

/** The first of two lists that are in order; what is in both, or repeated in one, once. */
function merged(
  a: readonly Row[],
  b: readonly Row[],
  before: (a: Row, b: Row) => number,
  limit: number,
): Row[] {
  if (b.length === 0) return a as Row[];
  const list: Row[] = [];
  for (let i = 0, k = 0; list.length < limit && (i < a.length || k < b.length); ) {
    const isFromA = k === b.length || (i < a.length && before(a[i]!, b[k]!) <= 0);
    const row = isFromA ? a[i++]! : b[k++]!;
    if (row[0] !== list.at(-1)?.[0]) list.push(row);
  }
  return list;
}

/** As SQLite sorts integers, text or blobs of one column: nothing before anything. */
export function compared(a: Key, b: Key): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return Buffer.compare(a, b);
  return a < b ? -1 : Number(a > b);
}

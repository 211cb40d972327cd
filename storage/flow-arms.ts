import type { FlowDatabase } from './database.ts';
import { experimentCondition } from './experiment-flows.ts';
import type { FilterNode } from './filter-ast.ts';
import { filterToSql, join, type SqlCondition } from './filter-sql.ts';
import type { SqlValue } from './flow-columns.ts';
import {
  type Cover,
  coverOf,
  indexedBy,
  isExactCover,
  type CoverSize,
  equalTo,
  type Family,
  type IndexFind,
  IS_LONG,
  LONG_NS,
  longFind,
  smallest,
  timeCover,
} from './flow-cover.ts';
import { hasFlowIndexes } from './flow-indexes.ts';
import { isByPiece, PIECE_SQL, type PieceColumn, piecesOf } from './flow-pieces.ts';
import { flowSql } from './flow-rare.ts';
import { flowSchemas } from './partition-views.ts';
import { clampNs } from './time.ts';

/** Which flows, of all in the database. */
export interface FlowSelection {
  filter: FilterNode | null;
  /** Nanoseconds since the epoch: flows that were alive in [since, until). null: no bound. */
  since: bigint | null;
  until: bigint | null;
  /** More that a flow has to meet; see behindFlow. */
  also?: SqlCondition;
}

/** One of the parts that a query reads: of one file, by one index. */
export interface FlowArm {
  /** Name of the file in SQL. */
  schema: string;
  /** What stands behind FROM; the flows have the alias `f`. */
  from: string;
  where: SqlCondition;
  /** What has to be asked of each piece of the file, see flow-pieces.ts: the pieces, in ascending order. */
  pieces: readonly number[] | null;
}

/** All parts that a query reads. */
export interface FlowArms {
  arms: FlowArm[];
  /** A flow is in so many of them at most: more than one only of use `first`. */
  repeats: number;
}

/**
 * What becomes of the flows, as far as it matters for how they are found: the first by their start (of which the ids are enough),
 * all by their start, in another order (of which an index has the first), or added up.
 */
export type ArmUse = 'first' | 'by start' | 'sorted' | `first by ${PieceColumn}` | 'added up';

/** What decides between ways; see the defaults. */
export interface ArmLimits {
  countMax: number;
  exactMax: number;
  sortedMax: number;
  valuesMax: number;
  wideShare: number;
}

const LIMITS: ArmLimits = {
  // Entries of an index that are counted at most to tell which of two is the better one: some milliseconds.
  countMax: 20_000,
  // The same where the entries are all that is read.
  exactMax: 100_000,
  // So many flows are sorted sooner than each value of a column is read in order.
  sortedMax: 4000,
  // Values that are read in order each by itself; with ten files they are as many parts of a statement, and SQLite takes 500.
  valuesMax: 20,
  // Of this share of all flows, reading all of them in their order takes no longer than reading those from here and there.
  wideShare: 1 / 4,
};

/**
 * How to read the flows of a selection: by the indexes that find the fewest, or, when there are none or they would find too many
 * in no order, all flows in the order of their start. Indexes are named in the statement: SQLite has no figures by
 * which to choose, and what it would choose depends on how a condition is put.
 */
export function flowArms(db: FlowDatabase, selection: FlowSelection, use: ArmUse, limits = LIMITS): FlowArms {
  const files = filesOf(db, selection);
  const time = timeConditions(selection);
  const count = new EntryCount(db, files, time.ofStart);
  const size: CoverSize = (cover) => count.of(cover, limits.countMax);
  const { filter, since, until } = selection;
  const conditions = filter === null ? [] : [filterToSql(filter, (names) => experimentCondition(db, names))];
  if (selection.also !== undefined) conditions.push(selection.also);
  const byFilter = filter === null ? null : coverOf(db, filter, size);
  // Nothing but the entries of the indexes has to be read.
  const isExact =
    use === 'first' &&
    since === null &&
    selection.also === undefined &&
    byFilter !== null &&
    isExactCover(filter!);
  const bounds = isExact ? { ...limits, countMax: limits.exactMax, sortedMax: limits.exactMax } : limits;
  const params = conditions.reduce((n, condition) => n + condition.params.length, 0);
  const isUseful =
    byFilter !== null &&
    !isTooLong(byFilter, use, files.length, params, limits) &&
    !isTooWide(byFilter, use, count, bounds);
  if (isUseful && isExact) {
    const parts = inParts(byFilter, use, count, bounds);
    const arms = files.flatMap((file) =>
      parts.map(({ find }) => arm(file, find, use, [find!.where, ...time.ofStart])),
    );
    return { arms, repeats: byFilter.length };
  }
  const isBound = since !== null || until !== null;
  const byTime = isBound ? timeCover(since, until).slice(0, 1) : null;
  const isTimeUseful = byTime !== null && !isTooWide(byTime, use, count, limits);
  // So long that it may stand in the statement once only, over the view of all files.
  if (!isUseful && params * files.length * 2 > PARAMS_MAX) {
    const times = timeBound(selection);
    const schema = flowSchemas(db).length > 1 ? 'temp' : 'main';
    const where = all([...times, ...conditions]);
    return { arms: [{ schema, from: 'flows f', where, pieces: null }], repeats: 1 };
  }
  const cover = smallest([isUseful ? byFilter : null, isTimeUseful ? byTime : null], size);
  const parts = cover === null ? [{ find: null, others: [] }] : inParts(cover, use, count, limits);
  const arms = parts.flatMap(({ find, others }) =>
    files.map((file) =>
      arm(file, find, use, [
        ...(find === null ? [] : [find.where]),
        ...time.ofShort,
        ...conditions,
        ...others,
      ]),
    ),
  );
  if (since !== null) {
    // What lives long may have begun at any time before.
    const long = longFind(since, until);
    arms.push(...files.map((file) => arm(file, long, use, [long.where, ...conditions])));
  }
  return { arms, repeats: 1 };
}

function arm(file: FlowFile, find: IndexFind | null, use: ArmUse, conditions: SqlCondition[]): FlowArm {
  const { name: schema, isIndexed } = file;
  const index = isIndexed ? indexFor(find, use) : undefined;
  return {
    schema,
    from: `${schema}.flows f${indexedBy(index)}`,
    where: all(conditions),
    pieces: piecesFor(file, index),
  };
}

/** The pieces that have to be asked one by one; null: the index is not by piece. */
function piecesFor(file: FlowFile, index: string | null | undefined): readonly number[] | null {
  return index && isByPiece(index) ? file.pieces() : null;
}

/** That a flow is in one of these pieces. Numbers in the text: SQLite looks at each by itself, as it does with values. */
function inPieces(pieces: readonly number[]): string {
  return `${PIECE_SQL} IN (${pieces.join(', ')})`;
}

/**
 * All arms as one statement.
 * @param columns of each, of `f`; `{file}` stands for the name of the file, as text
 * @param groupBy what each is grouped by
 */
export function unionArms(arms: readonly FlowArm[], columns: string, groupBy?: string): SqlCondition {
  const nothing = { sql: 'FALSE', params: [] };
  const none: FlowArm = { schema: 'main', from: 'main.flows f', where: nothing, pieces: null };
  const parts = arms.length === 0 ? [none] : arms;
  const behind = groupBy === undefined ? '' : ` GROUP BY ${groupBy}`;
  return {
    sql: parts
      .map(({ schema, from, where, pieces }) => {
        const list = columns.replaceAll('{file}', `'${schema}'`);
        const of = pieces === null ? '' : `${inPieces(pieces)} AND `;
        return `SELECT ${list} FROM ${from} WHERE ${of}${where.sql}${behind}`;
      })
      .join('\nUNION ALL '),
    params: parts.flatMap(({ where }) => where.params),
  };
}

/**
 * All flows of a selection, once each and in no order, as what stands behind FROM: columns of `flows` under the alias `f`.
 * @param columns those that the statement reads
 */
export function selectedFlows(
  db: FlowDatabase,
  selection: FlowSelection,
  columns: readonly string[],
): SqlCondition {
  const { arms } = flowArms(db, selection, 'added up');
  const { sql, params } = unionArms(
    arms,
    columns.map((column) => `${flowSql(column)} AS ${column}`).join(', '),
  );
  return { sql: `(${sql}) f`, params };
}

/** That a flow was alive within a selection's bounds. */
function timeBound({ since, until }: FlowSelection): SqlCondition[] {
  return [
    ...(since === null ? [] : [{ sql: 'f.end_ns >= ?', params: [clampNs(since)] }]),
    ...(until === null ? [] : [{ sql: 'f.start_ns < ?', params: [clampNs(until)] }]),
  ];
}

/** Of a selection's bounds, what an index of a column and the start answers, and all of it for flows that are not long. */
function timeConditions({ since, until }: FlowSelection): {
  ofStart: SqlCondition[];
  ofShort: SqlCondition[];
} {
  const before = until === null ? [] : [{ sql: 'f.start_ns < ?', params: [clampNs(until)] }];
  if (since === null) return { ofStart: before, ofShort: before };
  const after = { sql: 'f.start_ns >= ?', params: [clampNs(since - LONG_NS)] };
  const ofStart = [after, ...before];
  return {
    ofStart,
    ofShort: [...ofStart, { sql: `f.end_ns >= ? AND NOT (${IS_LONG})`, params: [clampNs(since)] }],
  };
}

/** Counts entries of indexes, as far as it is told to. */
class EntryCount {
  readonly #db: FlowDatabase;
  readonly #files: readonly FlowFile[];
  readonly #time: SqlCondition[];
  /** By find: entries, and up to how many were counted. */
  readonly #known = new Map<IndexFind, { entries: number; max: number }>();

  /** @param time what a selection says of the start of flows */
  constructor(db: FlowDatabase, files: readonly FlowFile[], time: SqlCondition[]) {
    this.#db = db;
    this.#files = files;
    this.#time = time;
  }

  /** How many entries the finds have together, up to `max`. */
  of(cover: Cover, max: number): number {
    let entries = 0;
    for (const find of cover.flat()) {
      if (entries >= max) break;
      entries += this.#entries(find, max);
    }
    return Math.min(entries, max);
  }

  /** How many flows there are, more or less: ids are given in blocks. */
  all(): number {
    let flows = 0;
    for (const { name } of this.#files)
      flows += this.#ask(`SELECT coalesce(max(flow_id) - min(flow_id) + 1, 0) FROM (
          SELECT * FROM (SELECT flow_id FROM ${name}.flows ORDER BY flow_id LIMIT 1) UNION ALL
          SELECT * FROM (SELECT flow_id FROM ${name}.flows ORDER BY flow_id DESC LIMIT 1))`);
    return flows;
  }

  #entries(find: IndexFind, max: number): number {
    // Of no value, SQLite cannot tell that it is not NULL, as an index of those that are not demands.
    if (find.kind === 'oneOf' && find.values.length === 0) return 0;
    const known = this.#known.get(find);
    if (known !== undefined && (known.max >= max || known.entries < known.max)) return known.entries;
    // Within a range of another column nothing is in the order of time: the entries that are out of it would be read as well.
    const { sql, params } = all([find.where, ...(find.kind === 'oneOf' ? this.#time : [])]);
    let entries = 0;
    for (const file of this.#files) {
      if (entries >= max) break;
      const index = file.isIndexed ? find.index : undefined;
      const pieces = piecesFor(file, index);
      entries += this.#ask(
        `SELECT count(*) FROM (SELECT 1 FROM ${file.name}.flows f${indexedBy(index)}
         WHERE ${pieces === null ? '' : `${inPieces(pieces)} AND `}${sql} LIMIT ?)`,
        ...params,
        max - entries,
      );
    }
    this.#known.set(find, { entries, max });
    return entries;
  }

  #ask(sql: string, ...params: SqlValue[]): number {
    return this.#db
      .prepare<SqlValue[], number>(sql)
      .pluck()
      .get(...params)!;
  }
}

/** Parts of a statement, and its parameters: SQLite takes 500 and 32,766. */
const ARMS_MAX = 450;
const PARAMS_MAX = 30_000;

/** True when a statement that reads each find of a cover by itself would be too long. @param params of the filter */
function isTooLong(cover: Cover, use: ArmUse, files: number, params: number, limits: ArmLimits): boolean {
  const finds = cover.flat().length + (use === 'first' && isOrderable(cover, limits) ? limits.valuesMax : 0);
  const ofFinds = cover.flat().reduce((n, { where }) => n + where.params.length, 0);
  const arms = (finds + 1) * files;
  return arms > ARMS_MAX || arms * (params + ofFinds + 8) > PARAMS_MAX;
}

/** True when all flows, in the order of their start, are read sooner than those that the indexes find in another order. */
function isTooWide(cover: Cover, use: ArmUse, count: EntryCount, limits: ArmLimits): boolean {
  const { countMax, wideShare } = limits;
  if (use === 'first') return !isOrderable(cover, limits) && count.of(cover, countMax) === countMax;
  const max = Math.max(countMax, Math.floor(count.all() * wideShare));
  return count.of(cover, max) === max;
}

/** True when the flows can be read in the order of their start, value by value. */
function isOrderable(cover: Cover, { valuesMax }: ArmLimits): boolean {
  const finds = cover.flat();
  return (
    finds.every(({ kind }) => kind !== 'range') &&
    finds.reduce((n, { kind, values }) => n + (kind === 'oneOf' ? values.length : 1), 0) <= valuesMax
  );
}

interface Part {
  find: IndexFind | null;
  /** What keeps out the flows of the parts before. */
  others: SqlCondition[];
}

function inParts(cover: Cover, use: ArmUse, count: EntryCount, limits: ArmLimits): Part[] {
  const isInOrder =
    use === 'first' && isOrderable(cover, limits) && count.of(cover, limits.sortedMax + 1) > limits.sortedMax;
  const before: Family = [];
  return cover.flatMap((family) => {
    const others = before.map(({ where }) => ({ sql: `(${where.sql}) IS NOT TRUE`, params: where.params }));
    before.push(...family);
    return family.flatMap((find) => {
      if (find.kind === 'oneOf' && find.values.length === 0) return [];
      const each = isInOrder && find.kind === 'oneOf' ? byValue(find) : [find];
      return each.map((one) => ({ find: one, others }));
    });
  });
}

/** A find for each value of the column. */
function byValue(find: IndexFind): IndexFind[] {
  return find.values.map((value) => ({ ...find, where: equalTo(find.column, [value]) }));
}

/** The index that an arm reads: null: none, undefined: SQLite has the choice. */
function indexFor(find: IndexFind | null, use: ArmUse): string | null | undefined {
  if (find !== null) return find.index;
  // What is added up would else be read in the order of its groups, from here and there.
  if (use === 'added up') return null;
  if (use === 'sorted') return undefined;
  return use === 'first' || use === 'by start' ? 'flows_start' : use.replace('first by ', 'flows_');
}

/** A file of flows. */
interface FlowFile {
  /** In SQL. */
  name: string;
  /** False: all of its flows are looked at, see hasFlowIndexes. */
  isIndexed: boolean;
  /** See piecesOf; looked up once. */
  pieces(): readonly number[];
}

/** The files that may have flows of a selection. */
function filesOf(db: FlowDatabase, { since, until }: FlowSelection): FlowFile[] {
  const found = flowSchemas(db).filter((schema) => {
    const [first, last] = db
      .prepare<[], [bigint | null, bigint | null]>(
        `SELECT (SELECT min(start_ns) FROM ${schema}.flows), (SELECT max(end_ns) FROM ${schema}.flows)`,
      )
      .raw()
      .safeIntegers()
      .get()!;
    if (first === null || last === null) return false;
    return (since === null || last >= since) && (until === null || first < until);
  });
  return found.map((name) => {
    let pieces: readonly number[] | undefined;
    return { name, isIndexed: hasFlowIndexes(db, name), pieces: () => (pieces ??= piecesOf(db, name)) };
  });
}

function all(conditions: SqlCondition[]): SqlCondition {
  return conditions.length === 0 ? { sql: 'TRUE', params: [] } : join(conditions, ' AND ');
}

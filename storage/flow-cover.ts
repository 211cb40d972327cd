import type { FlowDatabase } from './database.ts';
import { experimentSpans } from './experiment-flows.ts';
import type { FilterNode, Side } from './filter-ast.ts';
import { addressRange, COMPARATOR_SQL, isOneOf, routeSql, type SqlCondition } from './filter-sql.ts';
import type { SqlValue } from './flow-columns.ts';
import { clampNs } from './time.ts';

/**
 * Flows that one index finds, whatever else they are asked for. An index of a column and `start_ns` gives the flows of one
 * value in the order of their start, of the whole file or of one piece of it (see flow-pieces.ts).
 */
export interface IndexFind {
  /** Name of an index of `flows`; null: the table's own order, by flow_id. */
  index: string | null;
  /** What the index answers, on `flows` under the alias `f`. */
  where: SqlCondition;
  /** What `where` is: of a column values, each of which alone comes in the order of start; a range of another; a range of start; long flows. */
  kind: 'oneOf' | 'range' | 'start' | 'long';
  /** Of `oneOf`. */
  column: string;
  values: SqlValue[];
}

const NO_VALUES = { column: '', values: [] };

/** Finds that have no flow in common. */
export type Family = IndexFind[];

/** Families that together find every flow of a filter; a flow may be in several. */
export type Cover = Family[];

/** How many flows the indexes would read, up to some bound. */
export type CoverSize = (cover: Cover) => number;

/**
 * Flows that live longer are in an index of their own (`flows_long`), so that those of a time are found between two bounds of
 * their start. It is part of the schema.
 */
export const LONG_NS = 300_000_000_000n;

/** Says of a flow that it is in `flows_long`, as the schema says it: SQLite compares the words. */
export const IS_LONG = `f.end_ns - f.start_ns > ${LONG_NS}`;

/** Of more spans of time, all between the first and the last are looked at. */
const SPANS_MAX = 8;

/**
 * The way to the flows of a filter by indexes; null when there is none, and all flows have to be looked at. Of what is joined
 * by `and`, what finds the fewest flows is taken.
 */
export function coverOf(db: FlowDatabase, node: FilterNode, size: CoverSize): Cover | null {
  switch (node.kind) {
    case 'and':
      return smallest(
        node.nodes.map((each) => coverOf(db, each, size)),
        size,
      );
    case 'or': {
      const covers = node.nodes.map((each) => coverOf(db, each, size));
      return covers.includes(null) ? null : merged(covers.flatMap((cover) => cover!));
    }
    case 'host': {
      const values = node.addresses.map(({ bytes }) => Buffer.from(bytes));
      return ends(node.side, (end) => [equal(`flows_${end}`, end, values)]);
    }
    case 'net':
      return ends(node.side, (end) =>
        node.nets.map(({ bytes, prefixLen }) => within(`flows_${end}`, addressRange(end, bytes, prefixLen))),
      ).flatMap((family) => family.map((find) => [find]));
    case 'port': {
      const { comparator, values } = node;
      if (comparator === '!=') return null;
      return ends(node.side, (end) => [
        comparator === '='
          ? equal(`flows_${end}_port`, `${end}_port`, values)
          : within(`flows_${end}_port`, {
              sql: `f.${end}_port ${COMPARATOR_SQL[comparator]} ?`,
              params: values.slice(0, 1),
            }),
      ]);
    }
    case 'netns':
    case 'interface':
      return captureCover(db, `${node.kind} IN (${marks(node.names)})`, node.names);
    case 'experiment':
      return experimentCover(db, node.names);
    case 'tunnel':
      return [
        [
          within('flows_tunnel', {
            sql:
              node.types === null ? 'f.tunnel_type IS NOT NULL' : `f.tunnel_type IN (${marks(node.types)})`,
            params: node.types ?? [],
          }),
        ],
      ];
    case 'flowId':
      return [[equal(null, 'flow_id', node.values)]];
    case 'tunnelOuter':
      return [[equal('flows_tunnel_outer', 'tunnel_outer_flow_id', node.values)]];
    case 'routeChanged':
      return [[within('flows_route_changed', { sql: 'f.route_orig_side IS NOT NULL', params: [] })]];
    case 'route':
    case 'routeRule': {
      const { sql, params } = routeSql(node);
      const ids = pluck(db, `SELECT decision_id FROM route_decisions WHERE ${sql}`, params);
      return ['route_fwd', 'route_rev'].map((column) => [equal(`flows_${column}`, column, ids)]);
    }
    default:
      return null;
  }
}

/** Values of one column in one find: `host A or host B` is as `host in [ A B ]`. */
function merged(cover: Cover): Cover {
  const byIndex = new Map<string | null, SqlValue[]>();
  const others: Cover = [];
  const columns = new Map<string | null, string>();
  for (const family of cover) {
    const [find] = family;
    if (family.length !== 1 || find!.kind !== 'oneOf') {
      others.push(family);
      continue;
    }
    columns.set(find!.index, find!.column);
    byIndex.set(find!.index, [...(byIndex.get(find!.index) ?? []), ...find!.values]);
  }
  return [...[...byIndex].map(([index, values]) => [equal(index, columns.get(index)!, values)]), ...others];
}

/** True when every flow that the cover of a filter finds meets the filter: nothing else has to be asked of it. */
export function isExactCover(node: FilterNode): boolean {
  switch (node.kind) {
    case 'or':
      return node.nodes.every(isExactCover);
    case 'host':
    case 'net':
    case 'netns':
    case 'interface':
    case 'tunnel':
    case 'flowId':
    case 'tunnelOuter':
    case 'route':
    case 'routeRule':
    case 'routeChanged':
      return true;
    default:
      return false; // of a port also the protocol is asked, of an experiment the end
  }
}

/** The better of several ways, where null is none. */
export function smallest(covers: (Cover | null)[], size: CoverSize): Cover | null {
  const found = covers.filter((cover) => cover !== null);
  if (found.length <= 1) return found[0] ?? null;
  let best = found[0]!;
  let least = Number.POSITIVE_INFINITY;
  for (const cover of found) {
    const flows = size(cover);
    if (flows >= least) continue;
    best = cover;
    least = flows;
  }
  return best;
}

/** Flows that were alive in [since, until): two families, of short and of long ones. null: no bound. */
export function timeCover(since: bigint | null, until: bigint | null): Cover {
  if (since === null) return [[startRange(null, until)]];
  return [[startRange(since - LONG_NS, until)], [longFind(since, until)]];
}

/** By the start of flows: in [from, until). */
function startRange(from: bigint | null, until: bigint | null): IndexFind {
  const conditions = [
    ...(from === null ? [] : [{ sql: 'f.start_ns >= ?', params: [clampNs(from)] }]),
    ...(until === null ? [] : [{ sql: 'f.start_ns < ?', params: [clampNs(until)] }]),
  ];
  return {
    index: 'flows_start',
    where: {
      sql: conditions.map(({ sql }) => sql).join(' AND ') || 'TRUE',
      params: conditions.flatMap(({ params }) => params),
    },
    kind: 'start',
    ...NO_VALUES,
  };
}

/** The long flows that ended at or after a time, and began before another. */
export function longFind(since: bigint, until: bigint | null): IndexFind {
  return {
    index: 'flows_long',
    where: {
      sql: `${IS_LONG} AND f.end_ns >= ?${until === null ? '' : ' AND f.start_ns < ?'}`,
      params: [clampNs(since), ...(until === null ? [] : [clampNs(until)])],
    },
    kind: 'long',
    ...NO_VALUES,
  };
}

function captureCover(db: FlowDatabase, where: string, names: readonly string[]): Cover {
  const ids = pluck(db, `SELECT capture_id FROM captures WHERE ${where}`, names);
  return [[equal('flows_capture', 'capture_id', ids)]];
}

/** Of experiments by their times only: which namespaces they are limited to, the filter says. */
function experimentCover(db: FlowDatabase, names: readonly string[]): Cover {
  const spans = experimentSpans(db, names);
  if (spans.length === 0) return [];
  const starts: { from: bigint; until: bigint | null }[] = [];
  for (const { startedNs, endedNs } of spans) {
    const from = startedNs - LONG_NS;
    const last = starts.at(-1);
    const until = endedNs === null ? null : endedNs + 1n;
    if (last === undefined || (last.until !== null && last.until <= from)) starts.push({ from, until });
    else last.until = until;
  }
  const all = { from: starts[0]!.from, until: starts.at(-1)!.until };
  const ranges = starts.length > SPANS_MAX ? [all] : starts;
  return [
    ranges.map(({ from, until }) => startRange(from, until)),
    [longFind(spans[0]!.startedNs, all.until)],
  ];
}

function ends(side: Side, family: (end: 'src' | 'dst') => Family): Cover {
  return side === 'any' ? [family('src'), family('dst')] : [family(side)];
}

function equal(index: string | null, column: string, values: SqlValue[]): IndexFind {
  const distinct = new Map(
    values.map((value) => [Buffer.isBuffer(value) ? value.toString('hex') : value, value]),
  );
  const each = [...distinct.values()];
  return { index, where: equalTo(column, each), kind: 'oneOf', column, values: each };
}

/** What stands behind the name of the table to have it read by an index; null: by none, undefined: as SQLite likes. */
export function indexedBy(index: string | null | undefined): string {
  if (index === undefined) return '';
  return index === null ? ' NOT INDEXED' : ` INDEXED BY ${index}`;
}

/** That a column of `flows` is one of these, which may be none. */
export function equalTo(column: string, values: readonly SqlValue[]): SqlCondition {
  return isOneOf(`f.${column}`, values);
}

function within(index: string, where: SqlCondition): IndexFind {
  return { index, where, kind: 'range', ...NO_VALUES };
}

function marks(values: readonly unknown[]): string {
  return values.map(() => '?').join(', ');
}

function pluck(db: FlowDatabase, sql: string, params: readonly SqlValue[]): number[] {
  return db
    .prepare<SqlValue[], number>(sql)
    .pluck()
    .all(...params);
}

import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import { join, type SqlCondition } from './filter-sql.ts';
import { CONN_STATES, END_REASONS, TUNNEL_TYPES } from './flow-batch.ts';
import type { SqlValue } from './flow-columns.ts';
import { flowArms, type FlowSelection, unionArms } from './flow-arms.ts';
import { compared } from './flow-first.ts';
import {
  addGroupFunctions,
  endOf,
  type GroupField,
  type GroupKind,
  madeGroupField,
  otherEnd,
} from './group-keys.ts';
import { holdSnapshot } from './partition-views.ts';
import { toNs } from './time.ts';

/** What flows are grouped by: the names of the JSON contract; `host` counts a flow for both of its ends. */
export const GROUP_FIELDS: Readonly<Record<string, GroupField>> = {
  host: plain('host', 'address'),
  src: plain('src', 'address'),
  dst: plain('dst', 'address'),
  src_port: plain('src_port'),
  dst_port: plain('dst_port'),
  protocol: few('proto', 'protocol'),
  ip_version: few('ip_version'),
  netns: ofCapture('netns'),
  interface: ofCapture('interface'),
  vlan: few('vlan_outer'),
  tunnel_type: few('tunnel_type', 'tunnelType'),
  tunnel_id: plain('tunnel_id'),
  conn_state: few('conn_state', 'connState'),
  end_reason: few('end_reason', 'endReason'),
  route_type: ofRoute('type'),
  route_verdict: ofRoute('verdict'),
  route_table: ofRoute('table_name'),
  route_prefix: ofRoute('prefix'),
  route_gateway: ofRoute('gateway'),
  route_dev: ofRoute('dev'),
  route_rule: ofRoute('rule'),
};

function plain(column: string, kind: GroupKind = 'plain'): GroupField {
  return { sql: `s.${column}`, raw: endOf(column), column, kind };
}

function few(column: string, kind: GroupKind = 'plain'): GroupField {
  return { ...plain(column, kind), isFew: true };
}

function ofCapture(column: string): GroupField {
  return { ...few('capture_id'), sql: `c.${column}`, join: 'captures' };
}

function ofRoute(column: string): GroupField {
  return { ...few('route_fwd'), sql: `d.${column}`, join: 'route_decisions' };
}

/** What a name in GroupQuery.by stands for: one of GROUP_FIELDS, or what madeGroupField makes; undefined for another name. */
export function groupField(name: string): GroupField | undefined {
  return Object.hasOwn(GROUP_FIELDS, name) ? GROUP_FIELDS[name] : madeGroupField(name);
}

/** Of the decision of the originator's direction: the first packet is his. */
const JOINS: Readonly<Record<string, string>> = {
  captures: 'JOIN captures c ON c.capture_id = s.capture_id',
  route_decisions: 'LEFT JOIN route_decisions d ON d.decision_id = s.route_fwd',
};

/**
 * Page cache of the main file while flows are added up, in KiB: SQLite sorts as much at a time, and what fits into the processor's
 * cache is sorted a quarter faster than in pieces of 16 MiB, although there are more of them.
 */
const SORTER_KIB = 2000;

/** What is added up, of one flow. */
const VALUES = [
  '1 AS flows',
  'f.packets_fwd',
  'f.packets_rev',
  'f.bytes_fwd',
  'f.bytes_rev',
  'f.start_ns',
  'f.end_ns',
];

/** Sums of the flows of one file that are alike in all columns asked for. */
const SUMS = [
  'count(*) AS flows',
  'sum(f.packets_fwd) AS packets_fwd',
  'sum(f.packets_rev) AS packets_rev',
  'sum(f.bytes_fwd) AS bytes_fwd',
  'sum(f.bytes_rev) AS bytes_rev',
  'min(f.start_ns) AS start_ns',
  'max(f.end_ns) AS end_ns',
];

/** Totals of a group, made of such sums, and what it can be sorted by besides its fields. */
const TOTALS: Readonly<Record<string, string>> = {
  flows: 'sum(s.flows)',
  packets: 'sum(s.packets_fwd + s.packets_rev)',
  bytes: 'sum(s.bytes_fwd + s.bytes_rev)',
  packets_fwd: 'sum(s.packets_fwd)',
  packets_rev: 'sum(s.packets_rev)',
  bytes_fwd: 'sum(s.bytes_fwd)',
  bytes_rev: 'sum(s.bytes_rev)',
  start: 'min(s.start_ns)',
  end: 'max(s.end_ns)',
};

/** What GroupQuery.sort takes besides the fields that are grouped by. */
export const GROUP_SORTS: readonly string[] = Object.keys(TOTALS);

export interface GroupQuery extends FlowSelection {
  /** Names as groupField takes them; at least one. */
  by: readonly string[];
  /** One of `by` or GROUP_SORTS. */
  sort: string;
  descending: boolean;
  limit: number | null;
  offset: number;
}

/** Flows that share the values of the fields asked for, added up. */
export interface GroupRow {
  /** One a field, in the order asked for: see GroupKind; codes have become names. */
  keys: (number | string | Buffer | null)[];
  flows: number;
  packets: number;
  bytes: number;
  packetsFwd: number;
  packetsRev: number;
  bytesFwd: number;
  bytesRev: number;
  /** Nanoseconds since the epoch: the earliest start and the latest end. */
  startNs: bigint;
  endNs: bigint;
}

/** Aggregates flows. Throws StorageError; RangeError for a field or sort it does not know. */
export function* queryBy(db: FlowDatabase, query: GroupQuery): IterableIterator<GroupRow> {
  const { sql, params } = groupSql(db, query);
  const kinds = query.by.map((name) => groupField(name)!.kind);
  const release = holdSnapshot(db);
  const cache = db.pragma('main.cache_size', { simple: true }) as number;
  db.pragma(`main.cache_size = -${SORTER_KIB}`);
  try {
    for (const row of db
      .prepare<SqlValue[], (number | string | Buffer | null)[]>(sql)
      .raw()
      .iterate(...params)) {
      const keys = row.slice(0, kinds.length).map((key, i) => named(kinds[i]!, key));
      const [flows, packets, bytes, packetsFwd, packetsRev, bytesFwd, bytesRev, ...times] = row.slice(
        kinds.length,
      ) as [number, number, number, number, number, number, number, number, number, number, number];
      yield {
        keys,
        flows,
        packets,
        bytes,
        packetsFwd,
        packetsRev,
        bytesFwd,
        bytesRev,
        startNs: toNs(times[0], times[1]),
        endNs: toNs(times[2], times[3]),
      };
    }
  } catch (error) {
    throw toStorageError('query', db.name, error);
  } finally {
    db.pragma(`main.cache_size = ${cache}`);
    release();
  }
}

/** The statement of a query, for queryBy and for whoever asks SQLite for its plan. */
export function groupSql(db: FlowDatabase, query: GroupQuery): SqlCondition {
  addGroupFunctions(db);
  const fields = query.by.map((name) => {
    const field = groupField(name);
    if (field === undefined) throw new RangeError(`query: cannot group by ${name}`);
    return field;
  });
  const sort = query.by.includes(query.sort) ? groupField(query.sort)!.sql : TOTALS[query.sort];
  if (sort === undefined) throw new RangeError(`query: cannot sort groups by ${query.sort}`);
  const keys = fields.map(({ sql }) => sql);
  const joins = [...new Set(fields.flatMap(({ join }) => (join === undefined ? [] : [JOINS[join]!])))];
  const { start, end, ...sums } = TOTALS;
  const times = [start!, end!].flatMap((time) => [`${time} / 1000000000`, `${time} % 1000000000`]);
  const direction = query.descending ? 'DESC' : 'ASC';
  const { sql, params } = groupedArms(db, query, fields);
  return {
    sql: `SELECT ${[...keys, ...Object.values(sums), ...times].join(', ')}
          FROM (${sql}) s ${joins.join(' ')}
          GROUP BY ${keys.join(', ')}
          ORDER BY ${[sort, ...keys].map((key) => `${key} ${direction}`).join(', ')} LIMIT ? OFFSET ?`,
    params: [...params, query.limit ?? -1, query.offset],
  };
}

/** The flows, or, where that leaves few rows, the sums of each file by itself. */
function groupedArms(db: FlowDatabase, query: GroupQuery, fields: readonly GroupField[]): SqlCondition {
  const { arms } = flowArms(db, query, 'added up');
  const isFew = fields.every((field) => field.isFew);
  const other = otherEnd(query.by);
  const each = (other === null ? [null] : (['src', 'dst'] as const)).map((end) => {
    const columns = new Map(fields.map(({ column, raw }) => [column, raw.replaceAll('{end}', end ?? '')]));
    const names = [...columns].map(([column, raw]) => `${raw} AS ${column}`);
    const own =
      end === 'dst' && other !== null
        ? arms.map((arm) => ({ ...arm, where: join([arm.where, { sql: other, params: [] }], ' AND ') }))
        : arms;
    return unionArms(
      own,
      [...names, ...(isFew ? SUMS : VALUES)].join(', '),
      isFew ? [...columns.values()].join(', ') : undefined,
    );
  });
  return {
    sql: each.map(({ sql }) => sql).join(' UNION ALL '),
    params: each.flatMap(({ params }) => params),
  };
}

function named(
  kind: GroupField['kind'],
  key: number | string | Buffer | null,
): number | string | Buffer | null {
  if (kind === 'connState') return CONN_STATES[key as number] ?? null;
  if (kind === 'endReason') return END_REASONS[key as number] ?? null;
  if (kind === 'tunnelType') return TUNNEL_TYPES[(key as number | null) ?? 0] ?? null;
  return key;
}

type Key = GroupRow['keys'][number];

/** How rows of groups compare in the order of a query, for those who have made them without SQLite. */
export function groupOrder({ by, sort, descending }: GroupQuery): (a: GroupRow, b: GroupRow) => number {
  const measure = SORT_VALUES[sort] ?? ((row: GroupRow): Key => row.keys[by.indexOf(sort)]!);
  const turn = descending ? -1 : 1;
  return (a, b) => {
    let order = compared(measure(a), measure(b));
    for (let i = 0; order === 0 && i < by.length; i++) order = compared(a.keys[i]!, b.keys[i]!);
    return order * turn;
  };
}

const SORT_VALUES: Readonly<Record<string, (row: GroupRow) => Key | bigint>> = {
  flows: (row) => row.flows,
  packets: (row) => row.packets,
  bytes: (row) => row.bytes,
  packets_fwd: (row) => row.packetsFwd,
  packets_rev: (row) => row.packetsRev,
  bytes_fwd: (row) => row.bytesFwd,
  bytes_rev: (row) => row.bytesRev,
  start: (row) => row.startNs,
  end: (row) => row.endNs,
};

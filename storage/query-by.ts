import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import { QUANTITY_SQL, type SqlCondition } from './filter-sql.ts';
import { CONN_STATES, END_REASONS, TUNNEL_TYPES } from './flow-batch.ts';
import type { SqlValue } from './flow-columns.ts';
import { addGroupFunctions, type GroupField, groupSource, madeGroupField } from './group-keys.ts';
import { holdSnapshot } from './partition-views.ts';
import { type FlowSelection, selectionToSql } from './query.ts';
import { toNs } from './time.ts';

/** What flows are grouped by: the names of the JSON contract; `host` counts a flow for both of its ends. */
export const GROUP_FIELDS: Readonly<Record<string, GroupField>> = {
  host: { sql: 'f.host', kind: 'address' },
  src: { sql: 'f.src', kind: 'address' },
  dst: { sql: 'f.dst', kind: 'address' },
  src_port: { sql: 'f.src_port', kind: 'plain' },
  dst_port: { sql: 'f.dst_port', kind: 'plain' },
  protocol: { sql: 'f.proto', kind: 'protocol' },
  ip_version: { sql: 'f.ip_version', kind: 'plain' },
  netns: { sql: 'c.netns', kind: 'plain', join: 'captures' },
  interface: { sql: 'c.interface', kind: 'plain', join: 'captures' },
  vlan: { sql: 'f.vlan_outer', kind: 'plain' },
  tunnel_type: { sql: 'f.tunnel_type', kind: 'tunnelType' },
  tunnel_id: { sql: 'f.tunnel_id', kind: 'plain' },
  conn_state: { sql: 'f.conn_state', kind: 'connState' },
  end_reason: { sql: 'f.end_reason', kind: 'endReason' },
  route_type: { sql: 'd.type', kind: 'plain', join: 'route_decisions' },
  route_verdict: { sql: 'd.verdict', kind: 'plain', join: 'route_decisions' },
  route_table: { sql: 'd.table_name', kind: 'plain', join: 'route_decisions' },
  route_prefix: { sql: 'd.prefix', kind: 'plain', join: 'route_decisions' },
  route_gateway: { sql: 'd.gateway', kind: 'plain', join: 'route_decisions' },
  route_dev: { sql: 'd.dev', kind: 'plain', join: 'route_decisions' },
  route_rule: { sql: 'd.rule', kind: 'plain', join: 'route_decisions' },
};

/** What a name in GroupQuery.by stands for: one of GROUP_FIELDS, or what madeGroupField makes; undefined for another name. */
export function groupField(name: string): GroupField | undefined {
  return Object.hasOwn(GROUP_FIELDS, name) ? GROUP_FIELDS[name] : madeGroupField(name);
}

/** Of the decision of the originator's direction: the first packet is his. */
const JOINS: Readonly<Record<string, string>> = {
  captures: 'JOIN captures c ON c.capture_id = f.capture_id',
  route_decisions: 'LEFT JOIN route_decisions d ON d.decision_id = f.route_fwd',
};

/** Totals of a group, and what it can be sorted by besides its fields. */
const TOTALS: Readonly<Record<string, string>> = {
  flows: 'count(*)',
  packets: `sum(${QUANTITY_SQL.packets})`,
  bytes: `sum(${QUANTITY_SQL.bytes})`,
  packets_fwd: 'sum(f.packets_fwd)',
  packets_rev: 'sum(f.packets_rev)',
  bytes_fwd: 'sum(f.bytes_fwd)',
  bytes_rev: 'sum(f.bytes_rev)',
  start: 'min(f.start_ns)',
  end: 'max(f.end_ns)',
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
  const from = groupSource(query.by);
  const where = selectionToSql(db, query);
  const { start, end, ...sums } = TOTALS;
  const times = [start!, end!].flatMap((time) => [`${time} / 1000000000`, `${time} % 1000000000`]);
  const direction = query.descending ? 'DESC' : 'ASC';
  return {
    sql: `SELECT ${[...keys, ...Object.values(sums), ...times].join(', ')}
          FROM ${from} f ${joins.join(' ')}
          WHERE ${where.sql} GROUP BY ${keys.join(', ')}
          ORDER BY ${[sort, ...keys].map((key) => `${key} ${direction}`).join(', ')} LIMIT ? OFFSET ?`,
    params: [...where.params, query.limit ?? -1, query.offset],
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

/** As SQLite sorts: nothing before anything. */
function compared(a: Key | bigint, b: Key | bigint): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return Buffer.compare(a, b);
  return a < b ? -1 : Number(a > b);
}

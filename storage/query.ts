import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import { experimentReader } from './experiment-flows.ts';
import { QUANTITY_SQL, type SqlCondition } from './filter-sql.ts';
import { flowArms, type FlowSelection, unionArms } from './flow-arms.ts';
import { CONN_STATES, END_REASONS, type EndReason, TUNNEL_TYPES } from './flow-batch.ts';
import { type RouteChange, routeChangeReader } from './route-changes.ts';
import { lookup } from './lookup.ts';
import { type FirstStatements, firstFlows, firstStatements, type FlowOrder } from './flow-first.ts';
import { isPieceColumn } from './flow-pieces.ts';
import { flowSql } from './flow-rare.ts';
import { type FlowPlace, rowsById, rowsOf } from './flow-rows.ts';
import { holdSnapshot } from './partition-views.ts';
import { DECISION_SQL, type RouteDecision } from './route-decision.ts';
import { toNs } from './time.ts';

export interface FlowQuery extends FlowSelection {
  /** One of FLOW_SORTS. Ties: the later record first or last, as `descending` says. */
  sort: string;
  descending: boolean;
  /** null: all. */
  limit: number | null;
  offset: number;
}

/** A flow as it is stored: what the JSON contract calls `src_port` is `srcPort` here, and so on. null: does not apply. */
export interface FlowRow {
  flowId: number;
  host: string;
  netns: string | null;
  interface: string | null;
  /** Of the experiments that it belongs to the one started last; null: none. */
  experiment: string | null;
  /** All of them, in the order in which they were started. */
  experiments: readonly string[];
  startNs: bigint;
  endNs: bigint;
  ipVersion: 4 | 6;
  proto: number;
  /** 4 or 16 octets. */
  src: Buffer;
  dst: Buffer;
  srcPort: number | null;
  dstPort: number | null;
  vlanOuter: number | null;
  vlanInner: number | null;
  packetsFwd: number;
  packetsRev: number;
  bytesFwd: number;
  bytesRev: number;
  ipBytesFwd: number;
  ipBytesRev: number;
  payloadBytesFwd: number;
  payloadBytesRev: number;
  /** Bits as TcpFlag. */
  tcpFlagsFwd: number | null;
  tcpFlagsRev: number | null;
  connState: (typeof CONN_STATES)[number];
  endReason: EndReason;
  history: string | null;
  rttNs: number | null;
  retransmitsFwd: number | null;
  retransmitsRev: number | null;
  outOfOrderFwd: number | null;
  outOfOrderRev: number | null;
  zeroWindowsFwd: number | null;
  zeroWindowsRev: number | null;
  ttlMinFwd: number | null;
  ttlMinRev: number | null;
  ttlMaxFwd: number | null;
  ttlMaxRev: number | null;
  dscpFwd: number | null;
  dscpRev: number | null;
  dscpMinFwd: number | null;
  dscpMinRev: number | null;
  dscpMaxFwd: number | null;
  dscpMaxRev: number | null;
  ipIdFwd: number | null;
  ipIdRev: number | null;
  fastRetransmitsFwd: number | null;
  fastRetransmitsRev: number | null;
  spuriousRetransmitsFwd: number | null;
  spuriousRetransmitsRev: number | null;
  dupAcksFwd: number | null;
  dupAcksRev: number | null;
  lostSegmentsFwd: number | null;
  lostSegmentsRev: number | null;
  keepAlivesFwd: number | null;
  keepAlivesRev: number | null;
  seqBytesFwd: number | null;
  seqBytesRev: number | null;
  missedBytesFwd: number | null;
  missedBytesRev: number | null;
  retransmittedBytesFwd: number | null;
  retransmittedBytesRev: number | null;
  mssFwd: number | null;
  mssRev: number | null;
  windowScaleFwd: number | null;
  windowScaleRev: number | null;
  maxWindowFwd: number | null;
  maxWindowRev: number | null;
  ackRttNsFwd: number | null;
  ackRttNsRev: number | null;
  tsRttNsFwd: number | null;
  tsRttNsRev: number | null;
  /** 0 or 1. */
  originatorGuessed: number | null;
  /** 6 octets. */
  srcMac: Buffer | null;
  dstMac: Buffer | null;
  /** FlowHints as JSON text; null: none, or not asked for. */
  hints: string | null;
  /** First octets of what each direction carried; null: none, or not asked for. */
  payloadFwd: Buffer | null;
  payloadRev: Buffer | null;
  /** null: a flow of the outermost IP header. */
  tunnelType: (typeof TUNNEL_TYPES)[number];
  /** null: the tunnel has none. */
  tunnelId: number | null;
  /** The flow that carried the first packet of this one; null where that was not kept. */
  tunnelOuterFlowId: number | null;
  routeFwd: RouteDecision | null;
  routeRev: RouteDecision | null;
  /** Every decision of each direction whose decision changed, as kept; null for a flow whose decisions never changed. */
  routeChanges: RouteChange[] | null;
}

/** What `sort` takes, by the names of the JSON contract where it has one, and the SQL of each. */
export const FLOW_SORTS: Readonly<Record<string, string>> = {
  start: 'f.start_ns',
  end: 'f.end_ns',
  duration: QUANTITY_SQL.duration,
  bytes: QUANTITY_SQL.bytes,
  packets: QUANTITY_SQL.packets,
  retransmits: QUANTITY_SQL.retransmits,
  rtt: 'f.rtt_ns',
  src: 'f.src',
  dst: 'f.dst',
  src_port: 'f.src_port',
  dst_port: 'f.dst_port',
  proto: 'f.proto',
  flow_id: 'f.flow_id',
  bytes_fwd: 'f.bytes_fwd',
  bytes_rev: 'f.bytes_rev',
  packets_fwd: 'f.packets_fwd',
  packets_rev: 'f.packets_rev',
};

/**
 * A 64-bit time as two columns that a double holds exactly: reading every integer of a row as BigInt, which is what
 * better-sqlite3 offers for 64 bits, costs more than the query.
 */
function timeColumns(name: string): string[] {
  return [`f.${name} / 1000000000`, `f.${name} % 1000000000`];
}

/** Columns that go into a FlowRow as they are, by its field. */
const PLAIN_COLUMNS = {
  flowId: 'flow_id',
  ipVersion: 'ip_version',
  proto: 'proto',
  src: 'src',
  dst: 'dst',
  srcPort: 'src_port',
  dstPort: 'dst_port',
  vlanOuter: 'vlan_outer',
  vlanInner: 'vlan_inner',
  packetsFwd: 'packets_fwd',
  packetsRev: 'packets_rev',
  bytesFwd: 'bytes_fwd',
  bytesRev: 'bytes_rev',
  ipBytesFwd: 'ip_bytes_fwd',
  ipBytesRev: 'ip_bytes_rev',
  payloadBytesFwd: 'payload_bytes_fwd',
  payloadBytesRev: 'payload_bytes_rev',
  tcpFlagsFwd: 'tcp_flags_fwd',
  tcpFlagsRev: 'tcp_flags_rev',
  history: 'history',
  rttNs: 'rtt_ns',
  retransmitsFwd: 'retransmits_fwd',
  retransmitsRev: 'retransmits_rev',
  outOfOrderFwd: 'out_of_order_fwd',
  outOfOrderRev: 'out_of_order_rev',
  zeroWindowsFwd: 'zero_windows_fwd',
  zeroWindowsRev: 'zero_windows_rev',
  ttlMinFwd: 'ttl_min_fwd',
  ttlMinRev: 'ttl_min_rev',
  ttlMaxFwd: 'ttl_max_fwd',
  ttlMaxRev: 'ttl_max_rev',
  dscpFwd: 'dscp_fwd',
  dscpRev: 'dscp_rev',
  dscpMinFwd: 'dscp_min_fwd',
  dscpMinRev: 'dscp_min_rev',
  dscpMaxFwd: 'dscp_max_fwd',
  dscpMaxRev: 'dscp_max_rev',
  ipIdFwd: 'ip_id_fwd',
  ipIdRev: 'ip_id_rev',
  fastRetransmitsFwd: 'fast_retransmits_fwd',
  fastRetransmitsRev: 'fast_retransmits_rev',
  spuriousRetransmitsFwd: 'spurious_retransmits_fwd',
  spuriousRetransmitsRev: 'spurious_retransmits_rev',
  dupAcksFwd: 'dup_acks_fwd',
  dupAcksRev: 'dup_acks_rev',
  lostSegmentsFwd: 'lost_segments_fwd',
  lostSegmentsRev: 'lost_segments_rev',
  keepAlivesFwd: 'keep_alives_fwd',
  keepAlivesRev: 'keep_alives_rev',
  seqBytesFwd: 'seq_bytes_fwd',
  seqBytesRev: 'seq_bytes_rev',
  missedBytesFwd: 'missed_bytes_fwd',
  missedBytesRev: 'missed_bytes_rev',
  retransmittedBytesFwd: 'retransmitted_bytes_fwd',
  retransmittedBytesRev: 'retransmitted_bytes_rev',
  mssFwd: 'mss_fwd',
  mssRev: 'mss_rev',
  windowScaleFwd: 'window_scale_fwd',
  windowScaleRev: 'window_scale_rev',
  maxWindowFwd: 'max_window_fwd',
  maxWindowRev: 'max_window_rev',
  ackRttNsFwd: 'ack_rtt_ns_fwd',
  ackRttNsRev: 'ack_rtt_ns_rev',
  tsRttNsFwd: 'ts_rtt_ns_fwd',
  tsRttNsRev: 'ts_rtt_ns_rev',
  originatorGuessed: 'originator_guessed',
  srcMac: 'src_mac',
  dstMac: 'dst_mac',
  hints: 'hints',
  payloadFwd: 'payload_fwd',
  payloadRev: 'payload_rev',
  tunnelId: 'tunnel_id',
  tunnelOuterFlowId: 'tunnel_outer_flow_id',
} as const satisfies Partial<Record<keyof FlowRow, string>>;

const PLAIN_FIELDS = Object.keys(PLAIN_COLUMNS) as (keyof typeof PLAIN_COLUMNS)[];

/** What stands behind the plain columns, see `Tail`. */
const COLUMNS = [
  ...Object.values(PLAIN_COLUMNS).map(flowSql),
  'f.host_id',
  'f.capture_id',
  'f.conn_state',
  'f.end_reason',
  'f.tunnel_type',
  'f.route_fwd',
  'f.route_rev',
  'f.route_orig_side',
  ...timeColumns('start_ns'),
  ...timeColumns('end_ns'),
].join(', ');

type PlainRow = Pick<FlowRow, keyof typeof PLAIN_COLUMNS>;

/** Every row starts as a copy: properties that are there already can be set by name without V8 making it a hash table. */
const BLANK = JSON.parse(JSON.stringify(PLAIN_COLUMNS)) as PlainRow;

type Tail = [
  hostId: number,
  captureId: number,
  connState: number,
  endReason: number,
  tunnelType: number | null,
  routeFwd: number | null,
  routeRev: number | null,
  routeOrigSide: number | null,
  startSec: number,
  startNsec: number,
  endSec: number,
  endNsec: number,
];

/**
 * The flows that a query selects, one after the other; the database is read as they are taken, in one snapshot.
 * @throws StorageError on the first step or a later one; RangeError for a sort that is not in FLOW_SORTS
 */
export function* queryFlows(db: FlowDatabase, query: FlowQuery): IterableIterator<FlowRow> {
  const release = holdSnapshot(db);
  try {
    yield* readFlows(db, query.limit === null ? allRows(db, query) : firstRows(db, query, query.limit));
  } finally {
    release();
  }
}

/**
 * The flows of one run, in an order that depends on nothing but what was captured: two runs over the same packets give theirs
 * in the same order, whatever was decided on them.
 * @throws StorageError on the first step or a later one
 */
export function* runFlows(db: FlowDatabase, runId: number): IterableIterator<FlowRow> {
  const sql = `SELECT ${COLUMNS} FROM flows f
    WHERE f.capture_id IN (SELECT capture_id FROM captures WHERE run_id = ?)
    ORDER BY f.capture_id, f.start_ns, f.end_ns, f.src, f.dst, f.src_port, f.dst_port, f.proto, f.vlan_outer, ${flowSql('vlan_inner')},
             f.tunnel_type, f.tunnel_id, f.flow_id`;
  yield* readFlows(db, rowsOf(db, { sql, params: [runId] }));
}

/** Flows from rows of COLUMNS. */
function* readFlows(db: FlowDatabase, rows: Iterable<unknown[]>): IterableIterator<FlowRow> {
  const captures = lookup<{ netns: string | null; interface: string | null }>(
    db,
    'SELECT netns, interface FROM captures WHERE capture_id = ?',
  );
  const hosts = lookup<{ name: string }>(db, 'SELECT name FROM hosts WHERE host_id = ?');
  const experimentsOf = experimentReader(db);
  const decisions = lookup<RouteDecision>(db, `${DECISION_SQL} WHERE decision_id = ?`);
  const changes = routeChangeReader(db, decisions);
  try {
    for (const values of rows) {
      const row: PlainRow = { ...BLANK };
      for (let i = 0; i < PLAIN_FIELDS.length; i++)
        (row as Record<string, unknown>)[PLAIN_FIELDS[i]!] = values[i];
      const [
        hostId,
        captureId,
        connState,
        endReason,
        tunnelType,
        routeFwd,
        routeRev,
        routeOrigSide,
        ...times
      ] = values.slice(PLAIN_FIELDS.length) as Tail;
      const capture = captures(captureId);
      const startNs = toNs(times[0], times[1]);
      const endNs = toNs(times[2], times[3]);
      const experiments = experimentsOf(startNs, endNs, capture.netns);
      yield {
        ...row,
        host: hosts(hostId).name,
        netns: capture.netns,
        interface: capture.interface,
        experiment: experiments.at(-1) ?? null,
        experiments,
        startNs,
        endNs,
        connState: CONN_STATES[connState] ?? null,
        endReason: END_REASONS[endReason]!,
        tunnelType: TUNNEL_TYPES[tunnelType ?? 0] ?? null,
        routeFwd: routeFwd === null ? null : decisions(routeFwd),
        routeRev: routeRev === null ? null : decisions(routeRev),
        // Asked for flow by flow, but only for those that have any.
        routeChanges: routeOrigSide === null ? null : changes(row.flowId, routeOrigSide, startNs),
      };
    }
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

function allRows(db: FlowDatabase, query: FlowQuery): Iterable<unknown[]> {
  const { isById, ...statement } = allFlowsSql(db, query);
  const rows = rowsOf(db, statement);
  return isById ? rowsById(db, rows as Iterable<unknown> as Iterable<FlowPlace>, COLUMNS) : rows;
}

function firstRows(db: FlowDatabase, query: FlowQuery, limit: number): Iterable<unknown[]> {
  const order = orderOf(query, query.offset + limit);
  const places = firstFlows(db, firstFlowsSql(db, query, limit), order);
  return rowsById(db, places.slice(query.offset), COLUMNS);
}

/** The statement of a query without a limit: the rows, or, where they would have to be sorted, id and file of the flows. */
export function allFlowsSql(db: FlowDatabase, query: FlowQuery): SqlCondition & { isById: boolean } {
  const { sort, descending } = orderOf(query, 0);
  const { arms } = flowArms(db, query, query.sort === 'start' ? 'by start' : 'sorted');
  const isById = arms.some(({ pieces }) => pieces !== null);
  const direction = descending ? 'DESC' : 'ASC';
  // The order as a column of its own: what is read in that order is merged instead of being sorted all together.
  const { sql, params } = unionArms(
    arms,
    `${isById ? 'f.flow_id, {file} AS file' : COLUMNS}, ${sort} AS sort_key`,
  );
  return {
    sql: `${sql} ORDER BY sort_key ${direction}, flow_id ${direction} LIMIT -1 OFFSET ?`,
    params: [...params, query.offset],
    isById,
  };
}

/** The statements of a query with a limit. */
export function firstFlowsSql(db: FlowDatabase, query: FlowQuery, limit: number): FirstStatements {
  const order = orderOf(query, query.offset + limit);
  const use =
    query.sort === 'start'
      ? 'first'
      : isPieceColumn(query.sort)
        ? (`first by ${query.sort}` as const)
        : 'sorted';
  const { arms, repeats } = flowArms(db, query, use);
  return firstStatements(arms, repeats, order);
}

function orderOf({ sort: name, descending }: FlowQuery, limit: number): FlowOrder {
  const sort = FLOW_SORTS[name];
  if (sort === undefined) throw new RangeError(`query: cannot sort by ${name}`);
  return { sort, descending, limit };
}

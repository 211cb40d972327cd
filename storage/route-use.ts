import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import type { FilterNode } from './filter-ast.ts';
import type { SqlCondition } from './filter-sql.ts';
import { flowArms, type FlowSelection, unionArms } from './flow-arms.ts';
import type { SqlValue } from './flow-columns.ts';
import { lookup } from './lookup.ts';
import { holdSnapshot } from './partition-views.ts';
import { DECISION_SQL, type RouteDecision } from './route-decision.ts';

/** What is known before the first flow. */
export interface RouteUseHead {
  /** Interfaces of the namespace that there are captures of. */
  captured: ReadonlySet<string>;
  /** "dev:inode" of all namespaces that had the name, newest first. */
  netnsIds: string[];
  /** Each prefix of the decisions in the database once, with its table as `ip` prints it. */
  prefixes: readonly { table: string; prefix: string }[];
}

/** Takes what is read of flows; a decision is always the same object. */
export interface RouteUseSink {
  begin(head: RouteUseHead): void;
  /** One flow. */
  flow(flow: UsedFlow): void;
  /** So many flows had a decision in a direction for a time, and another one at the end. */
  left(decision: RouteDecision, flows: number): void;
}

/** A flow by the decisions that its directions ended with. Reused: it is good until the sink returns. */
export interface UsedFlow {
  interface: string | null;
  /** null: no packet in that direction, or nothing was decided on it. */
  fwd: RouteDecision | null;
  rev: RouteDecision | null;
  packetsFwd: number;
  packetsRev: number;
  bytesFwd: number;
  bytesRev: number;
  /** End of the flow: seconds since the epoch, and nanoseconds. */
  endSec: number;
  endNsec: number;
}

interface Capture {
  captureId: number;
  netnsId: string | null;
  interface: string | null;
  packets: number;
}

type Row = [
  captureId: number,
  fwd: number | null,
  rev: number | null,
  packetsFwd: number,
  packetsRev: number,
  bytesFwd: number,
  bytesRev: number,
  endSec: number,
  endNsec: number,
];

/**
 * Reads the flows of a namespace in one pass: adding them up in SQLite, which sorts for that, takes twice as much CPU.
 * @param netns names by which the daemon, or a replay, has known it
 * @throws StorageError; whatever the sink throws
 */
export function readRouteUse(
  db: FlowDatabase,
  netns: readonly string[],
  selection: FlowSelection,
  sink: RouteUseSink,
): void {
  const release = holdSnapshot(db);
  try {
    const all = readCaptures(db, netns);
    const interfaces = new Map(all.map((capture) => [capture.captureId, capture.interface]));
    const decisions = lookup<RouteDecision>(db, `${DECISION_SQL} WHERE decision_id = ?`);
    sink.begin({
      captured: new Set(all.flatMap((capture) => capture.interface ?? [])),
      netnsIds: [...new Set(all.flatMap(({ netnsId }) => netnsId ?? []).reverse())],
      prefixes: db
        .prepare<[], { table: string; prefix: string }>(
          'SELECT DISTINCT table_name AS "table", prefix FROM route_decisions WHERE prefix IS NOT NULL',
        )
        .all(),
    });
    const { sql, params } = routeUseSql(db, netns, selection);
    const rows = db
      .prepare<SqlValue[], Row>(sql)
      .raw()
      .iterate(...params);
    const flow = { interface: null, fwd: null, rev: null } as unknown as UsedFlow;
    for (const [captureId, fwd, rev, packetsFwd, packetsRev, bytesFwd, bytesRev, endSec, endNsec] of rows) {
      flow.interface = interfaces.get(captureId) ?? null;
      flow.fwd = fwd === null ? null : decisions(fwd);
      flow.rev = rev === null ? null : decisions(rev);
      flow.packetsFwd = packetsFwd;
      flow.packetsRev = packetsRev;
      flow.bytesFwd = bytesFwd;
      flow.bytesRev = bytesRev;
      flow.endSec = endSec;
      flow.endNsec = endNsec;
      sink.flow(flow);
    }
    for (const [id, flows] of readLeft(db, netns, selection)) sink.left(decisions(id), flows);
  } catch (error) {
    throw toStorageError('query', db.name, error);
  } finally {
    release();
  }
}

function readCaptures(db: FlowDatabase, netns: readonly string[]): Capture[] {
  return db
    .prepare<string[], Capture>(
      `SELECT capture_id AS captureId, netns_id AS netnsId, interface, packets FROM captures
       WHERE netns IN (${netns.map(() => '?').join(', ')}) ORDER BY capture_id`,
    )
    .all(...netns);
}

/** The statement of readRouteUse, for it and for whoever asks SQLite for its plan. */
export function routeUseSql(
  db: FlowDatabase,
  netns: readonly string[],
  selection: FlowSelection,
): SqlCondition {
  return flowsOf(
    db,
    netns,
    selection,
    `f.capture_id, f.route_fwd, f.route_rev, f.packets_fwd, f.packets_rev, f.bytes_fwd, f.bytes_rev,
     f.end_ns / 1000000000, f.end_ns % 1000000000`,
  );
}

function flowsOf(
  db: FlowDatabase,
  netns: readonly string[],
  selection: FlowSelection,
  columns: string,
  only: FilterNode[] = [],
): SqlCondition {
  const nodes: FilterNode[] = [
    { kind: 'netns', names: [...netns] },
    ...only,
    ...(selection.filter === null ? [] : [selection.filter]),
  ];
  const { arms } = flowArms(db, { ...selection, filter: { kind: 'and', nodes } }, 'added up');
  return unionArms(arms, columns);
}

function readLeft(
  db: FlowDatabase,
  netns: readonly string[],
  selection: FlowSelection,
): [decisionId: number, flows: number][] {
  const changed: FilterNode = { kind: 'routeChanged' };
  const { sql, params } = flowsOf(db, netns, selection, 'f.flow_id, f.route_fwd, f.route_rev', [changed]);
  return db
    .prepare<SqlValue[], [decisionId: number, flows: number]>(
      `SELECT c.decision_id, count(DISTINCT c.flow_id) FROM (${sql}) f JOIN route_changes c ON c.flow_id = f.flow_id
       WHERE c.decision_id IS NOT f.route_fwd AND c.decision_id IS NOT f.route_rev GROUP BY c.decision_id`,
    )
    .raw()
    .all(...params);
}

import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';

/** Where a flow was captured, and what that capture lost in all of its time. Times are nanoseconds since the epoch. */
export interface FlowCapture {
  runId: number;
  runKind: 'daemon' | 'replay';
  runStartedNs: bigint;
  netnsId: string | null;
  ifIndex: number | null;
  source: string;
  file: string | null;
  filter: string | null;
  packets: number;
  kernelDrops: number;
  shedRecords: number;
  shedRouteChanges: number;
  evictedFlows: number;
}

/** A time within that of a flow in which its interface was not captured. */
export interface FlowGap {
  fromNs: bigint | null;
  toNs: bigint;
  reason: string;
}

type Row = {
  [K in keyof FlowCapture]: FlowCapture[K] extends number | null ? bigint | null : FlowCapture[K];
};

/** The capture of a flow; null when there is no such flow. @throws StorageError */
export function captureOfFlow(db: FlowDatabase, flowId: number): FlowCapture | null {
  try {
    const row = db
      .prepare<[number], Row>(
        `SELECT r.run_id AS runId, r.kind AS runKind, r.started_ns AS runStartedNs, c.netns_id AS netnsId, c.if_index AS ifIndex,
                c.source, c.file, c.filter, c.packets, c.kernel_drops AS kernelDrops, c.shed_records AS shedRecords,
                c.shed_route_changes AS shedRouteChanges, c.evicted_flows AS evictedFlows
         FROM flows f JOIN captures c ON c.capture_id = f.capture_id JOIN runs r ON r.run_id = c.run_id
         WHERE f.flow_id = ?`,
      )
      .safeIntegers()
      .get(flowId);
    if (row === undefined) return null;
    const { runKind, runStartedNs, netnsId, source, file, filter, ifIndex } = row;
    const number = (value: bigint | null): number => Number(value ?? 0n);
    return {
      runId: number(row.runId),
      runKind,
      runStartedNs,
      netnsId,
      ifIndex: ifIndex === null ? null : Number(ifIndex),
      source,
      file,
      filter,
      packets: number(row.packets),
      kernelDrops: number(row.kernelDrops),
      shedRecords: number(row.shedRecords),
      shedRouteChanges: number(row.shedRouteChanges),
      evictedFlows: number(row.evictedFlows),
    };
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

/** Gaps in the capture of the interface that a flow is of, from its start to its end, oldest first. @throws StorageError */
export function gapsDuring(
  db: FlowDatabase,
  {
    netns,
    interface: name,
    startNs,
    endNs,
  }: { netns: string | null; interface: string | null; startNs: bigint; endNs: bigint },
): FlowGap[] {
  try {
    return db
      .prepare<unknown[], FlowGap>(
        `SELECT from_ns AS fromNs, to_ns AS toNs, reason FROM capture_gaps
         WHERE netns IS ? AND interface IS ? AND to_ns >= ? AND coalesce(from_ns, to_ns) <= ? ORDER BY to_ns`,
      )
      .safeIntegers()
      .all(netns, name, startNs, endNs);
  } catch (error) {
    throw toStorageError('query', db.name, error);
  }
}

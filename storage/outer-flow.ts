import type { FlowDatabase } from './database.ts';
import { toNs } from './time.ts';

/** What names a flow that carries others. */
export interface OuterFlow {
  flowId: number;
  host: string;
  /** Nanoseconds since the epoch. */
  startNs: bigint;
}

/** Makes the reader of flows by their number, for those around inner ones. It gives null for one that is not kept any more. */
export function outerFlowReader(db: FlowDatabase): (flowId: number) => OuterFlow | null {
  const statement = db
    .prepare<[number], [host: string, sec: number, nsec: number]>(
      `SELECT h.name, f.start_ns / 1000000000, f.start_ns % 1000000000
       FROM flows f JOIN hosts h ON h.host_id = f.host_id WHERE f.flow_id = ?`,
    )
    .raw();
  return (flowId) => {
    const row = statement.get(flowId);
    return row === undefined ? null : { flowId, host: row[0], startNs: toNs(row[1], row[2]) };
  };
}

import type { FlowDatabase } from './database.ts';
import type { FlowRecord, SqlValue } from './flow-columns.ts';
import { clampNs, toNs } from './time.ts';

/** Seconds of one row of a flow's time series, counted from the second in which the flow began. */
export const SERIES_SEC = 10;

/** What a flow had in one interval. */
export interface SeriesRow {
  /** Begin of the interval, nanoseconds since the epoch. */
  atNs: bigint;
  packetsFwd: number;
  packetsRev: number;
  bytesFwd: number;
  bytesRev: number;
}

type Totals = [packetsFwd: number, packetsRev: number, bytesFwd: number, bytesRev: number];

/**
 * Writes the time series of flows. A record has the totals of a flow, and the flow's row those of the record before: the
 * difference is what came in between. So the rows of a flow always add up to its totals, whichever records were lost, and
 * capturing pays nothing. Packets are in their own interval because a flow's records are written at the end of each.
 */
export class SeriesWriter {
  readonly #previous;
  readonly #add;
  readonly #turn;

  /** @param schema of the file that has the flows, as SQL names it */
  constructor(db: FlowDatabase, schema: string) {
    this.#previous = db
      .prepare<[number], [...Totals, src: Buffer, srcPort: number | null]>(
        `SELECT packets_fwd, packets_rev, bytes_fwd, bytes_rev, src, src_port FROM ${schema}.flows WHERE flow_id = ?`,
      )
      .raw();
    this.#add = db.prepare<SqlValue[]>(
      `INSERT INTO ${schema}.flow_series (flow_id, at_ns, packets_fwd, packets_rev, bytes_fwd, bytes_rev) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (flow_id, at_ns) DO UPDATE SET
         packets_fwd = packets_fwd + excluded.packets_fwd, packets_rev = packets_rev + excluded.packets_rev,
         bytes_fwd = bytes_fwd + excluded.bytes_fwd, bytes_rev = bytes_rev + excluded.bytes_rev`,
    );
    this.#turn = db.prepare<[number]>(
      `UPDATE ${schema}.flow_series SET packets_fwd = packets_rev, packets_rev = packets_fwd,
         bytes_fwd = bytes_rev, bytes_rev = bytes_fwd WHERE flow_id = ?`,
    );
  }

  /** Adds what a record has beyond the flow's row. Must come before the row is written. */
  add(record: FlowRecord): void {
    const { c, i, flowId } = record;
    const before: Totals = [0, 0, 0, 0];
    const row = c.isNew[i] === 1 ? undefined : this.#previous.get(flowId);
    if (row !== undefined) {
      const [packetsFwd, packetsRev, bytesFwd, bytesRev, src, srcPort] = row;
      // The originator was corrected meanwhile: then what was written so far changes its direction, too.
      const isTurned = !src.equals(record.src) || (srcPort !== null && srcPort !== c.srcPort[i]);
      if (isTurned) this.#turn.run(flowId);
      before[0] = isTurned ? packetsRev : packetsFwd;
      before[1] = isTurned ? packetsFwd : packetsRev;
      before[2] = isTurned ? bytesRev : bytesFwd;
      before[3] = isTurned ? bytesFwd : bytesRev;
    }
    const packetsFwd = c.packetsFwd[i]! - before[0];
    const packetsRev = c.packetsRev[i]! - before[1];
    if (packetsFwd === 0 && packetsRev === 0) return;
    const start = c.startSec[i]!;
    const at = start + Math.floor((c.endSec[i]! - start) / SERIES_SEC) * SERIES_SEC;
    const bytesFwd = c.bytesFwd[i]! - before[2];
    const bytesRev = c.bytesRev[i]! - before[3];
    this.#add.run(flowId, clampNs(toNs(at, 0)), packetsFwd, packetsRev, bytesFwd, bytesRev);
  }
}

/** Makes the reader of one flow's time series, oldest first; intervals without packets have no row. */
export function seriesReader(db: FlowDatabase): (flowId: number) => SeriesRow[] {
  const statement = db
    .prepare<[number], [sec: number, nsec: number, ...Totals]>(
      `SELECT at_ns / 1000000000, at_ns % 1000000000, packets_fwd, packets_rev, bytes_fwd, bytes_rev
       FROM flow_series WHERE flow_id = ? ORDER BY at_ns`,
    )
    .raw();
  return (flowId) =>
    statement.all(flowId).map(([sec, nsec, packetsFwd, packetsRev, bytesFwd, bytesRev]) => ({
      atNs: toNs(sec, nsec),
      packetsFwd,
      packetsRev,
      bytesFwd,
      bytesRev,
    }));
}

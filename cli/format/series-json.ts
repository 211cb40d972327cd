import type { SeriesRow } from '../../storage/series.ts';
import { formatTime } from './time.ts';

/** One interval of a flow in JSON. */
export interface SeriesJson {
  at: string;
  packets_fwd: number;
  packets_rev: number;
  bytes_fwd: number;
  bytes_rev: number;
}

/** A flow's time series as the JSON contract has it. */
export function seriesJson(rows: readonly SeriesRow[]): SeriesJson[] {
  return rows.map((row) => ({
    at: formatTime(row.atNs),
    packets_fwd: row.packetsFwd,
    packets_rev: row.packetsRev,
    bytes_fwd: row.bytesFwd,
    bytes_rev: row.bytesRev,
  }));
}

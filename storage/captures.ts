import type { FlowDatabase } from './database.ts';

/** A capture point with what it counted, as far as it is in the database. */
export interface CaptureRow {
  netns: string | null;
  interface: string | null;
  file: string | null;
  packets: number;
  bytes: number;
  undecoded: number;
  kernelDrops: number;
  duplicates: number;
  shedRecords: number;
  shedRouteChanges: number;
  evictedFlows: number;
}

/** Every capture point of the database, oldest first. Counters of a running daemon are at most a second old. */
export function readCaptures(db: FlowDatabase): CaptureRow[] {
  return db
    .prepare<[], CaptureRow>(
      `SELECT netns, interface, file, packets, bytes, undecoded, kernel_drops AS kernelDrops, duplicates,
              shed_records AS shedRecords, shed_route_changes AS shedRouteChanges, evicted_flows AS evictedFlows
       FROM captures ORDER BY capture_id`,
    )
    .all();
}

import { defaultMetering, type MeteringOptions } from '../../daemon/config.ts';
import { type ReplayOptions, replay } from '../../daemon/replay.ts';
import { tempDb, withDb } from '../storage/temp-db.ts';

/** What a replay leaves behind, but for what no two replays have in common (its own time) and the numbers of flows. */
export interface StoredReplay {
  totals: object;
  captures: object[];
  /** Each as JSON, in the order of their texts. */
  flows: string[];
}

type Given = Partial<ReplayOptions> & { metering?: Partial<MeteringOptions> };

/** Replays files into a database of their own, and reads it back. */
export async function storedReplay(
  files: string[],
  threads: number,
  { metering, ...given }: Given = {},
): Promise<StoredReplay> {
  const db = tempDb();
  const {
    runId: _,
    seen: __,
    ...totals
  } = await replay({
    files,
    db,
    netns: null,
    filter: null,
    snapshot: null,
    seed: 1,
    commandLine: 'test',
    ...defaultMetering(),
    checkpointSec: 0,
    ...metering,
    ...given,
    threads,
  });
  return withDb(db, (database) => {
    const decision = (column: string): string =>
      `(SELECT hex(digest) FROM route_decisions WHERE decision_id = f.${column})`;
    const flows = database
      .prepare<[], Record<string, unknown>>(
        `SELECT f.*, ${decision('route_fwd')} AS fwd, ${decision('route_rev')} AS rev,
                o.start_ns AS outer_start, o.src AS outer_src, o.dst AS outer_dst, o.src_port AS outer_port, o.proto AS outer_proto,
                (SELECT json_group_array(json_array(at_ns, packets_fwd, packets_rev, bytes_fwd, bytes_rev))
                 FROM (SELECT * FROM flow_series s WHERE s.flow_id = f.flow_id ORDER BY at_ns)) AS series
         FROM flows f LEFT JOIN flows o ON o.flow_id = f.tunnel_outer_flow_id`,
      )
      .safeIntegers()
      .all()
      .map(({ flow_id: _id, tunnel_outer_flow_id: _outer, route_fwd: _fwd, route_rev: _rev, ...flow }) =>
        JSON.stringify(flow, (_key, value) => (typeof value === 'bigint' ? `${value}` : value)),
      )
      .sort();
    const captures = database.prepare<[], object>('SELECT * FROM captures ORDER BY capture_id').all();
    return { totals, captures, flows };
  });
}

import type { FlowDatabase } from './database.ts';
import { toStorageError } from './errors.ts';
import { ofNetns } from './experiment-flows.ts';
import type { Experiment } from './experiments.ts';
import { join, QUANTITY_SQL } from './filter-sql.ts';
import { flowArms, unionArms } from './flow-arms.ts';
import { holdSnapshot } from './partition-views.ts';

/** What the flows of an experiment add up to. */
export interface ExperimentSums {
  flows: number;
  packets: number;
  bytes: number;
}

const COLUMNS = 'f.capture_id, f.packets_fwd, f.packets_rev, f.bytes_fwd, f.bytes_rev';

/** Adds up the flows of each experiment. @throws StorageError */
export function sumExperiments(
  db: FlowDatabase,
  experiments: readonly Experiment[],
): (Experiment & ExperimentSums)[] {
  const release = holdSnapshot(db);
  try {
    return experiments.map((each) => {
      const until = each.endedNs === null ? null : each.endedNs + 1n;
      const { arms } = flowArms(db, { filter: null, since: each.startedNs, until }, 'added up');
      const { sql, params } = unionArms(arms, COLUMNS);
      const where = join([{ sql: 'TRUE', params: [] }, ...ofNetns(each.netns)], ' AND ');
      const sums = db
        .prepare<unknown[], ExperimentSums>(
          `SELECT count(*) AS flows, coalesce(sum(${QUANTITY_SQL.packets}), 0) AS packets,
                  coalesce(sum(${QUANTITY_SQL.bytes}), 0) AS bytes FROM (${sql}) f WHERE ${where.sql}`,
        )
        .get(...params, ...where.params)!;
      return { ...each, ...sums };
    });
  } catch (error) {
    throw toStorageError('query', db.name, error);
  } finally {
    release();
  }
}

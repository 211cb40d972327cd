import type { FlowDatabase } from '../storage/database.ts';
import type { FilterNode } from '../storage/filter-ast.ts';
import type { FlowSelection } from '../storage/flow-arms.ts';
import { nowNs } from '../storage/time.ts';
import { askedExperiment, type ExperimentFlags } from './asked-experiment.ts';
import { parseFilter } from './filter/parse.ts';
import { parseTime } from './time-argument.ts';

/** Flags that say which flows, beside the filter. */
export interface SelectionFlags extends ExperimentFlags {
  since?: string;
  until?: string;
}

/** Which flows were asked for, as far as it can be told without a database. */
export interface AskedFlows {
  filter: FilterNode | null;
  since: bigint | null;
  until: bigint | null;
}

/** Reads filter and times. @throws UsageError, or what parseFilter throws: before anything is opened */
export function askedFlows(expression: string, flags: SelectionFlags): AskedFlows {
  const now = nowNs();
  return {
    filter: parseFilter(expression),
    since: flags.since === undefined ? null : parseTime(flags.since, now),
    until: flags.until === undefined ? null : parseTime(flags.until, now),
  };
}

/**
 * The selection, with the experiment that the flags ask for.
 * @returns `experiment` as a filter names it; null: none
 * @throws Error when there is no such experiment, StorageError
 */
export function selectFlows(
  db: FlowDatabase,
  asked: AskedFlows,
  flags: ExperimentFlags,
): { selection: FlowSelection; experiment: string | null } {
  const experiment = askedExperiment(db, flags);
  if (experiment === null) return { selection: asked, experiment };
  const only: FilterNode = { kind: 'experiment', names: [experiment] };
  const filter: FilterNode = asked.filter === null ? only : { kind: 'and', nodes: [asked.filter, only] };
  return { selection: { ...asked, filter }, experiment };
}

import type { FlowDatabase } from '../storage/database.ts';
import type { FilterNode } from '../storage/filter-ast.ts';
import type { FlowSelection } from '../storage/flow-arms.ts';
import { nowNs } from '../storage/time.ts';
import { askedExperiment, type ExperimentFlags } from './asked-experiment.ts';
import { readFilter } from './filter/read.ts';
import { parseTime } from './time-argument.ts';
import { parseTimeZone, type TimeZone } from './time-zone.ts';

/** Flags that say which flows, beside the filter. */
export interface SelectionFlags extends ExperimentFlags, SpanFlags {
  tz?: string;
  resolve?: boolean;
}

/** Flags that say of which time, as `parseTime` takes them. */
export interface SpanFlags {
  since?: string | undefined;
  until?: string | undefined;
}

/** A span of time in nanoseconds since the epoch; null: without a bound. */
export interface Span {
  since: bigint | null;
  until: bigint | null;
}

/** Which flows were asked for, as far as it can be told without a database. */
export interface AskedFlows extends Span {
  filter: FilterNode | null;
}

/** Reads filter and times. @throws UsageError: before anything is opened */
export async function askedFlows(expression: string, flags: SelectionFlags): Promise<AskedFlows> {
  const filter = await readFilter(expression, flags.resolve === true);
  const now = nowNs();
  return { filter, ...askedSpan(flags, parseTimeZone(flags.tz), now) };
}

/**
 * Reads the times. Of one that a clock shows twice the span is the longer one.
 * @param zone  of times without one
 * @param begin what the "ago" of `since` is counted from
 * @throws UsageError
 */
export function askedSpan({ since, until }: SpanFlags, zone: TimeZone, now: bigint, begin = now): Span {
  return {
    since: since === undefined ? null : parseTime(since, begin, { zone, pick: 'earlier' }),
    until: until === undefined ? null : parseTime(until, now, { zone, pick: 'later' }),
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
  return { selection: narrowed(asked, { kind: 'experiment', names: [experiment] }), experiment };
}

/** Those of the flows that match `only` too. */
export function narrowed<T extends AskedFlows>(asked: T, only: FilterNode): T {
  const { filter } = asked;
  if (filter === null) return { ...asked, filter: only };
  const nodes = filter.kind === 'and' ? [...filter.nodes, only] : [filter, only];
  return { ...asked, filter: { kind: 'and', nodes } };
}

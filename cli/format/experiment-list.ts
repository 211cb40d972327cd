import type { ExperimentSums } from '../../storage/experiment-sums.ts';
import type { Experiment } from '../../storage/experiments.ts';
import { type Column, formatColumns } from './columns.ts';
import { formatCount } from './count.ts';
import { formatSeconds, formatTime, shortDuration, shortTime } from './time.ts';

/** An experiment in JSON; see `nstap experiment list --help`. */
export interface ExperimentJson {
  experiment_id: number;
  name: string;
  number: number;
  netns: string | null;
  started: string;
  ended: string | null;
  running: boolean;
  duration_s: string;
  flows: number;
  packets: number;
  bytes: number;
}

type SummedExperiment = Experiment & ExperimentSums;

/** Experiments for people. @param now in nanoseconds since the epoch @param width, head see formatColumns */
export function formatExperiments(
  rows: readonly SummedExperiment[],
  now: bigint,
  width: number | null,
  head: (line: string) => string,
): string {
  if (rows.length === 0) return 'no experiments; `nstap experiment start NAME` begins one\n';
  const repeated = new Set(rows.filter(({ number }) => number > 1).map(({ name }) => name));
  const columns: readonly Column<SummedExperiment>[] = [
    {
      title: 'NAME',
      align: 'left',
      dropOrder: 0,
      text: ({ name, number }) => (repeated.has(name) ? `${name}#${number}` : name),
    },
    { title: 'STARTED', align: 'left', dropOrder: 2, text: (row) => shortTime(row.startedNs) },
    {
      title: 'ENDED',
      align: 'left',
      dropOrder: 4,
      text: ({ endedNs }) => (endedNs === null ? 'running' : shortTime(endedNs)),
    },
    { title: 'DURATION', align: 'right', dropOrder: 1, text: (row) => shortDuration(durationNs(row, now)) },
    { title: 'NETNS', align: 'left', dropOrder: 3, blank: 'all', text: ({ netns }) => netns ?? 'all' },
    { title: 'FLOWS', align: 'right', dropOrder: 0, text: (row) => formatCount(row.flows) },
    { title: 'PACKETS', align: 'right', dropOrder: 5, text: (row) => formatCount(row.packets) },
    { title: 'BYTES', align: 'right', dropOrder: 1, text: (row) => formatCount(row.bytes) },
  ];
  return formatColumns(columns, rows, width, head);
}

/** How long it took, or takes until now, in nanoseconds. */
export function durationNs({ startedNs, endedNs }: Experiment, now: bigint): bigint {
  const ns = (endedNs ?? now) - startedNs;
  return ns < 0n ? 0n : ns;
}

/** The experiment as the JSON of `experiment list` has it. @param now in nanoseconds since the epoch */
export function experimentJson(row: SummedExperiment, now: bigint): ExperimentJson {
  return {
    experiment_id: row.id,
    name: row.name,
    number: row.number,
    netns: row.netns,
    started: formatTime(row.startedNs),
    ended: row.endedNs === null ? null : formatTime(row.endedNs),
    running: row.endedNs === null,
    duration_s: formatSeconds(durationNs(row, now)),
    flows: row.flows,
    packets: row.packets,
    bytes: row.bytes,
  };
}

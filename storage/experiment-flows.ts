import type { FlowDatabase } from './database.ts';
import { type Experiment, experimentsNamed, readExperiments } from './experiments.ts';
import { join, type SqlCondition } from './filter-sql.ts';
import { clampNs } from './time.ts';

/** So many spans of time are each compared with; more are a function. */
const SPANS_MAX = 32;
const NONE: readonly string[] = [];

/** The condition for flows of experiments, by their names (see parseExperimentName). @throws StorageError */
export function experimentCondition(db: FlowDatabase, names: readonly string[]): SqlCondition {
  const experiments = named(db, names);
  if (experiments.length === 0) return { sql: 'FALSE', params: [] };
  const spans =
    experiments.length > SPANS_MAX ? manySpans(db, experiments) : experiments.map((each) => span(each));
  return join(spans, ' OR ');
}

/** When these experiments were: spans in their order, of which no two overlap. @throws StorageError */
export function experimentSpans(db: FlowDatabase, names: readonly string[]): Span[] {
  return joined(named(db, names).toSorted(byStart));
}

function named(db: FlowDatabase, names: readonly string[]): Experiment[] {
  const all = readExperiments(db);
  return [...new Set(names.flatMap((name) => experimentsNamed(all, name)))];
}

function span({ startedNs, endedNs, netns }: Experiment): SqlCondition {
  return join([...alive(startedNs, endedNs), ...ofNetns(netns)], ' AND ');
}

function alive(startedNs: bigint, endedNs: bigint | null): SqlCondition[] {
  return [
    { sql: 'f.end_ns >= ?', params: [clampNs(startedNs)] },
    ...(endedNs === null ? [] : [{ sql: 'f.start_ns <= ?', params: [clampNs(endedNs)] }]),
  ];
}

/** That a flow is of a namespace that an experiment is limited to. */
export function ofNetns(netns: string | null): SqlCondition[] {
  if (netns === null) return [];
  const sql = 'f.capture_id IN (SELECT capture_id FROM captures WHERE netns = ? OR netns GLOB ?)';
  return [{ sql, params: [netns, netns] }];
}

/** Functions that were given to connections so far: each has a name of its own. */
let functions = 0;

/** One condition for all that are limited to the same namespaces: the spans are a function, which SQLite asks flow by flow. */
function manySpans(db: FlowDatabase, experiments: readonly Experiment[]): SqlCondition[] {
  const byNetns = Map.groupBy(experiments.toSorted(byStart), ({ netns }) => netns);
  return [...byNetns].map(([netns, own]) => {
    const name = `nstap_spans_${functions++}`;
    const spans = joined(own);
    db.function(name, { safeIntegers: true, deterministic: true }, (startNs: bigint, endNs: bigint) => {
      const last = spans[countStarted(spans, endNs) - 1];
      return last !== undefined && (last.endedNs === null || last.endedNs >= startNs) ? 1n : 0n;
    });
    const within = { sql: `${name}(f.start_ns, f.end_ns)`, params: [] };
    const time = alive(spans[0]!.startedNs, spans.at(-1)!.endedNs);
    return join([...time, within, ...ofNetns(netns)], ' AND ');
  });
}

export type Span = Pick<Experiment, 'startedNs' | 'endedNs'>;

function byStart(a: Span, b: Span): number {
  return a.startedNs < b.startedNs ? -1 : a.startedNs > b.startedNs ? 1 : 0;
}

/** Spans in the order of their start, with those that overlap made one: of any two the earlier one ends before the other. */
function joined(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const { startedNs, endedNs } of spans) {
    const last = all.at(-1);
    if (last === undefined || (last.endedNs !== null && last.endedNs < startedNs))
      all.push({ startedNs, endedNs });
    else last.endedNs = laterOf(last.endedNs, endedNs);
  }
  return all;
}

/** Which experiments a flow belongs to. @param netns of the flow @returns their names, the one started last at the end */
export type ExperimentsOf = (startNs: bigint, endNs: bigint, netns: string | null) => readonly string[];

/** Reads the experiments there are, to tell those of any number of flows; as experimentCondition finds them. */
export function experimentReader(db: FlowDatabase): ExperimentsOf {
  const all = readExperiments(db);
  if (all.length === 0) return () => NONE;
  // endsBy[i]: the latest end of the first i + 1 of them, null when one goes on: before that none needs to be looked at.
  const endsBy: (bigint | null)[] = [];
  for (const { endedNs } of all)
    endsBy.push(laterOf(endsBy.length === 0 ? endedNs : endsBy.at(-1)!, endedNs));
  const isIn = netnsMatcher(db);
  return (startNs, endNs, netns) => {
    let names: string[] | null = null;
    for (let i = countStarted(all, endNs) - 1; i >= 0; i--) {
      const latest = endsBy[i]!;
      if (latest !== null && latest < startNs) break;
      const { name, endedNs, netns: pattern } = all[i]!;
      if (endedNs !== null && endedNs < startNs) continue;
      if (pattern !== null && (netns === null || !isIn(netns, pattern))) continue;
      names ??= [];
      if (!names.includes(name)) names.push(name);
    }
    return names?.reverse() ?? NONE;
  };
}

/** null: it goes on, later than any. */
function laterOf(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return null;
  return a > b ? a : b;
}

/** How many were started at or before a time; they are in the order of their start. */
function countStarted(spans: readonly Span[], ns: bigint): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (spans[middle]!.startedNs <= ns) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** SQLite's own GLOB, so that a flow that is found by its experiment also says that it belongs to it. @throws SqliteError */
export function netnsMatcher(db: FlowDatabase): (netns: string, pattern: string) => boolean {
  const statement = db
    .prepare<[string, string], number>(
      'SELECT netns = pattern OR netns GLOB pattern FROM (SELECT ? AS netns, ? AS pattern)',
    )
    .pluck();
  const known = new Map<string, boolean>();
  return (netns, pattern) => {
    const key = `${pattern}\0${netns}`;
    let matches = known.get(key);
    if (matches === undefined) {
      matches = statement.get(netns, pattern) === 1;
      known.set(key, matches);
    }
    return matches;
  };
}

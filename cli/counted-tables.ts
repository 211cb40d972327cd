import type { RouteSnapshot } from '../daemon/routes/snapshot.ts';
import { snapshotLines } from '../daemon/routes/snapshot-file.ts';
import { openForReading } from '../storage/database.ts';
import { readRouteUse } from '../storage/route-use.ts';
import { nowNs } from '../storage/time.ts';
import type { ExperimentFlags } from './asked-experiment.ts';
import { askedSpan, selectFlows } from './flow-selection.ts';
import { counted } from './format/count.ts';
import { counterNotes, type CounterStyle, otherLines } from './format/route-counters.ts';
import { formatTables } from './format/tables.ts';
import { formatTime } from './format/time.ts';
import { interruptible } from './interruptible.ts';
import { noUsage, type OtherUsage, type RouteUsage, TableUsage } from './route-use.ts';
import { parseTime } from './time-argument.ts';
import { parseTimeZone } from './time-zone.ts';

/** Which tables, and which flows. Times as `parseTime` takes them. */
export interface CountRequest extends ExperimentFlags {
  snapshot: RouteSnapshot;
  /** Names of the namespace in the database. */
  names: readonly string[];
  /** "dev:inode" of the namespace whose tables these are now; null: they are not those of the live kernel. */
  netnsId: string | null;
  path: string;
  since: string | undefined;
  until: string | undefined;
  /** The tables are those of that time: "ago" is counted from then. */
  at: string | undefined;
  /** Zone of these times where they have none. */
  tz: string | undefined;
}

/** Tables with counters, to be printed. */
export interface CountedTables {
  /** What is to be said on stderr. */
  notes: string[];
  text(style: CounterStyle): Iterable<string>;
  /** As a snapshot file, with `use` on each route and rule, and on the whole. */
  json(): Iterable<string>;
}

/** Reads the flows and joins them to the tables. @throws UsageError for times; StorageError; Error when there is no such experiment */
export function countTables(request: CountRequest): CountedTables {
  const { snapshot, names, path } = request;
  const now = nowNs();
  const zone = parseTimeZone(request.tz);
  const at = request.at === undefined ? now : parseTime(request.at, now, { zone });
  const { since, until } = askedSpan(request, zone, now, at);
  const db = openForReading(path);
  const usage = new TableUsage(snapshot);
  let experiment: string | null = null;
  try {
    const selected = selectFlows(db, { filter: null, since, until }, request);
    experiment = selected.experiment;
    interruptible(() => readRouteUse(db, names, selected.selection, usage));
  } finally {
    db.close();
  }
  const span = {
    since: since === null ? null : formatTime(since),
    until: until === null ? null : formatTime(until),
    experiment,
  };
  return {
    notes: notesOf(usage, request, span),
    *text(style) {
      yield* formatTables(snapshot, counterNotes(usage, style));
      yield* otherLines(usage, style);
    },
    *json() {
      const head = { database: path, netns: names[0], ...span, flows: usage.flows };
      yield* snapshotLines(withUse(snapshot, usage, head));
    },
  };
}

interface Span {
  since: string | null;
  until: string | null;
  experiment: string | null;
}

function notesOf({ flows, captured, netnsIds }: TableUsage, request: CountRequest, span: Span): string[] {
  const { names, netnsId, path } = request;
  const parts = [
    ...(span.since === null ? [] : [`since ${span.since}`]),
    ...(span.until === null ? [] : [`until ${span.until}`]),
    ...(span.experiment === null ? [] : [`of the experiment ${span.experiment}`]),
  ];
  const of = `${counted(flows, 'flow')} of ${names[0]}${parts.map((part) => ` ${part}`).join('')} in ${path}`;
  const notes = [
    `counters: ${of}${request.since !== undefined && span.experiment === null ? '' : '; --since, --until and --experiment choose others'}`,
  ];
  if (captured.size === 0) notes[0] = `counters: nothing was captured in ${names[0]} by ${path}`;
  if (netnsId !== null && netnsIds.some((id) => id !== netnsId))
    notes.push(
      `note: flows of an earlier namespace called ${names[0]} are counted too: it was re-created, or the host restarted`,
    );
  return notes;
}

/** In place: a table may have a million routes. */
function withUse(snapshot: RouteSnapshot, usage: TableUsage, head: object): RouteSnapshot {
  const none = jsonOfUse(noUsage());
  const put = (entry: object, used: RouteUsage | undefined): unknown =>
    Object.assign(entry, { use: used === undefined ? none : jsonOfUse(used) });
  for (const rule of snapshot.rules) put(rule, usage.ofRule(rule));
  for (const route of snapshot.routes) put(route, usage.ofRoute(route));
  const others = (list: readonly OtherUsage[]) =>
    list.map(({ decision, usage: used }) => ({ decision, use: jsonOfUse(used) }));
  return Object.assign(snapshot, {
    use: { ...head, gone: others(usage.gone), other: others(usage.other) },
  });
}

function jsonOfUse({ lastNs, ...counts }: RouteUsage): object {
  return { ...counts, last: lastNs === null ? null : formatTime(lastNs) };
}

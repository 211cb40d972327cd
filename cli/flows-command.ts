import { type FlowDatabase, openForReading } from '../storage/database.ts';
import type { FilterNode } from '../storage/filter-ast.ts';
import type { FlowSelection } from '../storage/flow-arms.ts';
import { FLOW_SORTS, type FlowRow, queryFlows } from '../storage/query.ts';
import { GROUP_FIELDS, GROUP_SORTS, type GroupRow, queryBy } from '../storage/query-by.ts';
import { DECISION_KEYS } from '../storage/route-decision.ts';
import { seriesReader } from '../storage/series.ts';
import { nowNs } from '../storage/time.ts';
import { askedExperiment } from './asked-experiment.ts';
import { defaultDb } from './default-db.ts';
import { UsageError } from './errors.ts';
import { readFilter } from './filter/read.ts';
import { learnNames } from './format/address-names.ts';
import { FLOW_KEYS, flowJson, TUNNEL_KEYS } from './format/flow-json.ts';
import { FLOW_COLUMNS, routeChangeLines } from './format/flow-table.ts';
import { GROUP_TOTAL_KEYS, type GroupJson, groupJson } from './format/group-json.ts';
import { groupColumns } from './format/group-table.ts';
import { seriesJson } from './format/series-json.ts';
import { showTimesIn } from './format/time.ts';
import { type RowFormat, type RowView, printRows } from './output.ts';
import { parseTime } from './time-argument.ts';
import { parseTimeZone } from './time-zone.ts';

/** Flags of `nstap flows` as they were given. */
export interface FlowsFlags {
  db?: string;
  since?: string;
  until?: string;
  tz?: string;
  resolve?: boolean;
  sort?: string;
  limit?: number;
  routeChanged?: boolean;
  experiment?: string;
  lastExperiment?: boolean;
  by?: string;
  series?: boolean;
  format: RowFormat;
}

const TABLE_LIMIT = 50;

/** Other names for fields, as people know them from the filter language and other tools. */
const ALIASES: Readonly<Record<string, string>> = {
  time: 'start',
  port: 'dst_port',
  proto: 'protocol',
  if: 'interface',
  state: 'conn_state',
  rtt_us: 'rtt',
  duration_s: 'duration',
  proto_number: 'protocol',
};

/** Queries flows and prints them. @throws UsageError for a mistake in the arguments, StorageError */
export async function flowsCommand(expression: string, flags: FlowsFlags): Promise<void> {
  const now = nowNs();
  const filters = [await readFilter(expression, flags.resolve === true)];
  if (flags.routeChanged) filters.push({ kind: 'routeChanged' });
  const zone = parseTimeZone(flags.tz);
  showTimesIn(zone);
  // Of a time that a clock shows twice the span is the longer one.
  const selection: Omit<FlowSelection, 'filter'> = {
    since: flags.since === undefined ? null : parseTime(flags.since, now, { zone, pick: 'earlier' }),
    until: flags.until === undefined ? null : parseTime(flags.until, now, { zone, pick: 'later' }),
  };
  const page = {
    limit: flags.limit === undefined ? (flags.format === 'table' ? TABLE_LIMIT : null) : flags.limit || null,
    offset: 0,
  };
  const by = flags.by === undefined ? null : groupFields(flags.by);
  const order = sortOrder(flags.sort, by);
  if (flags.series && (by !== null || (flags.format !== 'json' && flags.format !== 'ndjson')))
    throw new UsageError(
      '--series needs --format json or ndjson, and no --by: it is a list within each flow',
    );
  const db = openForReading(flags.db ?? defaultDb());
  try {
    const experiment = askedExperiment(db, flags);
    if (experiment !== null) filters.push({ kind: 'experiment', names: [experiment] });
    const filter = allOf(filters.filter((each) => each !== null));
    if (by === null) {
      const rows = queryFlows(db, { ...selection, filter, ...order, ...page });
      const isNamed = flags.resolve === true && flags.format === 'table';
      await printRows(isNamed ? await withNames(rows) : rows, flowView(flags, db), flags.format);
    } else {
      const groups = queryBy(db, { ...selection, filter, ...order, ...page, by });
      await printRows(groupsJson(by, groups), groupView(by), flags.format);
    }
  } finally {
    db.close();
  }
}

/** With --resolve the table has names, so all its rows are read before the first is printed. */
async function withNames(rows: Iterable<FlowRow>): Promise<FlowRow[]> {
  const all = [...rows];
  await learnNames(all.flatMap(({ src, dst }) => [src, dst]));
  return all;
}

function allOf(nodes: FilterNode[]): FilterNode | null {
  return nodes.length > 1 ? { kind: 'and', nodes } : (nodes[0] ?? null);
}

/** CSV has no nesting: the keys of these objects become columns of their own. */
const NESTED: Readonly<Record<string, readonly string[]>> = {
  route_fwd: DECISION_KEYS,
  route_rev: DECISION_KEYS,
  tunnel: TUNNEL_KEYS,
};

const FLOW_CSV_KEYS = FLOW_KEYS.flatMap(
  (key) => NESTED[key]?.map((part) => `${key}_${part}`) ?? [key as string],
);

function flowCsvValues(row: FlowRow): unknown[] {
  const json: Record<string, unknown> = flowJson(row);
  return FLOW_KEYS.flatMap((key): unknown[] => {
    if (key === 'route_changes') return [changeCount(row)];
    if (key === 'hints') return [row.hints];
    const value = json[key];
    return NESTED[key]?.map((part) => (value as Record<string, unknown> | null)?.[part] ?? null) ?? [value];
  });
}

/** How often the decision changed, as far as it is kept: what a direction began with is no change. */
function changeCount({ routeChanges }: FlowRow): number | null {
  if (routeChanges === null) return null;
  return routeChanges.length - new Set(routeChanges.map(({ direction }) => direction)).size;
}

/** Asked for flows that changed, the table shows how: a flow takes several lines then. */
function flowView(flags: FlowsFlags, db: FlowDatabase): RowView<FlowRow> {
  const series = flags.series ? seriesReader(db) : null;
  return {
    columns: FLOW_COLUMNS,
    ...(flags.routeChanged && { below: routeChangeLines }),
    json:
      series === null ? flowJson : (row) => ({ ...flowJson(row), series: seriesJson(series(row.flowId)) }),
    csvKeys: FLOW_CSV_KEYS,
    csvValues: flowCsvValues,
  };
}

function* groupsJson(by: readonly string[], rows: Iterable<GroupRow>): Iterable<GroupJson> {
  for (const row of rows) yield groupJson(by, row);
}

function groupView(by: readonly string[]): RowView<GroupJson> {
  return {
    columns: groupColumns(by),
    json: (row) => row,
    csvKeys: [...by, ...GROUP_TOTAL_KEYS],
    csvValues: (row) => Object.values(row),
  };
}

function groupFields(text: string): string[] {
  const fields = text.split(',').map((name) => canonical(name));
  for (const name of fields)
    if (!Object.hasOwn(GROUP_FIELDS, name))
      throw new UsageError(`cannot add up by "${name}"; it can be ${Object.keys(GROUP_FIELDS).join(', ')}`);
  return [...new Set(fields)];
}

/** What has most comes first; a leading + turns it around. */
function sortOrder(text: string | undefined, by: string[] | null): { sort: string; descending: boolean } {
  const known = by === null ? Object.keys(FLOW_SORTS) : [...by, ...GROUP_SORTS];
  const name = canonical(text?.replace(/^[+-]/, '') ?? (by === null ? 'start' : 'bytes'));
  const sort = by === null && name === 'protocol' ? 'proto' : name;
  if (!known.includes(sort)) throw new UsageError(`cannot sort by "${name}"; it can be ${known.join(', ')}`);
  return { sort, descending: !text?.startsWith('+') };
}

function canonical(name: string): string {
  const plain = name.trim().toLowerCase().replaceAll('-', '_');
  return ALIASES[plain] ?? plain;
}

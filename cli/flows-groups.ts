import type { FlowDatabase } from '../storage/database.ts';
import { EXPERIMENT, queryByExperiment } from '../storage/group-by-experiment.ts';
import { GROUP_FIELDS, GROUP_SORTS, groupField, type GroupRow, queryBy } from '../storage/query-by.ts';
import type { FlowSelection } from '../storage/flow-arms.ts';
import { ZONE_PART_SEC } from '../storage/group-keys.ts';
import { addSums, type FlowSums, sumFlows } from '../storage/sum-flows.ts';
import { parseDuration } from '../daemon/options/units.ts';
import { UsageError } from './errors.ts';
import { GROUP_TOTAL_KEYS, type GroupBy, type GroupJson, groupJson } from './format/group-json.ts';
import { groupColumns } from './format/group-table.ts';
import { type RowView, rowLines } from './output.ts';
import type { RowFormat } from './row-formats.ts';
import { suggestion } from '../daemon/options/suggestion.ts';
import { fixedOffset, type TimeZone } from './time-zone.ts';

const NS_PER_SEC = 1_000_000_000n;

/** Spans of time that have a name. */
const SPANS: Readonly<Record<string, string>> = { minute: '1m', hour: '1h', day: '1d' };

/** Other names for fields, as people know them from the filter language and other tools. */
const ALIASES: Readonly<Record<string, string>> = {
  port: 'dst_port',
  proto: 'protocol',
  proto_number: 'protocol',
  if: 'interface',
  state: 'conn_state',
};

/** A question for groups, as the flags have it. */
export interface GroupRequest {
  by: readonly GroupBy[];
  sort: string;
  descending: boolean;
  /** null: all. */
  limit: number | null;
  offset: number;
  format: RowFormat;
  /** Machine formats have a row of the others and of the total, too. */
  isTop: boolean;
  isWide: boolean;
}

/** The fields of `--by`; hours and days are those of the zone. @throws UsageError that suggests one */
export function groupFields(text: string, zone: TimeZone): GroupBy[] {
  const fields = text.split(',').map((part) => groupBy(part.trim(), zone));
  const known = new Map(fields.map((field) => [field.name, field]));
  return [...known.values()];
}

function groupBy(text: string, zone: TimeZone): GroupBy {
  const plain = text
    .toLowerCase()
    .replaceAll('-', '_')
    .replace(/^route(?:_fwd)?\./, 'route_')
    .replace(/^tunnel\./, 'tunnel_');
  const label = ALIASES[plain] ?? plain;
  const span = SPANS[label] ?? /^(?:start|time):(.+)$/.exec(label)?.[1];
  if (span !== undefined) return { label, name: spanName(seconds(text, span), zone) };
  if (label === EXPERIMENT || groupField(label) !== undefined) return { label, name: label };
  // Of what is within the route JSON has a dot, and so it is suggested.
  const names = [...Object.keys(GROUP_FIELDS), EXPERIMENT, ...Object.keys(SPANS)].map((name) =>
    name.replace('route_', 'route.'),
  );
  throw new UsageError(
    `cannot add up by "${text}"${suggestion(plain.replace('route_', 'route.'), names)}; it can be ${names.join(', ')}, a span of time as start:10m, or a net as src/24, dst/48, host/24/64`,
  );
}

function spanName(sec: bigint, zone: TimeZone): string {
  const isUtc = fixedOffset(zone) === 0n || sec % BigInt(ZONE_PART_SEC) !== 0n;
  return `start:${sec}${isUtc ? '' : `@${zone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone}`}`;
}

function seconds(text: string, span: string): bigint {
  const ns = parseDuration(span);
  if (ns === null || ns <= 0n || ns % NS_PER_SEC !== 0n)
    throw new UsageError(
      `cannot add up by "${text}": expected whole seconds as 10s, 5m, 1h or 1d behind the colon`,
    );
  return ns / NS_PER_SEC;
}

/** What has most octets comes first, a leading + turns it around; spans of time are in their order. @throws UsageError */
export function groupSort(
  text: string | undefined,
  by: readonly GroupBy[],
): { sort: string; descending: boolean } {
  const first = by[0]!.name;
  if (text === undefined && first.startsWith('start:')) return { sort: first, descending: false };
  const asked = (text?.replace(/^[+-]/, '') ?? 'bytes').toLowerCase().replaceAll('-', '_');
  const label = ALIASES[asked] ?? asked.replace(/^route(?:_fwd)?\./, 'route_');
  const field = by.find((each) => each.label === label);
  const known = [...by.map((each) => each.label), ...GROUP_SORTS];
  if (field === undefined && !GROUP_SORTS.includes(label))
    throw new UsageError(
      `cannot sort by "${label}"${suggestion(label, known)}; it can be ${known.join(', ')}`,
    );
  return { sort: field?.name ?? label, descending: text === undefined ? true : !text.startsWith('+') };
}

/** Groups as lines of output. @throws StorageError */
export function groupLines(
  db: FlowDatabase,
  selection: FlowSelection,
  request: GroupRequest,
): Iterable<string> {
  return request.format === 'table' || request.isTop
    ? summedLines(db, selection, request)
    : eachLine(db, selection, request);
}

function groups(
  db: FlowDatabase,
  selection: FlowSelection,
  { by, sort, descending }: GroupRequest,
  limit: number | null,
  offset: number,
): Iterable<GroupRow> {
  const query = { ...selection, by: by.map(({ name }) => name), sort, descending, limit, offset };
  return query.by.includes(EXPERIMENT) ? queryByExperiment(db, query) : queryBy(db, query);
}

/** Where a flow may be in several groups, those add up to more than there is. */
function isManifold(by: readonly GroupBy[]): boolean {
  return by.some(({ name }) => name === EXPERIMENT || /^host\b/.test(name));
}

/** One by one, as SQLite gives them. */
function eachLine(db: FlowDatabase, selection: FlowSelection, request: GroupRequest): Iterable<string> {
  const { by, limit, offset, format } = request;
  const all = sumFlows(db, selection);
  function* rows(): Iterable<GroupJson> {
    if (all === null) return;
    for (const { keys, ...sums } of groups(db, selection, request, limit, offset))
      yield groupJson(by, 'group', keys, sums, all);
  }
  return rowLines(rows(), view(request, 0), format);
}

/** With what the groups that are not shown add up to, and all. */
function summedLines(db: FlowDatabase, selection: FlowSelection, request: GroupRequest): Iterable<string> {
  const { by, limit, offset, format } = request;
  const shown: GroupRow[] = [];
  let others: FlowSums | null = null;
  let otherGroups = 0;
  let all: FlowSums | null = null;
  let index = 0;
  for (const row of groups(db, selection, request, null, 0)) {
    if (index >= offset && (limit === null || index < offset + limit)) shown.push(row);
    else {
      others = addSums(others, row);
      otherGroups++;
    }
    all = addSums(all, row);
    index++;
  }
  if (all !== null && isManifold(by)) all = sumFlows(db, selection)!;
  const rows = shown.map(({ keys, ...sums }) => groupJson(by, 'group', keys, sums, all!));
  if (others !== null) rows.push(groupJson(by, 'others', null, others, all!));
  if (all !== null && (index > 1 || format !== 'table')) rows.push(groupJson(by, 'total', null, all, all));
  return rowLines(rows, view(request, otherGroups), format);
}

function view({ by, sort, isWide }: GroupRequest, others: number): RowView<GroupJson> {
  const measure = /^(flows|packets|bytes)/.exec(sort)?.[0] ?? 'bytes';
  return {
    columns: groupColumns(by, measure, others),
    isWide,
    json: (row) => row,
    csvKeys: [...by.map(({ label }) => label), ...GROUP_TOTAL_KEYS],
    csvValues: (row) => Object.values(row),
  };
}

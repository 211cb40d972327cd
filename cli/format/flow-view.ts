import type { FlowDatabase } from '../../storage/database.ts';
import type { FlowRow } from '../../storage/query.ts';
import { DECISION_KEYS } from '../../storage/route-decision.ts';
import { seriesReader } from '../../storage/series.ts';
import type { RowView } from '../output.ts';
import type { FlowField } from './flow-fields.ts';
import { FLOW_KEYS, flowJson, TUNNEL_KEYS } from './flow-json.ts';
import { fieldColumn, flowColumns, routeChangeLines, wideFlowColumns } from './flow-table.ts';
import { seriesJson } from './series-json.ts';

/** How flows are to be shown. */
export interface FlowViewOptions {
  /** Only these; null: those that every table has, or JSON. */
  fields: readonly FlowField[] | null;
  wide?: boolean;
  /** Each flow has its time series within. */
  series?: boolean;
  /** Each flow has its decisions below. */
  routeChanged?: boolean;
}

/** How flows are shown in each format. */
export function flowView(options: FlowViewOptions, db: FlowDatabase): RowView<FlowRow> {
  if (options.fields !== null) return chosenView(options.fields);
  const series = options.series ? seriesReader(db) : null;
  return {
    columns: options.wide ? wideFlowColumns : flowColumns,
    isWide: options.wide === true,
    ...(options.routeChanged && { below: routeChangeLines }),
    json:
      series === null ? flowJson : (row) => ({ ...flowJson(row), series: seriesJson(series(row.flowId)) }),
    csvKeys: FLOW_CSV_KEYS,
    csvValues: flowCsvValues,
  };
}

/** Only the fields asked for, in that order, by their names in every format. */
function chosenView(fields: readonly FlowField[]): RowView<FlowRow> {
  return {
    columns: (rows) => fields.map((field) => fieldColumn(field, rows)),
    json: (row) => Object.fromEntries(fields.map(({ name, value }) => [name, value(row)])),
    csvKeys: fields.map(({ name }) => name),
    csvValues: (row) => fields.map(({ value }) => csvCell(value(row))),
  };
}

/** An object within a cell is JSON. */
function csvCell(value: unknown): unknown {
  const isPlain =
    typeof value !== 'object' || value === null || (Array.isArray(value) && typeof value[0] !== 'object');
  return isPlain ? value : JSON.stringify(value);
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

type CsvValue = (json: Record<string, unknown>, row: FlowRow) => unknown;

/** The value of each column, of the flow in JSON and its row. */
const CSV_VALUES = FLOW_KEYS.flatMap((key): CsvValue[] => {
  if (key === 'route_changes') return [(_json, row) => changeCount(row)];
  if (key === 'hints') return [(_json, row) => row.hints];
  const parts = NESTED[key];
  if (parts === undefined) return [(json) => json[key]];
  return parts.map(
    (part) => (json: Record<string, unknown>) =>
      (json[key] as Record<string, unknown> | null)?.[part] ?? null,
  );
});

function flowCsvValues(row: FlowRow): unknown[] {
  const json = flowJson(row);
  return CSV_VALUES.map((value) => value(json, row));
}

/** How often the decision changed, as far as it is kept: what a direction began with is no change. */
function changeCount({ routeChanges }: FlowRow): number | null {
  if (routeChanges === null) return null;
  return routeChanges.length - new Set(routeChanges.map(({ direction }) => direction)).size;
}

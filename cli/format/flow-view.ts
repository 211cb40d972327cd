import type { FlowDatabase } from '../../storage/database.ts';
import type { FlowRow } from '../../storage/query.ts';
import { seriesReader } from '../../storage/series.ts';
import type { RowView } from '../output.ts';
import type { FlowField } from './flow-fields.ts';
import { FLOW_CSV_KEYS, flowCsvValues } from './flow-csv.ts';
import { flowJson } from './flow-json.ts';
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

import type { FlowDatabase } from '../../storage/database.ts';
import { outerFlowReader } from '../../storage/outer-flow.ts';
import type { FlowRow } from '../../storage/query.ts';
import { csvLine } from '../format/csv.ts';
import { FLOW_CSV_KEYS, flowCsvValues } from '../format/flow-csv.ts';
import { flowJson } from '../format/flow-json.ts';
import { CONN_COLUMNS, EXTRA_COLUMNS, zeekFooter, zeekHeader, zeekLine } from './zeek.ts';

/** A format of one line a flow. */
export interface TextFormat {
  head: string;
  line(row: FlowRow): string;
  /** Made when everything else is written. */
  foot(): string;
}

/** @param hasExtra whether the log has columns that Zeek's own has not */
export function textFormat(
  format: 'csv' | 'ndjson' | 'zeek',
  db: FlowDatabase,
  hasExtra: boolean,
): TextFormat {
  switch (format) {
    case 'csv':
      return {
        head: `${csvLine(FLOW_CSV_KEYS)}\n`,
        line: (row) => `${csvLine(flowCsvValues(row))}\n`,
        foot: () => '',
      };
    case 'ndjson':
      return { head: '', line: (row) => `${JSON.stringify(flowJson(row))}\n`, foot: () => '' };
    case 'zeek': {
      const columns = hasExtra ? [...CONN_COLUMNS, ...EXTRA_COLUMNS] : CONN_COLUMNS;
      const outer = outerFlowReader(db);
      return {
        head: zeekHeader(columns, new Date()),
        line: (row) => zeekLine(columns, row, outer),
        foot: () => zeekFooter(new Date()),
      };
    }
  }
}

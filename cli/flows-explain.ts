import type { RouteStep } from '../daemon/routes/resolve.ts';
import type { FlowDatabase } from '../storage/database.ts';
import { captureOfFlow, type FlowCapture, type FlowGap, gapsDuring } from '../storage/flow-capture.ts';
import type { FlowSelection } from '../storage/flow-arms.ts';
import { type FlowRow, queryFlows } from '../storage/query.ts';
import type { RouteDecision } from '../storage/route-decision.ts';
import { seriesReader, type SeriesRow } from '../storage/series.ts';
import { sumFlows } from '../storage/sum-flows.ts';
import { routeSteps } from './flow-route-steps.ts';
import { explanationJson } from './format/explain-json.ts';
import { explanationLines } from './format/explain-page.ts';
import { endWords, type HistoryStep, historySteps, stateWords } from './format/flow-words.ts';
import { flowText, placeText } from './format/flow-text.ts';
import { printable } from './format/printable.ts';
import { stdoutColors, terminalWidth } from './output.ts';
import { pageLines } from './pager.ts';

const TCP = 6;
/** Flows that an error names, at most. */
const NAMED_MAX = 5;

/** A decision of one direction, with what is known of how it came about. */
export interface ExplainedRoute {
  direction: 'fwd' | 'rev';
  /** From when it held; nanoseconds since the epoch. */
  sinceNs: bigint;
  decision: RouteDecision;
  steps: RouteStep[] | null;
  tablesSinceNs: bigint | null;
  note: string | null;
}

/** Everything that is known about a flow. */
export interface FlowExplanation {
  row: FlowRow;
  stateText: string | null;
  endText: string;
  history: HistoryStep[];
  /** In the order of time; of a direction whose decision never changed there is one. */
  routes: ExplainedRoute[];
  /** null: the row that says so is not there. */
  capture: FlowCapture | null;
  gaps: FlowGap[];
  /** Empty: it was not kept. */
  series: SeriesRow[];
}

/**
 * Prints everything about one flow.
 * @param flowId null: the one flow of the selection
 * @throws Error when the selection has none or several; StorageError
 */
export async function explainCommand(
  db: FlowDatabase,
  selection: FlowSelection,
  flowId: number | null,
  isJson: boolean,
): Promise<void> {
  const row = onlyFlow(db, selection, flowId);
  const explanation = explain(db, row);
  await pageLines(
    isJson
      ? [`${JSON.stringify(explanationJson(explanation))}\n`]
      : explanationLines(explanation, terminalWidth(), stdoutColors()),
  );
}

function onlyFlow(db: FlowDatabase, selection: FlowSelection, flowId: number | null): FlowRow {
  const own =
    flowId === null ? selection : { ...selection, also: { sql: 'f.flow_id = ?', params: [flowId] } };
  const rows = [...queryFlows(db, { ...own, sort: 'start', descending: true, limit: NAMED_MAX, offset: 0 })];
  if (rows.length === 1) return rows[0]!;
  if (rows.length === 0)
    throw new Error(
      flowId === null
        ? 'no flow is left by the filter; --explain is about one'
        : `there is no flow ${flowId} in ${db.name}; retention may have dropped it, or the filter leaves it out`,
    );
  const count = sumFlows(db, own)!.flows;
  const named = rows.map(
    (row) =>
      `  --explain ${String(row.flowId).padEnd(8)} ${printable(`${flowText(row)}  ${placeText(row)}`)}`,
  );
  throw new Error(
    `the filter leaves ${count} flows, and --explain is about one; narrow it, or take one by its flow_id. The newest:\n${named.join('\n')}`,
  );
}

function explain(db: FlowDatabase, row: FlowRow): FlowExplanation {
  const isTcp = row.proto === TCP;
  const capture = captureOfFlow(db, row.flowId);
  return {
    row,
    stateText: stateWords(row.connState, isTcp),
    endText: endWords(row.endReason),
    history: historySteps(row.history ?? '', isTcp),
    routes: decisionsOf(row).map((each) => ({
      ...each,
      ...(capture === null
        ? { steps: null, tablesSinceNs: null, note: 'only the decision is stored' }
        : routeSteps(db, row, capture, each.direction, each.decision, each.sinceNs)),
    })),
    capture,
    gaps: gapsDuring(db, row),
    series: seriesReader(db)(row.flowId),
  };
}

/** Those that are kept over time, else the one of each direction. */
function decisionsOf(row: FlowRow): Pick<ExplainedRoute, 'direction' | 'sinceNs' | 'decision'>[] {
  const changes = row.routeChanges ?? [];
  const plain = (['fwd', 'rev'] as const).flatMap((direction) => {
    const decision = direction === 'fwd' ? row.routeFwd : row.routeRev;
    const isKept = changes.some((change) => change.direction === direction);
    return decision === null || isKept ? [] : [{ direction, sinceNs: row.startNs, decision }];
  });
  return [...plain, ...changes];
}

import type { FlowExplanation } from '../flows-explain.ts';
import { flowJson } from './flow-json.ts';
import { seriesJson } from './series-json.ts';
import { formatTime, perSecond } from './time.ts';

/** What `flows --explain --json` prints; docs/flows.md says what is in it. */
export function explanationJson(explanation: FlowExplanation): object {
  const { row, stateText, endText, history, routes, capture, gaps, series } = explanation;
  const ns = row.endNs - row.startNs;
  const time = (value: bigint | null): string | null => (value === null ? null : formatTime(value));
  return {
    flow: flowJson(row),
    host: row.host,
    conn_state_text: stateText,
    end_reason_text: endText,
    history_steps: history,
    bits_per_s: { fwd: perSecond(row.bytesFwd * 8, ns), rev: perSecond(row.bytesRev * 8, ns) },
    packets_per_s: { fwd: perSecond(row.packetsFwd, ns), rev: perSecond(row.packetsRev, ns) },
    routes: routes.map(({ direction, sinceNs, decision, steps, tablesSinceNs, note }) => ({
      direction,
      since: formatTime(sinceNs),
      route: decision,
      steps,
      tables_since: time(tablesSinceNs),
      note,
    })),
    capture:
      capture === null
        ? null
        : {
            run: capture.runKind,
            run_started: formatTime(capture.runStartedNs),
            source: capture.source,
            file: capture.file,
            filter: capture.filter,
            packets: capture.packets,
            kernel_drops: capture.kernelDrops,
            shed_records: capture.shedRecords,
            shed_route_changes: capture.shedRouteChanges,
            evicted_flows: capture.evictedFlows,
          },
    gaps: gaps.map(({ fromNs, toNs, reason }) => ({ from: time(fromNs), to: formatTime(toNs), reason })),
    series: series.length === 0 ? null : seriesJson(series),
  };
}

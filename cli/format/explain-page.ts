import type pc from 'picocolors';
import { SERIES_SEC, type SeriesRow } from '../../storage/series.ts';
import { protocolName } from '../../storage/protocols.ts';
import type { FlowRow } from '../../storage/query.ts';
import type { ExplainedRoute, FlowExplanation } from '../flows-explain.ts';
import { formatCount, formatRate } from './count.ts';
import { countLines, type Labelled, tcpLines } from './explain-counts.ts';
import { flowJson } from './flow-json.ts';
import { endpointText, flowText, placeText, routeText } from './flow-text.ts';
import { printable } from './printable.ts';
import { stepLines } from './route-answer.ts';
import { sparkline } from './sparkline.ts';
import { formatSeconds, formatTime } from './time.ts';

type Colors = ReturnType<typeof pc.createColors>;

const LABEL_WIDTH = 13;
/** Longer lines are hard to read, however wide the terminal. */
const TEXT_WIDTH = 100;
const BARS_MAX = 60;

/** The page of `flows --explain`, in lines with their ends. @param width of the terminal, or null */
export function explanationLines(
  explanation: FlowExplanation,
  width: number | null,
  colors: Colors,
): string[] {
  const { row } = explanation;
  const textWidth = Math.max(40, Math.min(width ?? TEXT_WIDTH, TEXT_WIDTH));
  const labelled = (label: string, text: string | null): string[] =>
    text === null
      ? []
      : wrapped(text, textWidth - LABEL_WIDTH - 2).map(
          (line, i) => `  ${(i === 0 ? label : '').padEnd(LABEL_WIDTH)}${line}`,
        );
  const title = `flow ${row.flowId}  ${protocolName(row.proto)}  ${flowText(row)}`;
  const sections: [string, string[]][] = [
    ['', identity(explanation, labelled)],
    ['What it carried', countLines(row)],
    ['How it went', [...story(explanation, labelled), ...tcpLines(row, labelled)]],
    ...explanation.routes.map((route): [string, string[]] => routeSection(route, row, textWidth, labelled)),
    ['Over time', timeLines(explanation.series, row, labelled)],
    ['What applications said', hintLines(row, labelled)],
    ['What capture missed', lossLines(explanation, labelled)],
  ];
  const lines = [colors.bold(printable(title))];
  for (const [heading, body] of sections) {
    if (body.length === 0) continue;
    if (heading !== '') lines.push('', colors.bold(printable(heading)));
    lines.push(...body.map((line) => printable(line)));
  }
  return lines.map((line) => `${line}\n`);
}

function identity({ row, endText, capture }: FlowExplanation, labelled: Labelled): string[] {
  const json = flowJson(row);
  const ns = row.endNs - row.startNs;
  const source =
    capture === null
      ? ''
      : capture.source === 'file'
        ? `, from ${capture.file ?? 'standard input'}`
        : `, captured by ${capture.source}`;
  const filter = capture === null || capture.filter === null ? '' : `, with the filter "${capture.filter}"`;
  return [
    ...labelled('where', `${placeText(row)} on ${row.host}${source}${filter}`),
    ...labelled('began', formatTime(row.startNs)),
    ...labelled(
      'ended',
      `${formatTime(row.endNs)}, after ${formatSeconds(ns)} s: ${endText} (${row.endReason})`,
    ),
    ...labelled('experiments', row.experiments.length === 0 ? null : row.experiments.join(', ')),
    ...labelled('hardware', json.src_mac === null ? null : `${json.src_mac} -> ${json.dst_mac}`),
    ...labelled('community-id', json.community_id),
    ...labelled(
      'in tunnel',
      row.tunnelType === null
        ? null
        : [
            row.tunnelType,
            row.tunnelId === null ? '' : ` ${row.tunnelId}`,
            row.tunnelOuterFlowId === null ? '' : `, within flow ${row.tunnelOuterFlowId}`,
          ].join(''),
    ),
  ];
}

function story({ row, stateText, history }: FlowExplanation, labelled: Labelled): string[] {
  const state =
    row.connState === null ? null : `${row.connState}${stateText === null ? '' : `: ${stateText}`}`;
  return [
    ...labelled('state', state),
    ...labelled('originator', originator(row)),
    ...labelled('history', row.history === null || row.history === '' ? null : row.history),
    ...history.map(
      ({ letter, side, text }) =>
        `  ${''.padEnd(LABEL_WIDTH)}${letter}  ${side === null ? '' : `${side} `}${text}`,
    ),
  ];
}

function originator(row: FlowRow): string {
  const who = endpointText(row, 'src');
  if (row.originatorGuessed === 1) return `${who}, by a guess: no SYN was seen (see docs/flow-fields.md)`;
  return row.originatorGuessed === 0 ? `${who}, who sent the SYN` : who;
}

function routeSection(
  { direction, sinceNs, decision, steps, tablesSinceNs, note }: ExplainedRoute,
  row: FlowRow,
  width: number,
  labelled: Labelled,
): [string, string[]] {
  const to = direction === 'fwd' ? 'to the responder' : 'to the originator';
  const since = sinceNs === row.startNs ? '' : `, from ${formatTime(sinceNs)} on`;
  const { verdict, rule, table, stage, observed, confidence, reason, text } = decision;
  const rules =
    steps === null || steps.length === 0
      ? []
      : [
          `  ${'rules'.padEnd(LABEL_WIDTH)}with the tables as they were since ${formatTime(tablesSinceNs!)}`,
          ...stepLines({ steps }).map((line) => `    ${line}`),
        ];
  const found = [rule === null ? null : `rule ${rule}`, table === null ? null : `table ${table}`].filter(
    (part) => part !== null,
  );
  return [
    `Route ${to}${since}`,
    [
      ...labelled('decision', `${verdict ?? decision.type}: ${routeText(decision)}`),
      ...labelled('route', text),
      ...labelled('by', found.length === 0 ? null : found.join(', ')),
      ...labelled('stage', stage),
      ...labelled('observed', observedText(observed)),
      ...labelled('confidence', confidence),
      ...labelled('reason', reason),
      ...rules,
      ...wrapped(note ?? '', width - LABEL_WIDTH - 2).flatMap((line, i) =>
        line === '' ? [] : [`  ${(i === 0 ? 'note' : '').padEnd(LABEL_WIDTH)}${line}`],
      ),
    ],
  ];
}

function observedText(observed: string): string | null {
  if (observed === 'agrees') return 'agrees: it was seen on the interface that it was sent to';
  return observed === 'differs' ? 'differs: it was seen on another interface than it was sent to' : null;
}

function timeLines(series: readonly SeriesRow[], row: FlowRow, labelled: Labelled): string[] {
  if (series.length === 0)
    return labelled(
      'not kept',
      'the daemon or replay that captured it had no --timeseries; with it, a flow has its packets and octets for every 10 s',
    );
  const step = BigInt(SERIES_SEC) * 1_000_000_000n;
  const first = series[0]!.atNs;
  const count = Number((series.at(-1)!.atNs - first) / step) + 1;
  const values = { fwd: new Array<number>(count).fill(0), rev: new Array<number>(count).fill(0) };
  for (const { atNs, bytesFwd, bytesRev } of series) {
    const at = Number((atNs - first) / step);
    values.fwd[at] = bytesFwd;
    values.rev[at] = bytesRev;
  }
  const each = Math.max(1, Math.ceil(count / BARS_MAX));
  const line = (label: string, bytes: readonly number[]): string => {
    const most = (Math.max(...bytes) * 8) / SERIES_SEC;
    return `  ${label.padEnd(LABEL_WIDTH)}|${sparkline(bytes, BARS_MAX).padEnd(Math.ceil(count / each))}|  at most ${formatRate(most)}`;
  };
  return [
    ...(row.packetsFwd > 0 ? [line('originator', values.fwd)] : []),
    ...(row.packetsRev > 0 ? [line('responder', values.rev)] : []),
    ...labelled('', `a bar is ${each * SERIES_SEC} s, the first one from ${formatTime(first)} on`),
  ];
}

function hintLines(row: FlowRow, labelled: Labelled): string[] {
  const hints = flowJson(row).hints;
  return Object.entries(hints ?? {}).flatMap(([protocol, said]) =>
    labelled(
      protocol,
      Object.entries(said as Record<string, unknown>)
        .filter(([, value]) => value !== null)
        .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(' ') : String(value)}`)
        .join(', '),
    ),
  );
}

function lossLines({ capture, gaps }: FlowExplanation, labelled: Labelled): string[] {
  const lines = gaps.flatMap(({ fromNs, toNs, reason }) =>
    labelled(
      'gap',
      `${fromNs === null ? 'until' : `${formatTime(fromNs)} to`} ${formatTime(toNs)}: ${reason}`,
    ),
  );
  if (capture === null) return lines;
  const losses: [number, string][] = [
    [capture.kernelDrops, 'packets dropped by the kernel'],
    [capture.shedRecords, 'records of flows shed on the way to the database'],
    [capture.shedRouteChanges, 'changes of routes shed'],
    [capture.evictedFlows, 'flows that ended to make room'],
  ];
  const found = losses
    .filter(([count]) => count > 0)
    .map(([count, what]) => `${count.toLocaleString('en-US')} ${what}`);
  lines.push(
    ...labelled(
      found.length > 0 ? 'losses' : lines.length === 0 ? 'nothing' : '',
      found.length > 0
        ? `${found.join(', ')}; of all that this capture saw (${formatCount(capture.packets)} packets), and when is not kept`
        : lines.length === 0
          ? `no gap in its time, and no loss in this capture (${formatCount(capture.packets)} packets)`
          : null,
    ),
  );
  return lines;
}

/** Text in lines of a width; a word that is longer than one stays whole. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

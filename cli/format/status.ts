import type { DaemonStatus } from '../daemon-status.ts';
import type { CaptureCounts, CaptureStatus, NamespaceStatus, Status } from '../status.ts';
import { type Column, formatColumns, printable } from './columns.ts';
import { counted, formatCount } from './count.ts';
import { type Glyphs, glyphs as glyphsOf } from './glyphs.ts';
import { shortDuration } from './time.ts';
import { wrapLine } from './wrap.ts';

/** How to print what must not be overlooked, what is well, and titles. */
interface Colors {
  bold: (text: string) => string;
  red: (text: string) => string;
  green: (text: string) => string;
}

/** Labels of lines stand in a column of their own, and what does not fit into a line goes on beside it. */
const LABEL_WIDTH = 10;

/** What is lost, by key of the totals: what it means, and what helps. */
export const LOSSES = {
  kernel_drops: 'packets lost before nstap saw them; a larger --ring-mib, a --filter or --snaplen 256 helps',
  undecoded: 'packets that could not be decoded',
  tunnel_undecoded: 'packets in tunnels whose inside could not be followed',
  unaccounted: 'packets that are in no count: a bug of nstap',
  evicted_flows: 'flows that ended early because the flow table was full; raise --max-flows',
  untracked_flows:
    'TCP flows with counts that are too low because too many had retransmissions at once; raise --max-flows',
  shed_records: 'flow records lost because the database was too slow',
  shed_route_changes: 'changes of route decisions lost because the database was too slow',
  resyncs: 'times that changes of routes were missed, and the tables read anew',
  shed_hints: 'flows whose names and payload were not kept because there was no room for more',
  shed_updates: 'updates of tables missing in the route history because the database was too slow',
  disagreed: 'decisions on which the kernel disagreed; please report them with the log of the daemon',
} as const satisfies Partial<Record<keyof Status['totals'], string>>;

const TOTAL = 'total';
/** Lines of gaps. */
const GAPS_SHOWN = 10;

/** A capture point, or all of them. */
type CaptureLine = CaptureCounts & { place: string; state: string };
type NamespaceLine = Pick<NamespaceStatus, 'netns' | 'mirror' | 'audit'>;

/** A column of numbers. @param isLoss marks every number but 0 */
function numbers<T>(
  title: string,
  dropOrder: number,
  value: (row: T) => number | undefined,
  isLoss = false,
): Column<T> {
  return {
    title,
    align: 'right',
    dropOrder,
    blank: '0',
    text: (row) => {
      const number = value(row);
      return number === undefined ? '-' : formatCount(number);
    },
    isMarked: (row) => isLoss && (value(row) ?? 0) !== 0,
  };
}

/** What is asked first stays longest: what came, what was lost, what was read; of the losses others than the first ones are below. */
const CAPTURE_COLUMNS: readonly Column<CaptureLine>[] = [
  { title: 'NETNS/IF', align: 'left', dropOrder: 0, text: (row) => row.place },
  { title: 'STATE', align: 'left', dropOrder: 5, text: (row) => row.state },
  always(numbers('RECEIVED', 1, (row) => row.received)),
  numbers('PACKETS', 6, (row) => row.packets),
  numbers('BYTES', 7, (row) => row.bytes),
  always(numbers('DECODED', 1, (row) => row.decoded)),
  always(numbers('UNDECODED', 1, (row) => row.undecoded, true)),
  always(numbers('DROPS', 0, (row) => row.kernel_drops, true)),
  numbers('DUPLICATES', 8, (row) => row.duplicates),
  numbers('SHED', 4, (row) => row.shed_records, true),
  numbers('SHED-CHANGES', 9, (row) => row.shed_route_changes, true),
  numbers('EVICTED', 4, (row) => row.evicted_flows, true),
  numbers('UNTRACKED', 9, (row) => row.untracked_flows, true),
  always(numbers('FLOWS', 2, (row) => row.alive_flows)),
  {
    title: 'CPU/PKT',
    align: 'right',
    dropOrder: 3,
    text: (row) =>
      row.packets === 0 || row.cpu_ns === 0 ? '-' : `${Math.round(row.cpu_ns / row.packets)}ns`,
  },
];

/** A column that says something by being 0. */
function always({ blank: _, ...column }: Column<CaptureLine>): Column<CaptureLine> {
  return column;
}

const NAMESPACE_COLUMNS: readonly Column<NamespaceLine>[] = [
  { title: 'NETNS', align: 'left', dropOrder: 0, text: (row) => row.netns },
  numbers('APPLIED', 3, ({ mirror }) => mirror?.applied),
  numbers('RELOADS', 4, ({ mirror }) => mirror?.reloads),
  numbers('RESYNCS', 1, ({ mirror }) => mirror?.resyncs, true),
  numbers('INTERRUPTED', 6, ({ mirror }) => mirror?.interrupted),
  numbers('SHED', 1, ({ mirror }) => mirror?.shed_updates, true),
  numbers('ASKED', 2, ({ audit }) => audit?.asked),
  numbers('AGREED', 2, ({ audit }) => audit?.agreed),
  numbers('DISAGREED', 0, ({ audit }) => audit?.disagreed, true),
  numbers('UNASKED', 5, ({ audit }) => audit?.unasked),
];

/** The state of a run for people. @param width columns of the terminal, or null for no limit */
export function formatStatus(
  status: Status,
  width: number | null,
  { bold, red, green }: Colors,
  glyphs: Glyphs = glyphsOf(),
): string {
  const { run, captures, namespaces, totals, database, daemon } = status;
  const state = { running: green, ended: (text: string) => text, gone: red, unknown: red }[run.state];
  const lines = [
    `${run.kind} (run ${run.run_id}, nstap ${run.version}, pid ${run.pid}, host ${run.host}): ${state(runSentence(run))}`,
    `database  ${printable(database)}: ${counted(run.flows, 'flow')} of this run`,
    `kept      ${keptSentence(status.retention)}`,
    ...(daemon === null ? [] : daemonLines(daemon, red)),
  ].flatMap((line) => wrapLine(line, width, LABEL_WIDTH));
  lines.push('');
  if (captures.length === 0) lines.push('no interface has been captured');
  else
    lines.push(formatColumns(CAPTURE_COLUMNS, captureLines(status), width, bold, undefined, red).trimEnd());
  if (namespaces.length > 0) {
    const all: NamespaceLine = { netns: TOTAL, mirror: totals, audit: totals };
    lines.push(
      '',
      ...wrapLine(
        'routes: changes followed, and a sample of decisions that the kernel was asked for',
        width,
        LABEL_WIDTH,
      ),
      formatColumns(NAMESPACE_COLUMNS, [...namespaces, all], width, bold, undefined, red).trimEnd(),
    );
  }
  const below = [
    ...(run.queue_size > 0 ? ['', loadLine(status)] : []),
    '',
    lawLine(status, { red, green }, glyphs),
    ...lossLines(status, { red, green }),
    ...gapLines(status.gaps, red),
  ];
  lines.push(...below.flatMap((line) => wrapLine(line, width, LABEL_WIDTH)));
  return `${lines.join('\n')}\n`;
}

function runSentence({ state, started, ended }: Status['run']): string {
  switch (state) {
    case 'running':
      return `running since ${started}`;
    case 'ended':
      return `ran from ${started} to ${ended}`;
    case 'gone':
      return `began at ${started} and is gone without having ended; what it had not stored by then is lost`;
    case 'unknown':
      return `began at ${started} on another host; whether it is running cannot be told here`;
  }
}

/** What only the running daemon knows. */
function daemonLines(daemon: DaemonStatus, red: Colors['red']): string[] {
  const { engine_restarts: restarts, storage_trouble: trouble } = daemon;
  const up = `up ${shortDuration(BigInt(Math.round(daemon.uptime_s * 1e9)))}`;
  const engine = `engine pid ${daemon.engine_pid}, ${Math.round(daemon.engine_rss_bytes / 2 ** 20)} MiB, restarted ${counted(restarts, 'time')}`;
  const flows = `${formatCount(daemon.flows)} of at most ${formatCount(daemon.max_flows)} flows in the table`;
  const queue = `${daemon.queued_batches} of ${daemon.max_queued_batches} batches wait for the database`;
  return [
    `daemon    ${up}, ${restarts === 0 ? engine : red(engine)}; ${counted(daemon.clients, 'client')} of ${printable(daemon.control)}`,
    `          ${flows}, ${queue}`,
    ...(trouble === null ? [] : [`          ${red(printable(`database: ${trouble}`))}`]),
  ];
}

function keptSentence(kept: Status['retention']): string {
  const size = `${counted(kept.partitions, 'partition')}, ${formatCount(kept.octets)} octets`;
  const since = kept.from === null ? 'no flows' : `flows since ${kept.from}`;
  const { dropped_partitions, dropped_flows } = kept;
  if (dropped_partitions === 0 && dropped_flows === 0) return `${since}; ${size}; nothing was dropped so far`;
  return `${since}; ${size}; dropped so far: ${counted(dropped_flows, 'flow')}, ${counted(dropped_partitions, 'partition')}`;
}

function captureLines({ captures, totals, run }: Status): CaptureLine[] {
  const goesOn = run.state === 'ended' || run.state === 'gone' ? 'cut off' : 'open';
  const lines = captures.map((capture) => ({
    ...capture,
    place: placeOf(capture),
    state: capture.ended ? 'ended' : goesOn,
  }));
  return [...lines, { ...totals, place: TOTAL, state: '' }];
}

function placeOf({ netns, interface: name, file }: CaptureStatus): string {
  const place = `${netns ?? '-'}/${name ?? '-'}`;
  return file === null ? place : `${place} (${file})`;
}

/** What the capture thread does. */
function loadLine({ run, totals, daemon }: Status): string {
  const { queue_waiting: waiting, queue_size: size, capture_cpu_ns: cpuNs } = run;
  const seconds = (cpuNs / 1e9).toFixed(1);
  const cpu = `${seconds} s of CPU in the capture thread`;
  // The daemon has told the rest, as it is now.
  if (daemon !== null) return `load      ${cpu}`;
  return `load      ${counted(totals.alive_flows, 'flow')} in the table, ${waiting} of ${size} batches wait for the database, ${cpu}`;
}

/**
 * The law that nothing is lost silently: what the kernel received was decoded, was undecodable, was dropped and counted, is the
 * second sight of a packet on lo, or is still in the ring. When a run has ended nothing is.
 */
function lawLine(
  { captures, totals, balanced, run }: Status,
  { red, green }: Pick<Colors, 'red' | 'green'>,
  glyphs: Glyphs,
): string {
  const count = (n: number): string => n.toLocaleString('en-US');
  const read = (c: CaptureCounts): number => c.packets + c.kernel_drops + c.duplicates;
  // A run of an nstap that did not keep what was received has 0.
  const received = captures.reduce((n, c) => n + (c.received === 0 ? read(c) : c.received), 0);
  const unread = received - read(totals);
  const isOver = run.state === 'ended' && captures.every(({ ended }) => ended);
  const sum = [
    `${count(totals.decoded)} decoded`,
    `${count(totals.undecoded)} undecoded`,
    `${count(totals.kernel_drops)} dropped by the kernel`,
    ...(totals.duplicates > 0 ? [`${count(totals.duplicates)} duplicates of lo`] : []),
    ...(unread !== 0 && !isOver ? [`${count(unread)} not read yet`] : []),
  ];
  const broken = captures
    .filter(({ unaccounted }) => unaccounted !== 0)
    .map((capture) => `${printable(placeOf(capture))} (${count(capture.unaccounted)} in no count)`);
  if (isOver && unread !== 0) broken.push(`all together (${count(unread)} in no count)`);
  const isKept = balanced && broken.length === 0;
  const sign = isKept ? green(glyphs.tick) : red(glyphs.cross);
  const end = isKept ? '' : `: ${red(`BROKEN for ${broken.join(', ')}`)}`;
  return `law       ${sign} ${count(received)} received = ${sum.join(' + ')}${end}`;
}

/** The latest ones; all are in --json. */
function gapLines(gaps: Status['gaps'], red: Colors['red']): string[] {
  return gaps.slice(-GAPS_SHOWN).map(({ netns, interface: name, from, to, reason }, i) => {
    const head = (i === 0 ? 'gaps' : '').padEnd(10);
    return `${head}${red(printable(`${netns ?? '-'}/${name ?? '-'}`))}: not captured from ${from ?? 'before'} to ${to}: ${printable(reason)}`;
  });
}

/** "none" where nothing is lost: what a gap has cost is in no counter. */
function lossLines({ totals, gaps }: Status, { red, green }: Pick<Colors, 'red' | 'green'>): string[] {
  const lost = (Object.keys(LOSSES) as (keyof typeof LOSSES)[]).filter((key) => totals[key] !== 0);
  if (lost.length === 0) return gaps.length === 0 ? [`losses    ${green('none')}`] : [];
  return lost.map((key, i) => {
    const count = `${key} ${totals[key].toLocaleString('en-US')}`;
    const head = (i === 0 ? 'losses' : '').padEnd(10);
    return `${head}${red(count)}: ${LOSSES[key]}`;
  });
}

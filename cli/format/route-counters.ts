import type { SnapshotRoute, SnapshotRule } from '../../daemon/routes/snapshot.ts';
import type { OtherUsage, RouteUsage, TableUsage, UseCounts } from '../route-use.ts';
import { printable } from './columns.ts';
import { counted, formatBytes } from './count.ts';
import type { TableNotes } from './tables.ts';
import { formatTime } from './time.ts';
import type { UseSort } from './use-sorts.ts';

/** How counters are printed. */
export interface CounterStyle {
  /** Columns of the terminal, or null for no limit. */
  width: number | null;
  /** The order of a table's routes; undefined: that of the kernel. */
  sort: UseSort | undefined;
  bold: (text: string) => string;
  dim: (text: string) => string;
}

const STAGES = ['output', 'forward', 'input'] as const;
/** Counters stand below each other in a table of at most so many routes, where lines are at most so long. */
const ALIGNED_MAX = 1000;
const COLUMN_MAX = 84;
/** Columns of a terminal that counters mostly need. */
const ROOM = 34;
const GAP = '  ';
/** Where a line and its counters are too long for the terminal, these stand below it, so far in. */
const BELOW = '      ';

/** Counters behind each line, as comments: "# 12 flows, 3.4 MB: forward 10 fwd 2 rev". */
export function counterNotes(usage: TableUsage, style: CounterStyle): TableNotes {
  return {
    *rules(rules, lines) {
      const column = columnOf(lines, style);
      for (const [i, rule] of rules.entries())
        yield* noted(lines[i]!, ruleNote(rule, usage), usage.ofRule(rule) !== undefined, column, style);
    },
    *routes(routes, line) {
      const column = routes.length > ALIGNED_MAX ? COLUMN_MAX : columnOf(routes.map(line), style);
      for (const route of sorted(routes, usage, style.sort)) {
        const used = usage.ofRoute(route);
        yield* noted(line(route), usageText(used), used !== undefined, column, style);
      }
    },
  };
}

/** What flows used that is not in the tables (any more), and what no route had a part in. Lines with their ends. */
export function* otherLines({ gone, other }: TableUsage, style: CounterStyle): Iterable<string> {
  yield* part('used, but not in the tables now', gone, style, ({ text, prefix, table }) => {
    const line = text ?? `${prefix} table ${table}`;
    return line.includes(' table ') || table === 'main' ? line : `${line} table ${table}`;
  });
  yield* part('without a route', other, style, ({ type, verdict, reason, gateway, dev }) => {
    const way = dev === null ? '' : ` ${gateway === null ? '' : `via ${gateway} `}dev ${dev}`;
    return `${type}${way}${verdict === 'drop' ? ' (drop)' : ''}${reason === null ? '' : `: ${reason}`}`;
  });
}

function* part(
  title: string,
  list: readonly OtherUsage[],
  style: CounterStyle,
  text: (decision: OtherUsage['decision']) => string,
): Iterable<string> {
  if (list.length === 0) return;
  yield `\n${style.bold(title)}\n`;
  const lines = list.map(({ decision }) => `  ${printable(text(decision))}`);
  const column = columnOf(lines, style);
  for (const [i, { usage }] of list.entries()) {
    const last = usage.lastNs === null ? '' : `; last ${formatTime(usage.lastNs).slice(0, 19)}Z`;
    for (const line of noted(lines[i]!, usageText(usage) + last, true, column, style)) yield `${line}\n`;
  }
}

function* noted(
  line: string,
  note: string,
  isUsed: boolean,
  column: number,
  { width, dim }: CounterStyle,
): Iterable<string> {
  const start = Math.max(visible(line), column);
  const text = `# ${note}`;
  const painted = isUsed ? text : dim(text);
  if (width === null || start + GAP.length + text.length <= width)
    yield line + ' '.repeat(start - visible(line)) + GAP + painted;
  else if (visible(line) + GAP.length + text.length <= width) yield line + GAP + painted;
  else yield* [line, BELOW + painted];
}

/** Where counters begin: behind the longest line that leaves most of them room. */
function columnOf(lines: readonly string[], { width }: CounterStyle): number {
  const most = width === null ? COLUMN_MAX : Math.min(COLUMN_MAX, width - ROOM);
  return Math.max(0, ...lines.map(visible).filter((length) => length <= most));
}

/** A rule has a tab behind its number, as `ip rule` prints it. */
function visible(line: string): number {
  const tab = line.indexOf('\t');
  return tab === -1 ? line.length : line.length + 7 - (tab % 8);
}

function ruleNote(rule: SnapshotRule, usage: TableUsage): string {
  const used = usage.ofRule(rule);
  return used === undefined ? '0 flows' : `${counted(used.flows, 'flow')}, ${formatBytes(used.bytes)}`;
}

function usageText(usage: RouteUsage | undefined): string {
  if (usage === undefined) return '0 flows';
  const stages = STAGES.filter((stage) => usage[stage].flows > 0);
  const parts = stages.length === 0 ? [directions(usage)] : stages.map((stage) => stageText(stage, usage));
  const left = usage.left === 0 ? '' : `; ${counted(usage.left, 'flow')} left it`;
  if (usage.flows === 0) return `0 flows${left}`;
  return `${counted(usage.flows, 'flow')}, ${formatBytes(usage.bytes)}: ${parts.join(', ')}${left}`;
}

/** One stage needs no number of its own, several have theirs. */
function stageText(stage: (typeof STAGES)[number], usage: RouteUsage): string {
  const isOnly = STAGES.every((other) => other === stage || usage[other].flows === 0);
  return isOnly ? `${stage} ${directions(usage)}` : `${stage} ${usage[stage].flows}`;
}

function directions({ fwd, rev }: RouteUsage): string {
  const words = (
    [
      ['fwd', fwd],
      ['rev', rev],
    ] as [string, UseCounts][]
  ).flatMap(([name, { flows }]) => (flows === 0 ? [] : [`${flows} ${name}`]));
  return words.join(' ');
}

function sorted(
  routes: readonly SnapshotRoute[],
  usage: TableUsage,
  sort: UseSort | undefined,
): Iterable<SnapshotRoute> {
  if (sort === undefined) return routes;
  // Most routes of a large table are not used: they need no comparing.
  const used = routes.filter((route) => usage.ofRoute(route) !== undefined);
  const count = (route: SnapshotRoute): number => usage.ofRoute(route)![sort];
  used.sort((a, b) => count(b) - count(a));
  return [...used, ...routes.filter((route) => usage.ofRoute(route) === undefined)];
}

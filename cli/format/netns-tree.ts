import { padding, textWidth } from './text-width.ts';
import type { ListedInterface, ListedNetns } from '../netns-list.ts';
import { printable } from './columns.ts';
import type { Glyphs } from './glyphs.ts';
import { infoWords, relationWords, stateOf } from './interface-words.ts';

type Paint = (text: string) => string;

/** How to print what is what. */
export interface TreeColors {
  bold: Paint;
  dim: Paint;
  green: Paint;
  red: Paint;
  yellow: Paint;
  cyan: Paint;
}

/** How a tree is printed. */
export interface TreeStyle {
  /** Columns of the terminal, or null for no limit: then an interface takes one line. */
  width: number | null;
  colors: TreeColors;
  glyphs: Glyphs;
}

/** An interface with what stands in front of it. */
interface Row {
  entry: ListedInterface;
  /** Before its name, and before what follows on lines of their own. */
  lead: string;
  below: string;
}

/** Programs and containers of a namespace that are named. */
const NAMED_MAX = 4;
/** Where less than so many columns are left beside name and state, what follows begins further to the left. */
const DETAIL_MIN = 30;
const GAP = '  ';

/** Namespaces for people: one after the other, its interfaces below it, and those below their bridge, bond or VRF. */
export function formatNetnsTree(list: readonly ListedNetns[], style: TreeStyle): string {
  const kindWidth = widest(list.flatMap(({ interfaces }) => interfaces.map(({ kind }) => kind ?? '')));
  const stateWidth = widest(list.flatMap(({ interfaces }) => interfaces.map(stateOf)));
  const lines: string[] = [];
  for (const netns of list) {
    lines.push(...titleLines(netns, style));
    const rows = rowsOf(netns, style.glyphs);
    const nameWidth = widest(rows.map(({ entry, lead }) => lead + printable(entry.name)));
    for (const row of rows)
      lines.push(...rowLines(row, netns, { name: nameWidth, kind: kindWidth, state: stateWidth }, style));
  }
  const legend = legendOf(list, style);
  if (legend !== null) lines.push('', legend);
  return `${lines.join('\n')}\n`;
}

/** Ports stand below their master. */
function rowsOf({ interfaces }: ListedNetns, glyphs: Glyphs): Row[] {
  const rows: Row[] = [];
  const names = new Set(interfaces.map(({ name }) => name));
  const shown = new Set<ListedInterface>();
  const put = (entries: readonly ListedInterface[], before: string): void => {
    for (const [i, entry] of entries.entries()) {
      if (shown.has(entry)) continue;
      shown.add(entry);
      const isLast = i === entries.length - 1;
      const ports = interfaces.filter(({ master, name }) => master === entry.name && name !== entry.name);
      const below = before + (isLast ? glyphs.blank : glyphs.trunk);
      rows.push({
        entry,
        lead: before + (isLast ? glyphs.lastBranch : glyphs.branch),
        below: below + (ports.length > 0 ? glyphs.trunk : glyphs.blank),
      });
      put(ports, below);
    }
  };
  put(
    interfaces.filter(({ master }) => master === null || !names.has(master)),
    '',
  );
  return rows;
}

function titleLines(netns: ListedNetns, { width, colors, glyphs }: TreeStyle): string[] {
  const { name, id, error, label, processes, containers, captured, reason } = netns;
  const title =
    label === null || label === name ? printable(name) : `${printable(name)}  ${printable(label)}`;
  const words = [colors.bold(title)];
  if (id !== null) words.push(colors.dim(`(${id})`));
  // A label names the only container, and the only program.
  const others = containers.filter((container) => container !== label);
  if (others.length > 0) words.push(some(others));
  if (processes > 0)
    words.push(`${processes === 1 ? '1 process' : `${processes} processes`}${programs(netns)}`);
  if (error !== null) words.push(colors.red(printable(shortReason(error))));
  if (captured === false && reason !== null)
    words.push(colors.dim(`${glyphs.notCaptured} ${printable(reason)}`));
  return wrap([], words, '', glyphs.trunk.trimEnd() + GAP, width);
}

/** The whole of it is in --json. */
function shortReason(error: string): string {
  return error.startsWith('setns ') && error.includes('EPERM') ? 'not entered: needs root' : error;
}

function programs({ programs: list, label }: ListedNetns): string {
  if (list.length === 0 || (list.length === 1 && label?.endsWith(`:${list[0]!.name}`) === true)) return '';
  return `: ${some(list.map(({ name, processes }) => (processes === 1 ? name : `${name} (${processes})`)))}`;
}

function some(names: readonly string[]): string {
  const more = names.length > NAMED_MAX ? ', …' : '';
  return printable(names.slice(0, NAMED_MAX).join(', ')) + more;
}

function rowLines(
  { entry, lead, below }: Row,
  netns: ListedNetns,
  widths: { name: number; kind: number; state: number },
  { width, colors, glyphs }: TreeStyle,
): string[] {
  const state = stateOf(entry);
  const paint = state === 'up' ? colors.green : state === 'down' ? colors.red : colors.yellow;
  const fixed = [
    pad(lead + printable(entry.name), widths.name),
    ...(entry.captured === null ? [] : [entry.captured ? colors.green(glyphs.captured) : glyphs.notCaptured]),
    ...(widths.kind === 0 ? [] : [pad(entry.kind ?? '', widths.kind)]),
    pad(state, widths.state, paint),
  ];
  const words = [
    ...infoWords(entry).map((text) => printable(text)),
    ...entry.addresses.map((text) => printable(text)),
    ...relationWords(entry, netns.name, glyphs).map((text) => colors.cyan(printable(text))),
  ];
  if (entry.captured === false && netns.captured === true && entry.reason !== null)
    words.push(colors.dim(printable(entry.reason)));
  const start = fixed.reduce((n, text) => n + textWidth(text) + GAP.length, 0);
  const isNarrow = width !== null && width - start < DETAIL_MIN;
  const indent = pad(below, isNarrow ? textWidth(below) + GAP.length : start);
  return wrap(fixed, words, GAP, indent, width);
}

/**
 * Fixed words, then others, as many as fit into a line.
 * @param indent of the lines after the first
 */
function wrap(
  fixed: readonly string[],
  words: readonly string[],
  gap: string,
  indent: string,
  width: number | null,
): string[] {
  const lines: string[] = [];
  let line = fixed.join(GAP);
  let isEmpty = line === '';
  for (const word of words) {
    const between = isEmpty ? '' : gap === '' ? GAP : line === fixed.join(GAP) ? gap : ' ';
    if (width === null || isEmpty || textWidth(line) + textWidth(between) + textWidth(word) <= width) {
      line += between + word;
      isEmpty = false;
      continue;
    }
    lines.push(line.trimEnd());
    line = indent + word;
  }
  return [...lines, line.trimEnd()];
}

function legendOf(list: readonly ListedNetns[], { glyphs, colors }: TreeStyle): string | null {
  if (list.every(({ captured }) => captured === null)) return null;
  return `${colors.green(glyphs.captured)} captured by the daemon  ${glyphs.notCaptured} not captured`;
}

function pad(text: string, width: number, paint: Paint = (same) => same): string {
  return paint(text) + padding(text, width);
}

function widest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, textWidth(text)), 0);
}

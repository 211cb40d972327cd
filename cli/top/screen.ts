import { printable } from '../format/columns.ts';
import { detailLines } from './details.ts';
import { headerLines } from './header.ts';
import { HELP } from './help.ts';
import { textWidth } from '../format/text-width.ts';
import { inColumns, type Look } from './look.ts';
import type { Editing, TopState } from './model.ts';
import { tableLines } from './table.ts';
import { COLUMNS_OF } from './view-columns.ts';

/** Smaller than that there is only a message. */
const LEAST_WIDTH = 40;
const LEAST_HEIGHT = 10;

/** Lines above the table with its head, and below it. */
const HEADER_LINES = 4;
const FOOTER_LINES = 2;
/** Names of details. */
const NAME_WIDTH = 14;

/** Rows of the table that fit on a screen. */
export function tableHeight(height: number): number {
  return Math.max(1, height - HEADER_LINES - 1 - FOOTER_LINES);
}

/**
 * The whole screen, as lines of at most `width` columns, exactly `height` of them. Pure: the same state gives the same screen.
 * @param nowMs milliseconds since the epoch
 */
export function screenLines(
  state: TopState,
  width: number,
  height: number,
  look: Look,
  nowMs: number,
): string[] {
  if (width < LEAST_WIDTH || height < LEAST_HEIGHT) return tooSmall(width, height);
  const header = headerLines(state, width, look, nowMs);
  const room = height - HEADER_LINES - FOOTER_LINES;
  const body = state.isHelp
    ? helpLines(width, look)
    : state.details === null
      ? bodyLines(state, width, look, nowMs)
      : detailBody(state.details, room, width, look, nowMs);
  const shown = body.slice(0, room);
  while (shown.length < room) shown.push('');
  return [...header, ...shown, ...footerLines(state, width, look)];
}

function tooSmall(width: number, height: number): string[] {
  const text = `nstap top needs ${LEAST_WIDTH} by ${LEAST_HEIGHT} (q: quit)`;
  const lines = [inColumns(text, Math.max(0, width), 'left', false).trimEnd()];
  while (lines.length < height) lines.push('');
  return lines.slice(0, Math.max(1, height));
}

function bodyLines(state: TopState, width: number, look: Look, nowMs: number): string[] {
  const { rows, offset, selected, view, ranking } = state;
  const shown = rows.slice(offset, offset + state.height);
  const lines = tableLines({
    columns: COLUMNS_OF[view],
    rows: shown,
    order: state.orders[view],
    cursor: selected - offset,
    fullRate: rows.reduce((most, row) => Math.max(most, row.values.rate), 0),
    width,
    look,
    nowS: nowMs / 1000,
  });
  if (rows.length === 0) lines.push('', emptyLine(state, width, look));
  else if (ranking !== null && ranking.intervalS === 0 && rows.length < state.height)
    lines.push(
      look.colors.dim(inColumns('  rates come in a second', width, 'left', look.isUnicode).trimEnd()),
    );
  return lines;
}

function emptyLine({ ranking, filter, gone }: TopState, width: number, { isUnicode }: Look): string {
  const text =
    ranking === null
      ? gone === null
        ? 'asking the daemon'
        : gone
      : filter.json === ''
        ? 'no flows'
        : 'no flow matches the filter';
  return inColumns(`  ${printable(text)}`, width, 'left', isUnicode).trimEnd();
}

function detailBody(
  { row, isThere, offset }: NonNullable<TopState['details']>,
  room: number,
  width: number,
  { colors, isUnicode }: Look,
  nowMs: number,
): string[] {
  const all = detailLines(row, nowMs / 1000, isUnicode).map(({ name, text, isTitle }) => {
    if (isTitle) return colors.bold(inColumns(printable(name), width, 'left', isUnicode).trimEnd());
    const whole = `  ${inColumns(name, NAME_WIDTH, 'left', isUnicode)}${printable(text)}`;
    return inColumns(whole, width, 'left', isUnicode).trimEnd();
  });
  if (!isThere)
    all.unshift(
      colors.yellow(inColumns('over, or no longer among the first', width, 'left', isUnicode).trimEnd()),
    );
  return all.slice(Math.min(offset, Math.max(0, all.length - room)));
}

function helpLines(width: number, { colors, isUnicode }: Look): string[] {
  return HELP.map(([keys, what]) =>
    what === ''
      ? colors.bold(inColumns(keys, width, 'left', isUnicode).trimEnd())
      : inColumns(`  ${keys.padEnd(18)}${what}`, width, 'left', isUnicode).trimEnd(),
  );
}

/** The line that is typed into and what is wrong with it, or the keys. */
function footerLines(state: TopState, width: number, look: Look): string[] {
  const { editing, rows, selected, ranking } = state;
  if (editing !== null) return [promptLine(editing, width, look), mistakeLine(editing, width, look)];
  const { colors, isUnicode } = look;
  const total = ranking?.rows ?? 0;
  const more = total > rows.length ? ` of ${total.toLocaleString('en-US')}` : '';
  const place = rows.length === 0 ? '' : `${selected + 1}/${rows.length.toLocaleString('en-US')}${more}`;
  const keys =
    state.details !== null || state.isHelp
      ? 'Esc back  q quit'
      : '/ filter  s sort  r reverse  Enter details  p pause  + - interval  ? help  q quit';
  const room = width - textWidth(place) - 2;
  return [
    '',
    colors.dim(inColumns(keys, Math.max(0, room), 'left', isUnicode) + (place === '' ? '' : `  ${place}`)),
  ];
}

const PROMPT = 'filter: ';

/** Scrolls so that the cursor is always seen. */
function promptLine({ text, cursor }: Editing, width: number, { colors }: Look): string {
  const room = Math.max(1, width - PROMPT.length - 1);
  const from = Math.max(0, cursor - room + 1);
  const shown = printable(text).slice(from, from + room);
  const at = cursor - from;
  const under = shown[at] ?? ' ';
  return `${colors.bold(PROMPT)}${shown.slice(0, at)}${colors.inverse(under)}${shown.slice(at + 1)}`;
}

function mistakeLine({ mistake }: Editing, width: number, { colors, isUnicode }: Look): string {
  if (mistake === null)
    return colors.dim(inColumns('Enter keeps it, Esc shows all flows', width, 'left', isUnicode).trimEnd());
  const place = mistake.at === null ? '' : `at ${mistake.at + 1}: `;
  return colors.red(inColumns(`${place}${printable(mistake.message)}`, width, 'left', isUnicode).trimEnd());
}

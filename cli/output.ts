import { setImmediate as turn } from 'node:timers/promises';
import pc from 'picocolors';
import { type CellStyle, type Column, formatColumns } from './format/columns.ts';
import { csvLine } from './format/csv.ts';
import type { RowFormat } from './row-formats.ts';
import { colorChoice } from './terminal-options.ts';

/** Text is handed on in pieces of about this many characters. */
const PIECE = 65_536;

/** Takes a piece of text; resolves when there is room for more. */
export type Write = (text: string) => Promise<void>;

/**
 * Writes lines to stdout. It waits for each piece to be taken, so a slow reader makes the query slow, not the memory
 * large, and a reader that has gone (EPIPE) ends the program before the rest is made.
 * @param lines with their line ends
 * @param write where to instead; see pageLines
 */
export async function writeLines(lines: Iterable<string>, write: Write = toStdout): Promise<void> {
  let piece = '';
  for (const line of lines) {
    piece += line;
    if (piece.length < PIECE) continue;
    await write(piece);
    // A terminal takes it synchronously: without a turn of the event loop no Ctrl-C would be heard.
    await turn();
    piece = '';
  }
  if (piece !== '') await write(piece);
}

function toStdout(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * Colours for stdout: on a terminal, unless NO_COLOR (https://no-color.org) is set or the terminal is dumb; `--color` and
 * `--no-color` come before both.
 * Made here because picocolors' own choice is colour in any pipe where CI is set.
 */
export function stdoutColors(): ReturnType<typeof pc.createColors> {
  const choice = colorChoice();
  const isPlain = process.env.NO_COLOR || process.env.TERM === 'dumb';
  return pc.createColors(
    choice === 'always' || (choice === 'auto' && process.stdout.isTTY === true && !isPlain),
  );
}

/** Prints cells by their style. Yellow and blue are left out: one cannot be read on a light ground, the other on a dark one. */
function cellPainter(): (style: CellStyle, cell: string) => string {
  const { green, red, magenta, dim } = stdoutColors();
  const paints: Record<CellStyle, (text: string) => string> = {
    good: green,
    bad: red,
    odd: magenta,
    faint: dim,
  };
  return (style, cell) => paints[style](cell);
}

/** Columns of the terminal that stdout is, or null when it is none, or does not say (script(1) makes such). */
export function terminalWidth(): number | null {
  return process.stdout.isTTY ? process.stdout.columns || null : null;
}

/** Size of a terminal that does not know its own. */
const WIDTH = 80;
const HEIGHT = 24;

/** Size of the terminal that stdout is, or null when it is none. */
export function terminalSize(): { columns: number; rows: number } | null {
  const { isTTY, columns, rows } = process.stdout;
  return isTTY ? { columns: columns || WIDTH, rows: rows || HEIGHT } : null;
}

/** How rows of one kind are shown in each format. */
export interface RowView<T> {
  /** Of the table; made of the rows that it has, where that matters. */
  columns: readonly Column<T>[] | ((rows: readonly T[]) => readonly Column<T>[]);
  /** Nothing is left out or cut, whatever the terminal. */
  isWide?: boolean;
  /** More lines below a row of the table. */
  below?(row: T): readonly string[];
  json(row: T): unknown;
  csvKeys: readonly string[];
  /** In the order of csvKeys. */
  csvValues(row: T): unknown[];
}

/** Rows as lines with their ends; all formats but `table` take them one by one. */
export function* rowLines<T>(rows: Iterable<T>, view: RowView<T>, format: RowFormat): Iterable<string> {
  switch (format) {
    case 'table': {
      const width = view.isWide ? null : terminalWidth();
      const { bold } = stdoutColors();
      const all = [...rows];
      const columns = typeof view.columns === 'function' ? view.columns(all) : view.columns;
      yield* tableLines(formatColumns(columns, all, width, bold, view.below, undefined, cellPainter()));
      return;
    }
    case 'ndjson':
      for (const row of rows) yield `${JSON.stringify(view.json(row))}\n`;
      return;
    case 'csv':
      yield `${csvLine(view.csvKeys)}\n`;
      for (const row of rows) yield `${csvLine(view.csvValues(row))}\n`;
      return;
    case 'json': {
      let before = '[';
      for (const row of rows) {
        yield `${before}\n${JSON.stringify(view.json(row))}`;
        before = ',';
      }
      yield before === '[' ? '[]\n' : '\n]\n';
    }
  }
}

function* tableLines(text: string): Iterable<string> {
  for (const line of text.trimEnd().split('\n')) yield `${line}\n`;
}

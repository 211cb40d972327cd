import { setImmediate as turn } from 'node:timers/promises';
import pc from 'picocolors';
import { type Column, formatColumns } from './format/columns.ts';
import { csvLine } from './format/csv.ts';

/** Text is handed to stdout in pieces of about this many characters. */
const PIECE = 65_536;

/**
 * Writes lines to stdout. It waits for each piece to be taken, so a slow reader makes the query slow, not the memory
 * large, and a reader that has gone (EPIPE) ends the program before the rest is made.
 * @param lines with their line ends
 */
export async function writeLines(lines: Iterable<string>): Promise<void> {
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

function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * Colours for stdout: none in a pipe or file, with NO_COLOR (https://no-color.org), `--no-color` or a dumb terminal.
 * Made here because picocolors' own choice is colour in any pipe where CI is set.
 */
export function stdoutColors(): ReturnType<typeof pc.createColors> {
  const isPlain = process.env.NO_COLOR || process.env.TERM === 'dumb' || process.argv.includes('--no-color');
  return pc.createColors(process.stdout.isTTY === true && !isPlain);
}

/** Columns of the terminal that stdout is, or null when it is none, or does not say (script(1) makes such). */
export function terminalWidth(): number | null {
  return process.stdout.isTTY ? process.stdout.columns || null : null;
}

/** What `--format` takes. */
export const ROW_FORMATS = ['table', 'json', 'ndjson', 'csv'] as const;
export type RowFormat = (typeof ROW_FORMATS)[number];

/** How rows of one kind are shown in each format. */
export interface RowView<T> {
  columns: readonly Column<T>[];
  /** More lines below a row of the table. */
  below?(row: T): readonly string[];
  json(row: T): unknown;
  csvKeys: readonly string[];
  /** In the order of csvKeys. */
  csvValues(row: T): unknown[];
}

/** Prints rows to stdout; all formats but `table` take them one by one. */
export async function printRows<T>(rows: Iterable<T>, view: RowView<T>, format: RowFormat): Promise<void> {
  await writeLines(formatted(rows, view, format));
}

function* formatted<T>(rows: Iterable<T>, view: RowView<T>, format: RowFormat): Iterable<string> {
  switch (format) {
    case 'table':
      yield formatColumns(view.columns, [...rows], terminalWidth(), stdoutColors().bold, view.below);
      return;
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

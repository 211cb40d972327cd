import { type Column, formatColumns, printable } from '../format/columns.ts';
import { csvLine } from '../format/csv.ts';
import type { Cell } from './messages.ts';

/** How rows are written one by one, in lines with their ends. */
export interface RowText {
  head: string[];
  row(cells: Cell[]): string;
  foot(): string[];
}

/** Names of columns, of which no two are the same: a second `count` is `count:1`, as in a view of SQLite. */
export function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let unique = name;
    for (let n = 1; taken.has(unique); n++) unique = `${name}:${n}`;
    taken.add(unique);
    return unique;
  });
}

/** RFC 4180 with a line of names; NULL is empty, octets are hexadecimal. */
export function csvText(names: readonly string[]): RowText {
  return {
    head: [`${csvLine(names)}\n`],
    row: (cells) => `${csvLine(cells.map((cell) => (cell instanceof Uint8Array ? hex(cell) : cell)))}\n`,
    foot: () => [],
  };
}

/** One object a line. */
export function ndjsonText(names: readonly string[]): RowText {
  const object = objectText(names);
  return { head: [], row: (cells) => `${object(cells)}\n`, foot: () => [] };
}

/** One list of objects. */
export function jsonText(names: readonly string[]): RowText {
  const object = objectText(names);
  let before = '[';
  return {
    head: [],
    row: (cells) => {
      const line = `${before}\n${object(cells)}`;
      before = ',';
      return line;
    },
    foot: () => [before === '[' ? '[]\n' : '\n]\n'],
  };
}

function objectText(names: readonly string[]): (cells: Cell[]) => string {
  const keys = names.map((name) => `${JSON.stringify(name)}:`);
  return (cells) => `{${cells.map((cell, i) => keys[i]! + jsonValue(cell)).join(',')}}`;
}

/** An integer keeps all its digits, also above 2^53. */
function jsonValue(cell: Cell): string {
  if (typeof cell === 'bigint') return String(cell);
  if (cell instanceof Uint8Array) return `"${hex(cell)}"`;
  // JSON has no infinity, which SQLite has; a number too large for a double is read as one everywhere.
  if (cell === Number.POSITIVE_INFINITY) return '1e999';
  if (cell === Number.NEGATIVE_INFINITY) return '-1e999';
  return JSON.stringify(cell);
}

/**
 * A table, or, when that is wider than the terminal, each row as lines of name and value.
 * @param width of the terminal; null: no limit
 * @param bold  how to print titles
 */
export function* tableText(
  names: readonly string[],
  rows: readonly Cell[][],
  width: number | null,
  bold: (text: string) => string,
): Iterable<string> {
  const columns = names.map(
    (title, i): Column<Cell[]> => ({
      title,
      align: rows.length > 0 && rows.every((row) => isNumber(row[i]!)) ? 'right' : 'left',
      dropOrder: 0,
      text: (row) => cellText(row[i]!),
    }),
  );
  const text = formatColumns(columns, rows, null, bold);
  const head = formatColumns(columns, rows, null, (line) => line).split('\n', 1)[0]!;
  if (width === null || rows.length === 0 || fits(text, head, width)) {
    yield text;
    return;
  }
  const longest = Math.max(...names.map((name) => name.length));
  for (const [n, row] of rows.entries()) {
    yield `${bold(`row ${n + 1}`)}\n`;
    for (const [i, name] of names.entries())
      yield `  ${printable(name).padEnd(longest)}  ${printable(cellText(row[i]!))}\n`;
  }
}

function fits(text: string, head: string, width: number): boolean {
  const [, ...lines] = text.split('\n');
  return head.length <= width && lines.every((line) => line.length <= width);
}

function isNumber(cell: Cell): boolean {
  return cell === null || typeof cell === 'bigint' || typeof cell === 'number';
}

function cellText(cell: Cell): string {
  if (cell === null) return 'NULL';
  return cell instanceof Uint8Array ? hex(cell) : String(cell);
}

function hex(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('hex');
}

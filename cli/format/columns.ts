import { printable } from './printable.ts';
import { cutEnd, padding, textWidth } from './text-width.ts';

export { printable };

/** What a cell's colour says; each has one that reads on a dark and on a light ground. */
export type CellStyle = 'good' | 'bad' | 'odd' | 'faint';

/** A column of a text table. */
export interface Column<T> {
  title: string;
  align: 'left' | 'right';
  /** Columns with the highest number go first when the terminal is too narrow; 0 always stays. */
  dropOrder: number;
  /** What a cell says when it has nothing to say: a column of nothing else goes before all others. */
  blank?: string;
  text(row: T): string;
  /** Says nearly as much in less room; taken before any cell is cut. */
  narrow?(row: T): string;
  /** Cells are cut down to this width before a column goes. */
  min?: number;
  /** Cuts a cell to a width; the end goes unless this says otherwise. */
  cut?(cell: string, width: number): string;
  /** True for a cell that must not be overlooked. */
  isMarked?(row: T): boolean;
  style?(row: T): CellStyle | null;
}

const GAP = '  ';
/** Lines below a row stand this far in. */
const INDENT = '    ';
/** The last column is cut to the terminal's edge while at least so much of it remains … */
const LAST_MIN = 20;
/** … but only when of the others those are left that matter as much: up to this drop order. */
const CUT_FROM = 2;

/** A column with its cells, and the width that it is given. */
interface Laid<T> {
  column: Column<T>;
  cells: string[];
  width: number;
  min: number;
}

/**
 * Rows as padded columns, so that a line stays a line for grep and awk. No line is wider than `width`: where all does not fit,
 * columns that say nothing go; then cells take their narrow form, and are cut down to the least width of their column; then
 * the column with the highest drop order goes, and so on.
 * @param width columns of the terminal, or null for no limit: then nothing is left out or cut
 * @param head  how to print the titles, for colour
 * @param below more lines on a row, which stand below it and have no part in the columns
 * @param mark  how to print marked cells, for colour
 * @param paint how to print a cell that has a style
 */
export function formatColumns<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  width: number | null,
  head: (line: string) => string,
  below?: (row: T) => readonly string[],
  mark: (cell: string) => string = (cell) => cell,
  paint: (style: CellStyle, cell: string) => string = (_style, cell) => cell,
): string {
  const shown =
    width === null ? columns.map((column) => laid(column, rows, false)) : fitted(columns, rows, width);
  const line = (cell: (laid: Laid<T>) => string, row: T | null): string =>
    shown
      .map((each) => {
        const { column } = each;
        const whole = cell(each);
        const text =
          row === null || column.cut === undefined
            ? cutEnd(whole, each.width)
            : column.cut(whole, each.width);
        const blanks = padding(text, each.width);
        const styled = row === null ? text : painted(column, row, text, mark, paint);
        return column.align === 'right' ? blanks + styled : styled + blanks;
      })
      .join(GAP)
      .trimEnd();
  const lines = [head(line(({ column }) => column.title, null))];
  for (let i = 0; i < rows.length; i++) {
    lines.push(line(({ cells }) => cells[i]!, rows[i]!));
    for (const text of below?.(rows[i]!) ?? []) {
      const whole = INDENT + printable(text);
      lines.push(width === null ? whole : cutEnd(whole, width));
    }
  }
  return `${lines.join('\n')}\n`;
}

function painted<T>(
  column: Column<T>,
  row: T,
  text: string,
  mark: (cell: string) => string,
  paint: (style: CellStyle, cell: string) => string,
): string {
  if (column.isMarked?.(row) === true) return mark(text);
  const style = column.style?.(row) ?? null;
  return style === null ? text : paint(style, text);
}

function laid<T>(column: Column<T>, rows: readonly T[], isNarrow: boolean): Laid<T> {
  const text = (row: T): string =>
    isNarrow ? (column.narrow ?? column.text).call(column, row) : column.text(row);
  const cells = rows.map((row) => printable(text(row)));
  let width = textWidth(column.title);
  for (const cell of cells) width = Math.max(width, textWidth(cell));
  return { column, cells, width, min: Math.min(width, column.min ?? width) };
}

function totalWidth<T>(all: readonly Laid<T>[]): number {
  return all.reduce((sum, { width }) => sum + width + GAP.length, -GAP.length);
}

function fitted<T>(columns: readonly Column<T>[], rows: readonly T[], width: number): Laid<T>[] {
  let wide = columns.map((column) => laid(column, rows, false));
  let narrow: Laid<T>[] | null = null;
  while (totalWidth(wide) > width) {
    const says = wide.filter(
      ({ column: { blank }, cells }) => cells.length === 0 || cells.some((cell) => cell !== blank),
    );
    if (says.length < wide.length && says.length > 0) {
      wide = says;
      continue;
    }
    narrow ??= columns.map((column) =>
      column.narrow === undefined ? laid(column, rows, false) : laid(column, rows, true),
    );
    const tried = narrow
      .filter(({ column }) => wide.some((each) => each.column === column))
      .map((each) => ({ ...each }));
    if (shrink(tried, width)) return tried;
    const worst = Math.max(...wide.map(({ column: { dropOrder } }) => dropOrder));
    const last = tried.at(-1)!;
    const kept = last.width - (totalWidth(tried) - width);
    if (worst <= CUT_FROM && kept >= LAST_MIN && last.column.min === undefined) {
      last.width = kept;
      return tried;
    }
    if (worst === 0) return squeezed(tried, width);
    wide = wide.filter(({ column: { dropOrder } }) => dropOrder !== worst);
  }
  return wide;
}

/** Takes columns from the widest on down to their least width. @returns whether they fit then */
function shrink<T>(all: readonly Laid<T>[], width: number): boolean {
  let over = totalWidth(all) - width;
  while (over > 0) {
    const widest = all.filter((each) => each.width > each.min).sort((a, b) => b.width - a.width)[0];
    if (widest === undefined) return false;
    widest.width--;
    over--;
  }
  return true;
}

/** What must stay, in a terminal that is too narrow for it: cut, and from the last one on left out. */
function squeezed<T>(all: readonly Laid<T>[], width: number): Laid<T>[] {
  const kept = all.slice(0, Math.max(1, Math.floor((width + GAP.length) / (1 + GAP.length))));
  for (const each of kept) each.min = 1;
  shrink(kept, width);
  return kept;
}

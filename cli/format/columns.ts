/** A column of a text table. */
export interface Column<T> {
  title: string;
  align: 'left' | 'right';
  /** Columns with the highest number go first when the terminal is too narrow; 0 always stays. */
  dropOrder: number;
  /** What a cell says when it has nothing to say: a column of nothing else goes before all others. */
  blank?: string;
  text(row: T): string;
}

const GAP = '  ';
/** Lines below a row stand this far in. */
const INDENT = '    ';
/** The last column is cut to the terminal's edge while at least so much of it remains … */
const LAST_MIN = 20;
/** … but only when of the others those are left that matter as much: up to this drop order. */
const CUT_FROM = 2;

/**
 * Rows as padded columns, so that a line stays a line for grep and awk.
 * @param width columns of the terminal, or null for no limit: then nothing is left out or cut
 * @param head  how to print the titles, for colour
 * @param below more lines on a row, which stand below it and have no part in the columns
 */
export function formatColumns<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  width: number | null,
  head: (line: string) => string,
  below?: (row: T) => readonly string[],
): string {
  const cells = columns.map((column) => ({
    ...column,
    cells: rows.map((row) => printable(column.text(row))),
  }));
  let shown = cells.map((column) => ({
    ...column,
    width: Math.max(column.title.length, ...column.cells.map((cell) => cell.length)),
  }));
  const total = (): number => shown.reduce((n, column) => n + column.width + GAP.length, -GAP.length);
  while (width !== null && total() > width) {
    const empty = shown.find(({ blank, cells: column }) => column.every((cell) => cell === blank));
    if (empty !== undefined) {
      shown = shown.filter((column) => column !== empty);
      continue;
    }
    const worst = Math.max(...shown.map(({ dropOrder }) => dropOrder));
    const last = shown.at(-1)!;
    const kept = last.width - (total() - width);
    if (worst <= CUT_FROM && kept >= LAST_MIN) {
      last.width = kept;
      break;
    }
    if (worst === 0) break;
    shown = shown.filter(({ dropOrder }) => dropOrder !== worst);
  }
  const line = (cell: (column: (typeof shown)[number]) => string): string =>
    shown
      .map((column) => {
        const text = cut(cell(column), column.width);
        return column.align === 'right' ? text.padStart(column.width) : text.padEnd(column.width);
      })
      .join(GAP)
      .trimEnd();
  const lines = [head(line(({ title }) => title))];
  for (let i = 0; i < rows.length; i++) {
    lines.push(line(({ cells: column }) => column[i]!));
    for (const text of below?.(rows[i]!) ?? []) {
      const whole = INDENT + printable(text);
      lines.push(width === null ? whole : cut(whole, width));
    }
  }
  return `${lines.join('\n')}\n`;
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** Names come from whoever made the namespace or interface: no escape sequence of theirs may reach the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** A column of a text table. */
export interface Column<T> {
  title: string;
  align: 'left' | 'right';
  /** Columns with the highest number go first when the terminal is too narrow; 0 always stays. */
  dropOrder: number;
  /** What a cell says when it has nothing to say: a column of nothing else goes before all others. */
  blank?: string;
  text(row: T): string;
  /** True for a cell that must not be overlooked. */
  isMarked?(row: T): boolean;
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
 * @param mark  how to print marked cells, for colour
 */
export function formatColumns<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  width: number | null,
  head: (line: string) => string,
  below?: (row: T) => readonly string[],
  mark: (cell: string) => string = (cell) => cell,
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
  const line = (cell: (column: (typeof shown)[number]) => string, row: T | null): string =>
    shown
      .map((column) => {
        const text = cut(cell(column), column.width);
        const blanks = ' '.repeat(column.width - text.length);
        const marked = row !== null && column.isMarked?.(row) === true ? mark(text) : text;
        return column.align === 'right' ? blanks + marked : marked + blanks;
      })
      .join(GAP)
      .trimEnd();
  const lines = [head(line(({ title }) => title, null))];
  for (let i = 0; i < rows.length; i++) {
    lines.push(line(({ cells: column }) => column[i]!, rows[i]!));
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

/**
 * Names come from whoever made the namespace or interface: no escape sequence of theirs may reach the terminal.
 * @param kept a control character that is the text's own
 */
export function printable(text: string, kept = ''): string {
  return text.replace(/\p{Cc}/gu, (c) =>
    c === kept ? c : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

import { printable } from '../format/columns.ts';
import { textWidth } from '../format/text-width.ts';
import { inColumns, type Look, verdictColor } from './look.ts';
import type { Order } from './model.ts';
import { shareBar } from './quantities.ts';
import type { TopRow } from './rows.ts';
import type { CellContext, TopColumn } from './view-columns.ts';

const GAP = 2;
/** The row at the cursor has it in front. */
const CURSOR = '>';
/** What stands in front of each row. */
const MARGIN = 2;
/** Texts are cut to that before numbers are. */
const TEXT_MIN = 12;
/** Bars beyond that say no more. */
const BAR_MAX = 24;

interface Fitted {
  column: TopColumn;
  width: number;
  cells: string[];
}

export interface TableOptions {
  columns: readonly TopColumn[];
  rows: readonly TopRow[];
  order: Order;
  /** Place of the row at the cursor among `rows`; -1: none. */
  cursor: number;
  /** The rate that a full bar stands for. */
  fullRate: number;
  width: number;
  look: Look;
  nowS: number;
}

/** The head and the rows of a table, each in exactly `width` columns. */
export function tableLines(options: TableOptions): string[] {
  const { columns, rows, order, cursor, fullRate, width, look } = options;
  const { colors, isUnicode } = look;
  const context: CellContext = { nowS: options.nowS, isUnicode };
  const fitted = fitColumns(columns, rows, order, context, width - MARGIN);
  const line = (margin: string, cell: (each: Fitted) => string): string =>
    margin + fitted.map(cell).join(' '.repeat(GAP));
  const pad = (own: number): string => ' '.repeat(Math.max(0, width - own));
  const used = MARGIN + fitted.reduce((sum, each) => sum + each.width + GAP, -GAP);
  const head = line(' '.repeat(MARGIN), ({ column, width: own }) =>
    inColumns(titleOf(column, order, isUnicode), own, column.align, isUnicode),
  );
  const lines = [colors.bold(head + pad(used))];
  for (const [i, row] of rows.entries()) {
    const isAtCursor = i === cursor;
    const paint = verdictColor(colors, row.verdict);
    const text = line(
      isAtCursor ? CURSOR.padEnd(MARGIN) : ' '.repeat(MARGIN),
      ({ column, width: own, cells }) => {
        if (column.isBar) {
          const bar = shareBar(fullRate > 0 ? row.values.rate / fullRate : 0, own, isUnicode);
          return isAtCursor ? bar : paint(bar);
        }
        const cell = inColumns(cells[i]!, own, column.align, isUnicode);
        if (isAtCursor) return cell;
        return isOfVerdict(column) ? paint(cell) : cell;
      },
    );
    const whole = text + pad(used);
    lines.push(isAtCursor ? colors.inverse(whole) : isNamespace(row) ? colors.bold(whole) : whole);
  }
  return lines;
}

function titleOf(column: TopColumn, order: Order, isUnicode: boolean): string {
  if (column.sort !== order.sort || column.sort === null) return column.title;
  const mark = isUnicode ? (order.isAscending ? '▲' : '▼') : order.isAscending ? '^' : 'v';
  return `${column.title}${mark}`;
}

function isOfVerdict({ title }: TopColumn): boolean {
  return title === 'ROUTE' || title === 'VERDICT';
}

function isNamespace(row: TopRow): boolean {
  return row.kind === 'place' && row.interface === '';
}

/**
 * Leaves out what matters least until the rest fits; then gives what is left to the bar and the elastic columns. The column that
 * rows are ranked by stays as long as any but those that always do.
 */
function fitColumns(
  columns: readonly TopColumn[],
  rows: readonly TopRow[],
  order: Order,
  context: CellContext,
  width: number,
): Fitted[] {
  let shown = columns.map((column): Fitted => {
    const cells = column.isBar ? [] : rows.map((row) => printable(column.text(row, context)));
    const title = titleOf(column, order, context.isUnicode);
    const widest = cells.reduce((most, cell) => Math.max(most, textWidth(cell)), textWidth(title));
    return { column, cells, width: column.isElastic ? widest : Math.max(widest, column.least) };
  });
  const dropOrder = ({ column }: Fitted): number =>
    column.sort === order.sort && column.dropOrder > 0 ? 1 : column.dropOrder;
  const least = ({ column, width: own }: Fitted): number =>
    column.isElastic ? Math.min(own, column.least) : own;
  const total = (of: (each: Fitted) => number): number =>
    shown.reduce((sum, each) => sum + of(each) + GAP, -GAP);
  while (total(least) > width) {
    const worst = Math.max(...shown.map(dropOrder));
    if (worst === 0) break;
    shown = shown.filter((each) => dropOrder(each) !== worst);
  }
  let spare = width - total(({ width: own }) => own);
  /** Takes what is missing from columns, the last one first. */
  const cut = (isMeant: (each: Fitted) => boolean, until: (each: Fitted) => number): void => {
    for (const each of shown.toReversed()) {
      if (spare >= 0 || !isMeant(each)) continue;
      const taken = Math.min(-spare, Math.max(0, each.width - until(each)));
      each.width -= taken;
      spare += taken;
    }
  };
  cut(({ column }) => column.isElastic === true, least);
  cut(
    ({ column }) => column.isElastic === true,
    () => TEXT_MIN,
  );
  cut(
    () => true,
    () => 1,
  );
  const bar = shown.find(({ column }) => column.isBar);
  // Room in advance, so that columns do not move with every longer text.
  for (const each of shown) {
    if (spare <= 0 || each.column.isElastic !== true) continue;
    const given = Math.min(spare, Math.max(0, each.column.least - each.width));
    each.width += given;
    spare -= given;
  }
  if (bar !== undefined && spare > 0) bar.width += Math.min(spare, BAR_MAX - bar.width);
  return shown;
}

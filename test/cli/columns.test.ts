import { describe, expect, test } from 'vitest';
import { type Column, formatColumns } from '../../cli/format/columns.ts';

interface Row {
  time: string;
  flow: string;
  place: string;
  route: string;
}

const COLUMNS: Column<Row>[] = [
  { title: 'TIME', align: 'left', dropOrder: 5, text: (row) => row.time },
  { title: 'FLOW', align: 'left', dropOrder: 0, text: (row) => row.flow },
  { title: 'PLACE', align: 'left', dropOrder: 2, blank: '-', text: (row) => row.place },
  { title: 'ROUTE', align: 'left', dropOrder: 1, text: (row) => row.route },
];
const ROW: Row = {
  time: '10:00:00',
  flow: '10.0.0.1 -> 10.0.0.2',
  place: 'blue/eth0',
  route: 'default via 10.0.0.254 dev eth0',
};

const heads = (rows: Row[], width: number | null): string =>
  formatColumns(COLUMNS, rows, width, (line) => line)
    .split('\n')[0]!
    .replace(/ +/g, ' ');

describe('columns that fit the terminal', () => {
  test('all of them where there is no limit', () => {
    expect(heads([ROW], null)).toBe('TIME FLOW PLACE ROUTE');
  });

  test('what matters least goes before the last column is cut', () => {
    expect(heads([ROW], 66)).toBe('FLOW PLACE ROUTE');
    expect(formatColumns(COLUMNS, [ROW], 66, (line) => line)).toContain(ROW.route);
  });

  test('then the last column is cut, and only then the next one goes', () => {
    expect(formatColumns(COLUMNS, [ROW], 60, (line) => line)).toContain(
      'blue/eth0  default via 10.0.0.254 dev…',
    );
    expect(heads([ROW], 50)).toBe('FLOW ROUTE');
  });

  test('a column that says nothing goes first', () => {
    expect(heads([{ ...ROW, place: '-' }], 66)).toBe('TIME FLOW ROUTE');
  });

  test('no line is wider than the terminal', () => {
    for (let width = 44; width < 90; width++) {
      const lines = formatColumns(COLUMNS, [ROW, { ...ROW, place: '-' }], width, (line) => line)
        .trimEnd()
        .split('\n');
      for (const line of lines) expect(line.length, `${width}`).toBeLessThanOrEqual(width);
    }
  });

  test('lines below a row stand alone: they move no column, and are cut like any other', () => {
    const below = (): string[] => [`${'x'.repeat(70)}\u001b`, 'short'];
    const print = (width: number | null, more?: () => string[]): string[] =>
      formatColumns(COLUMNS, [ROW, ROW], width, (line) => line, more)
        .trimEnd()
        .split('\n');
    const plain = print(60);
    const [head, row, long, short, ...rest] = print(60, below);
    expect([head, row]).toEqual([plain[0], plain[1]]);
    expect([long, short]).toEqual([`    ${'x'.repeat(55)}…`, '    short']);
    expect(rest).toEqual([row, long, short]);
    expect(print(null, below)[2]).toBe(`    ${'x'.repeat(70)}\\x1b`);
  });
});

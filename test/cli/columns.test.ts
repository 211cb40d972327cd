import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, test } from 'vitest';
import { type Column, formatColumns } from '../../cli/format/columns.ts';
import { cutEnd, cutMiddle } from '../../cli/format/text-width.ts';
import { cutFlow, cutPlace } from '../../cli/format/flow-text.ts';

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

describe('cells that may be shortened', () => {
  const columns: Column<Row>[] = [
    {
      title: 'TIME',
      align: 'left',
      dropOrder: 5,
      text: (row) => row.time,
      narrow: (row) => row.time.slice(0, 5),
    },
    { title: 'FLOW', align: 'left', dropOrder: 0, text: (row) => row.flow },
    { title: 'PLACE', align: 'left', dropOrder: 2, text: (row) => row.place, min: 6, cut: cutMiddle },
    { title: 'ROUTE', align: 'left', dropOrder: 1, text: (row) => row.route, min: 12 },
  ];
  const print = (row: Row, width: number): string[] =>
    formatColumns(columns, [row], width, (line) => line)
      .trimEnd()
      .split('\n');

  test('take their narrow form, then less room, and only then a column goes', () => {
    expect(print(ROW, 73)[1]).toBe('10:00  10.0.0.1 -> 10.0.0.2  blue/eth0  default via 10.0.0.254 dev eth0');
    expect(print(ROW, 60)[1]).toBe('10:00  10.0.0.1 -> 10.0.0.2  blue/eth0  default via 10.0.0.…');
    expect(print(ROW, 49)[1]).toBe('10:00  10.0.0.1 -> 10.0.0.2  blu…h0  default via…');
    expect(print(ROW, 46)[0]!.replace(/ +/g, ' ')).toBe('FLOW PLACE ROUTE');
  });

  test('of wide characters are counted as a terminal shows them', () => {
    const wide = { ...ROW, place: '東京の名前空間/eth0', flow: 'e\u0301 -> 👩‍👩‍👧' };
    for (let width = 3; width < 90; width++)
      for (const line of print(wide, width))
        expect(stringWidth(line), String(width)).toBeLessThanOrEqual(width);
    const [head, row] = print(wide, 90);
    expect(stringWidth(row!.slice(0, row!.indexOf('default')))).toBe(head!.indexOf('ROUTE'));
  });

  test('are never wider than the terminal, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ time: text(), flow: text(), place: text(), route: text() }), { maxLength: 5 }),
        fc.integer({ min: 1, max: 120 }),
        (rows, width) => {
          for (const all of [columns, COLUMNS])
            for (const line of formatColumns(all, rows, width, (head) => head)
              .trimEnd()
              .split('\n'))
              expect(stringWidth(line)).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});

function text(): fc.Arbitrary<string> {
  return fc.string({ unit: 'grapheme', maxLength: 60, size: 'max' });
}

describe('what is cut', () => {
  test.each([
    [cutEnd, 'abcdef', 4, 'abc…'],
    [cutEnd, 'abcd', 4, 'abcd'],
    [cutEnd, '東京都', 4, '東…'],
    [cutMiddle, 'abcdefgh', 5, 'ab…gh'],
    [cutMiddle, 'abcdefgh', 4, 'ab…h'],
    [cutMiddle, '東京都庁', 5, '東…庁'],
    [cutMiddle, 'ab', 1, '…'],
    [cutFlow, '10.0.0.1:40000 -> 10.0.0.2:80', 29, '10.0.0.1:40000 -> 10.0.0.2:80'],
    [cutFlow, '10.0.0.1:40000 -> 10.0.0.2:80', 25, '10.….1:40000 -> 10.….2:80'],
    [cutFlow, '[2001:db8::1]:443 -> [fe80::2]:9', 28, '[200…::1]:443 -> [fe80::2]:9'],
    [cutFlow, '2001:db8::1 -> ff02::2 type 133', 28, '2001…8::1 -> ff…:2 type 133'.slice(0, 0)],
    [cutPlace, 'a-long-namespace/eth0', 12, 'a-l…ace/eth0'],
    [cutPlace, 'a-long-namespace/a-long-interface', 12, 'a-long…rface'],
  ])('%o of %s to %i is %s', (cut, whole, width, expected) => {
    const short = cut(whole, width);
    expect(stringWidth(short)).toBeLessThanOrEqual(width);
    if (expected !== '') expect(short).toBe(expected);
  });
});

import { afterEach, describe, expect, test } from 'vitest';
import { type Column, formatColumns } from '../../cli/format/columns.ts';
import { formatCount } from '../../cli/format/count.ts';
import { csvLine } from '../../cli/format/csv.ts';
import { formatSeconds, formatTime } from '../../cli/format/time.ts';
import { parseTime } from '../../cli/time-argument.ts';
import { parseCount, parseDuration } from '../../daemon/options/units.ts';
import { protocolName, protocolNumber } from '../../storage/protocols.ts';

const SEC = 1_000_000_000n;
/** 2026-11-23T21:54:14.5Z */
const NOW = 1_795_470_854_500_000_000n;

describe('a time argument', () => {
  const tz = process.env.TZ;
  afterEach(() => {
    process.env.TZ = tz;
  });

  test.each([
    ['1970-01-01T00:00:00Z', 0n],
    ['2026-11-23T21:54:14Z', 1_795_470_854n * SEC],
    ['2026-11-23t21:54:14.123456789z', 1_795_470_854n * SEC + 123_456_789n],
    ['2026-11-23 21:54:14.5Z', NOW],
    ['2026-11-23T21:54Z', 1_795_470_840n * SEC],
    ['2026-11-23T23:54:14+02:00', 1_795_470_854n * SEC],
    ['2026-11-23T16:24:14-0530', 1_795_470_854n * SEC],
    ['1969-12-31T23:59:59.999999999Z', -1n],
    ['1700000000', 1_700_000_000n * SEC],
    ['1700000000.000000001', 1_700_000_000n * SEC + 1n],
    ['0.5', SEC / 2n],
    ['-1.25', -1_250_000_000n],
    ['10m', NOW - 600n * SEC],
    ['2h ago', NOW - 7200n * SEC],
    ['1.5d', NOW - 129_600n * SEC],
    ['500ms', NOW - SEC / 2n],
    ['now', NOW],
    ['today', 1_795_392_000n * SEC],
    ['Yesterday', 1_795_305_600n * SEC],
    ['2024-02-29', 1_709_164_800n * SEC],
  ])('%s', (text, expected) => {
    expect(parseTime(text, NOW)).toBe(expected);
  });

  test('without an offset is local time', () => {
    process.env.TZ = 'Asia/Kolkata';
    expect(parseTime('1970-01-01T05:30:00', NOW)).toBe(0n);
    expect(parseTime('1970-01-01T00:00:00Z', NOW)).toBe(0n);
    expect(parseTime('today', NOW)).toBe(1_795_458_600n * SEC);
  });

  test.each([
    '',
    'soon',
    '2026-02-30',
    '2026-13-01',
    '2026-11-23T24:00:00Z',
    '2026-11-23T10:61:00Z',
    '10x',
    '1e9',
    '5 m 3',
  ])('%j is refused', (text) => {
    expect(() => parseTime(text, NOW)).toThrow(/cannot read the time .* expected RFC 3339/);
  });
});

describe('times in print', () => {
  test.each([
    [0n, '1970-01-01T00:00:00.000000000Z'],
    [NOW + 1n, '2026-11-23T21:54:14.500000001Z'],
    [-1n, '1969-12-31T23:59:59.999999999Z'],
    [2n ** 63n - 1n, '2262-04-11T23:47:16.854775807Z'],
    [-(2n ** 63n), '1677-09-21T00:12:43.145224192Z'],
  ])('%s', (ns, text) => {
    expect(formatTime(ns)).toBe(text);
    expect(parseTime(text, 0n)).toBe(ns);
  });

  test('differences keep nine decimals and their sign', () => {
    expect([0n, 1n, 1_500_000_000n, -1n, 2n ** 64n].map(formatSeconds)).toEqual([
      '0.000000000',
      '0.000000001',
      '1.500000000',
      '-0.000000001',
      '18446744073.709551616',
    ]);
  });
});

test('counts and durations are exact, and nothing else is one', () => {
  expect(['0', '1500', '1k', '1K', '2.5M', '1G', '1Ki', '1.5Mi', '9007199254740993'].map(parseCount)).toEqual(
    [0n, 1500n, 1000n, 1000n, 2_500_000n, 1_000_000_000n, 1024n, 1_572_864n, 9_007_199_254_740_993n],
  );
  expect(['5', '5s', '1.5h', '1us', '7ns', '1w', '0.000000001s'].map(parseDuration)).toEqual([
    5n * SEC,
    5n * SEC,
    5400n * SEC,
    1000n,
    7n,
    604_800n * SEC,
    1n,
  ]);
  expect(['', 'k', '-1', '1 k', '1kk', '1.', '.5', '1e3', '5constructor'].map(parseCount)).toEqual(
    new Array(9).fill(null),
  );
  expect(['5S', 'ms', '5 s', '5M'].map(parseDuration)).toEqual([null, null, null, null]);
});

test('large numbers are shortened, small ones are not', () => {
  expect([0, 999, 1000, 1234, 9949, 9951, 999_499, 999_500, 2_000_000, 2 ** 53].map(formatCount)).toEqual([
    '0',
    '999',
    '1.0k',
    '1.2k',
    '9.9k',
    '10k',
    '999k',
    '1.0M',
    '2.0M',
    '9.0P',
  ]);
});

test('CSV quotes what it must, RFC 4180', () => {
  expect(csvLine([1, null, 'a,b', 'say "x"', 'two\nlines', [1, 2], '', false])).toBe(
    '1,,"a,b","say ""x""","two\nlines",1 2,,false',
  );
});

test('protocols have names both ways', () => {
  for (let proto = 0; proto < 256; proto++) expect(protocolNumber(protocolName(proto))).toBe(proto);
  expect(['TCP', 'ipv6-icmp', 'icmpv6', '256', '-1', 'constructor', ''].map(protocolNumber)).toEqual([
    6,
    58,
    58,
    null,
    null,
    null,
    null,
  ]);
});

describe('columns', () => {
  const columns: Column<string[]>[] = [
    { title: 'NAME', align: 'left', dropOrder: 0, text: (row) => row[0]! },
    { title: 'N', align: 'right', dropOrder: 1, text: (row) => row[1]! },
    { title: 'TEXT', align: 'left', dropOrder: 2, text: (row) => row[2]! },
  ];
  const rows = [
    ['a', '1', 'a text that is rather long'],
    ['bcd', '200', 'short'],
  ];
  const plain = (line: string): string => line;

  test('are aligned and whole where there is no terminal', () => {
    expect(formatColumns(columns, rows, null, plain)).toBe(
      'NAME    N  TEXT\na       1  a text that is rather long\nbcd   200  short\n',
    );
  });

  test('give way to a narrow terminal: the last is cut, then the least telling go', () => {
    expect(formatColumns(columns, rows, 33, plain)).toBe(
      'NAME    N  TEXT\na       1  a text that is rather…\nbcd   200  short\n',
    );
    expect(formatColumns(columns, rows, 30, plain)).toBe('NAME    N\na       1\nbcd   200\n');
    expect(formatColumns(columns, rows, 1, plain)).toBe('…\na\n…\n');
  });

  test('let no control character of a name through', () => {
    expect(formatColumns(columns, [['\u001b[31mred\u009b', '1', 'x\n']], null, plain)).toContain(
      '\\x1b[31mred\\x9b  1  x\\x0a',
    );
  });

  test('are only their titles when there are no rows', () => {
    expect(formatColumns(columns, [], 80, (line) => `<${line}>`)).toBe('<NAME  N  TEXT>\n');
  });
});

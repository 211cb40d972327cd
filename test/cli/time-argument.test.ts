import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UsageError } from '../../cli/errors.ts';
import { shortTime, showTimesIn } from '../../cli/format/time.ts';
import { parseTime, type TimeContext } from '../../cli/time-argument.ts';
import { parseTimeZone } from '../../cli/time-zone.ts';

const SEC = 1_000_000_000n;
/** A Thursday. */
const NOW = ns('2026-11-26T09:30:00.5Z');

/** By JavaScript's own reading of RFC 3339. */
function ns(iso: string): bigint {
  return BigInt(Date.parse(iso)) * 1_000_000n;
}

const parse = (text: string, context: TimeContext = {}): bigint => parseTime(text, NOW, context);

describe('a time argument', () => {
  const tz = process.env.TZ;
  beforeEach(() => {
    process.env.TZ = 'Europe/Berlin';
  });
  afterEach(() => {
    process.env.TZ = tz;
  });

  test.each<[string, bigint]>([
    ['10m', NOW - 600n * SEC],
    ['-10m', NOW - 600n * SEC],
    ['- 10m', NOW - 600n * SEC],
    ['1h30m', NOW - 5400n * SEC],
    ['1h 30min ago', NOW - 5400n * SEC],
    ['2 hours ago', NOW - 7200n * SEC],
    ['1 day', NOW - 86_400n * SEC],
    ['2w', NOW - 1_209_600n * SEC],
    ['250ms', NOW - SEC / 4n],
  ])('counts back from now: %s', (text, expected) => {
    expect(parse(text)).toBe(expected);
  });

  test.each([
    ['today', '2026-11-26T00:00:00+01:00'],
    ['yesterday', '2026-11-25T00:00:00+01:00'],
    ['yesterday 14:00', '2026-11-25T14:00:00+01:00'],
    ['Today 08:05:09.25', '2026-11-26T08:05:09.25+01:00'],
    ['14:00', '2026-11-26T14:00:00+01:00'],
    ['14:00:01', '2026-11-26T14:00:01+01:00'],
    ['14:00Z', '2026-11-26T14:00:00Z'],
    ['14:00-05:00', '2026-11-26T14:00:00-05:00'],
    ['23:30 -1200', '2026-11-25T23:30:00-12:00'],
    ['2026-11-26', '2026-11-26T00:00:00+01:00'],
    ['2026-11-26 14:00', '2026-11-26T14:00:00+01:00'],
    ['2026-07-26T14:00', '2026-07-26T14:00:00+02:00'],
    ['2026-11-26 14:00 UTC', '2026-11-26T14:00:00Z'],
    ['2026-11-26T14:00:00.123+0530', '2026-11-26T14:00:00.123+05:30'],
    ['2026-12-31T23:59:60Z', '2027-01-01T00:00:00Z'],
    ['2026-12-31 23:59:60', '2027-01-01T00:00:00+01:00'],
  ])('is a day and a time of the day: %s', (text, iso) => {
    expect(parse(text)).toBe(ns(iso));
  });

  test.each<[string, bigint]>([
    ['1795685400', 1_795_685_400n * SEC],
    ['@1795685400', 1_795_685_400n * SEC],
    ['1795685400.123456789', 1_795_685_400n * SEC + 123_456_789n],
    ['1795685400123', 1_795_685_400n * SEC + 123_000_000n],
    ['1795685400123.5', 1_795_685_400n * SEC + 123_500_000n],
    ['1795685400123456', 1_795_685_400n * SEC + 123_456_000n],
    ['1795685400123456789', 1_795_685_400n * SEC + 123_456_789n],
    ['99999999999', 99_999_999_999n * SEC],
    ['100000000000', 100_000_000n * SEC],
  ])('is an epoch, its unit by its size: %s', (text, expected) => {
    expect(parse(text)).toBe(expected);
  });

  test.each([
    ['today', 'Asia/Tokyo', '2026-11-26T00:00:00+09:00'],
    ['today', 'Pacific/Kiritimati', '2026-11-26T00:00:00+14:00'],
    ['today', 'America/Los_Angeles', '2026-11-26T00:00:00-08:00'],
    ['today', '-10:00', '2026-11-25T00:00:00-10:00'],
    ['14:00', 'UTC', '2026-11-26T14:00:00Z'],
    ['14:00', '+05:30', '2026-11-26T14:00:00+05:30'],
    ['2026-07-01 12:00', 'America/New_York', '2026-07-01T12:00:00-04:00'],
    ['2026-12-01 12:00', 'America/New_York', '2026-12-01T12:00:00-05:00'],
    ['2026-12-01T12:00Z', 'America/New_York', '2026-12-01T12:00:00Z'],
  ])('is of the zone that --tz names: %s in %s', (text, zone, iso) => {
    expect(parse(text, { zone: parseTimeZone(zone) })).toBe(ns(iso));
  });

  test('that the clock skips lies on the side that makes the span longer', () => {
    // 2026-03-29 in Berlin: 02:00 is followed by 03:00.
    expect(parse('2026-03-29 02:30', { pick: 'earlier' })).toBe(ns('2026-03-29T00:30:00Z'));
    expect(parse('2026-03-29 02:30', { pick: 'later' })).toBe(ns('2026-03-29T01:30:00Z'));
    expect(parse('2026-03-29 02:30')).toBe(ns('2026-03-29T01:30:00Z'));
  });

  test('that the clock shows twice is the first for --since and the second for --until', () => {
    // 2026-10-25 in Berlin: 03:00 is followed by 02:00.
    expect(parse('2026-10-25 02:30', { pick: 'earlier' })).toBe(ns('2026-10-25T00:30:00Z'));
    expect(parse('2026-10-25 02:30', { pick: 'later' })).toBe(ns('2026-10-25T01:30:00Z'));
    expect(parse('2026-10-25 02:30')).toBe(ns('2026-10-25T00:30:00Z'));
  });

  test('of a day that has no midnight is its first moment', () => {
    // 2026-04-24 in Cairo: 00:00 is skipped.
    const zone = 'Africa/Cairo';
    expect(parse('2026-04-24', { zone, pick: 'earlier' })).toBe(ns('2026-04-23T22:00:00Z'));
    expect(parseTime('today', ns('2026-04-24T10:00:00Z'), { zone, pick: 'earlier' })).toBe(
      ns('2026-04-23T22:00:00Z'),
    );
  });

  test('of yesterday is a calendar day back, also when that day had 25 hours', () => {
    expect(parseTime('yesterday 12:00', ns('2026-10-26T10:00:00Z'))).toBe(ns('2026-10-25T12:00:00+01:00'));
    expect(parseTime('yesterday', ns('2026-10-26T10:00:00Z'))).toBe(ns('2026-10-25T00:00:00+02:00'));
  });

  test.each([
    'tomorrow',
    '25:00',
    '14:60',
    '2026-11-31',
    '2026-00-10',
    '2026-11-26 14',
    '2026-11-26Z',
    'yesterdayish',
    'yesterday at noon',
    '10m 5',
    '5 parsecs ago',
    '14:00 Europe/Berlin',
    '@',
    '99999999999999999999',
    '--5m',
  ])('%j is refused', (text) => {
    expect(() => parse(text)).toThrow(UsageError);
    expect(() => parse(text)).toThrow(/cannot read the time .*: expected RFC 3339 .* 10m or 2h ago/);
  });

  test('never throws anything else', () => {
    const piece = fc.constantFrom(
      ...'- 10 m h ago today yesterday now 2026-03-29 02:30 T Z +02:00 . 5 @ 1e9 : utc 99999999999999 min é'.split(
        ' ',
      ),
      ' ',
    );
    const reached = { read: 0, refused: 0 };
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 40 }),
          fc.array(piece, { maxLength: 8 }).map((all) => all.join('')),
        ),
        (text) => {
          try {
            expect(typeof parse(text)).toBe('bigint');
            reached.read++;
          } catch (error) {
            expect(error).toBeInstanceOf(UsageError);
            reached.refused++;
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(Math.min(reached.read, reached.refused)).toBeGreaterThan(20);
  });

  test('long ones end in time', () => {
    for (const text of [
      '1h'.repeat(100_000),
      '9'.repeat(100_000),
      `${'1 '.repeat(50_000)}x`,
      ' '.repeat(100_000),
      `1${'h'.repeat(100_000)}`,
    ])
      expect(() => parse(`${text}!`)).toThrow(UsageError);
  });
});

describe('a time zone', () => {
  test.each([
    ['europe/berlin', 'Europe/Berlin'],
    ['UTC', 'UTC'],
    ['z', 'UTC'],
    ['+2', '+02:00'],
    ['-0530', '-05:30'],
    ['+05:30', '+05:30'],
  ])('%s', (text, zone) => {
    expect(parseTimeZone(text)).toBe(zone);
  });

  test('is the local one when none is named, or "local"', () => {
    expect([parseTimeZone(undefined), parseTimeZone('local')]).toEqual([null, null]);
  });

  test.each([
    ['Berlin', '; did you mean Europe/Berlin?'],
    ['Europe/Berln', '; did you mean Europe/Berlin?'],
    ['new_yrok', '; did you mean America/New_York?'],
    ['Mars', '+05:30'],
    ['+25:00', '+05:30'],
    ['', '+05:30'],
  ])('%j is refused', (text, said) => {
    expect(() => parseTimeZone(text)).toThrow(UsageError);
    expect(() => parseTimeZone(text)).toThrow(
      new RegExp(`cannot read the time zone .*${said.replace(/[+?]/g, '\\$&')}$`),
    );
  });
});

describe('times in tables', () => {
  afterEach(() => showTimesIn('UTC'));

  test.each([
    ['UTC', '2026-03-29T00:59:59.999Z', '2026-03-29 00:59:59.999'],
    ['Europe/Berlin', '2026-03-29T00:59:59.999Z', '2026-03-29 01:59:59.999'],
    ['Europe/Berlin', '2026-03-29T01:00:00Z', '2026-03-29 03:00:00.000'],
    ['+05:30', '2026-12-31T20:00:00.001Z', '2027-01-01 01:30:00.001'],
    ['America/New_York', '1969-12-31T23:59:59.5Z', '1969-12-31 18:59:59.500'],
  ])('are of the zone: %s', (zone, iso, text) => {
    showTimesIn(parseTimeZone(zone));
    expect(shortTime(ns(iso))).toBe(text);
  });

  test('are local without one, and are read as what they are', () => {
    const tz = process.env.TZ;
    process.env.TZ = 'America/St_Johns';
    try {
      showTimesIn(null);
      expect(shortTime(NOW)).toBe('2026-11-26 06:00:00.500');
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), pickZone, (sec, zone) => {
          showTimesIn(zone);
          const at = BigInt(sec) * SEC;
          const both = (['earlier', 'later'] as const).map((pick) => parse(shortTime(at), { zone, pick }));
          expect(both).toContain(at);
        }),
      );
    } finally {
      process.env.TZ = tz;
    }
  });
});

const pickZone = fc.constantFrom(
  null,
  'UTC',
  'Europe/Berlin',
  'Australia/Lord_Howe',
  '-03:30',
  'Asia/Kathmandu',
);

import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { expect, test } from 'vitest';
import { openForWriting } from '../../storage/database.ts';
import { addGroupFunctions, groupSpanSql } from '../../storage/group-keys.ts';
import { tempDb } from './temp-db.ts';

const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'America/St_Johns',
  '+05:45',
];

const quarterOf = (time: string): number => Date.parse(time) / 900_000;

test('a day begins when the clocks of its zone show midnight, also when they are changed on it', () => {
  const db = openForWriting(tempDb());
  addGroupFunctions(db);
  const lengths = new Set<number>();
  const day = (zone: string) =>
    db.prepare<[number], number>(`SELECT ${groupSpanSql('?', 86_400, zone)}`).pluck();
  const days = new Map(ZONES.map((zone) => [zone, day(zone)]));
  fc.assert(
    fc.property(fc.constantFrom(...ZONES), fc.integer({ min: 0, max: 2_000_000 }), (zone, quarter) => {
      const sec = quarter * 900;
      const wall = Temporal.Instant.fromEpochMilliseconds(sec * 1000).toZonedDateTimeISO(zone);
      lengths.add(wall.hoursInDay);
      expect(days.get(zone)!.get(sec)).toBe(wall.startOfDay().epochMilliseconds / 1000);
    }),
    {
      numRuns: 20_000,
      examples: [
        ['Australia/Lord_Howe', quarterOf('2023-10-01T02:00+11:00')],
        ['Australia/Lord_Howe', quarterOf('2023-04-02T02:00+10:30')],
        ['Europe/Berlin', quarterOf('2023-03-26T06:00+02:00')],
        ['Europe/Berlin', quarterOf('2023-10-29T06:00+01:00')],
      ],
    },
  );
  expect([...lengths].sort()).toEqual([23, 23.5, 24, 24.5, 25]);
  db.close();
});

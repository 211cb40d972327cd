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

const LAST_QUARTER = 2_000_000;

function changesOf(zone: string): Temporal.ZonedDateTime[] {
  const last = LAST_QUARTER * 900_000;
  const changes: Temporal.ZonedDateTime[] = [];
  let at = Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone).getTimeZoneTransition('next');
  for (; at !== null && at.epochMilliseconds < last; at = at.getTimeZoneTransition('next')) changes.push(at);
  return changes;
}

test('a day begins when the clocks of its zone show midnight, also when they are changed on it', () => {
  const db = openForWriting(tempDb());
  addGroupFunctions(db);
  const day = (zone: string) =>
    db.prepare<[number], number>(`SELECT ${groupSpanSql('?', 86_400, zone)}`).pluck();
  const days = new Map(ZONES.map((zone) => [zone, day(zone)]));
  const lengths = new Set<number>();
  const check = (zone: string, sec: number): void => {
    const wall = Temporal.Instant.fromEpochMilliseconds(sec * 1000).toZonedDateTimeISO(zone);
    lengths.add(wall.hoursInDay);
    expect(days.get(zone)!.get(sec)).toBe(wall.startOfDay().epochMilliseconds / 1000);
  };
  fc.assert(
    fc.property(fc.constantFrom(...ZONES), fc.integer({ min: 0, max: LAST_QUARTER }), (zone, quarter) =>
      check(zone, quarter * 900),
    ),
    { numRuns: 10_000 },
  );
  // Days on which the clocks are changed are few, and drawn by luck only: so each of them, and those beside it, hour by hour.
  for (const zone of ZONES)
    for (const change of changesOf(zone)) {
      for (let hours = -30; hours <= 30; hours += 0.75)
        check(zone, change.epochMilliseconds / 1000 + hours * 3600);
    }
  expect([...lengths].sort()).toEqual([22, 23, 23.5, 24, 24.5, 25, 26]);
  db.close();
});

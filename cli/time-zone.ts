import { createRequire } from 'node:module';
import leven from 'leven';
import { didYouMean } from '../daemon/options/suggestion.ts';
import { UsageError } from './errors.ts';

/** A name of the IANA database, or an offset as "+05:30". null: the local zone, that of $TZ or of the host. */
export type TimeZone = string | null;

const OFFSET = /^([+-])(\d{1,2})(?::?(\d{2}))?$/;
const NS_PER_SEC = 1_000_000_000n;
const NS_PER_MIN = 60n * NS_PER_SEC;

/** The zone that `--tz` names. @throws UsageError that says which was meant, where one is near */
export function parseTimeZone(text: string | undefined): TimeZone {
  const name = text?.trim();
  if (name === undefined || name.toLowerCase() === 'local') return null;
  if (/^z$/i.test(name)) return 'UTC';
  const offset = OFFSET.exec(name);
  if (offset !== null && Number(offset[2]) < 24 && Number(offset[3] ?? 0) < 60)
    return `${offset[1]}${offset[2]!.padStart(2, '0')}:${offset[3] ?? '00'}`;
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    throw new UsageError(
      `cannot read the time zone "${name}": expected a name such as Europe/Berlin, UTC, local, or an offset such as +05:30${near(name)}`,
    );
  }
}

/** Minutes east of UTC of a zone that has one offset for all times; null: it has not, or it is not known here. */
export function fixedOffset(zone: TimeZone): bigint | null {
  const name = zone ?? process.env.TZ;
  if (name === 'UTC' || name === 'GMT') return 0n;
  const offset = zone === null ? null : OFFSET.exec(zone);
  return offset === null ? null : offsetMinutes(offset[1]!, offset[2]!, offset[3]!);
}

/** Minutes of an offset in pieces: "+", "05", "30". */
export function offsetMinutes(sign: string, hours: string, minutes: string): bigint {
  const all = BigInt(hours) * 60n + BigInt(minutes);
  return sign === '-' ? -all : all;
}

/** Which of two moments a clock that was set back shows twice, and to which side one goes that it skipped. */
export type Disambiguation = 'earlier' | 'later' | 'compatible';

/** A day as a calendar shows it; `month` from 1. */
export interface CalendarDay {
  year: number;
  month: number;
  day: number;
}

/** A time as a clock on the wall shows it. */
export interface WallTime extends CalendarDay {
  hour: number;
  minute: number;
  second: number;
  /** 0..999999999 */
  nsec: number;
}

/** The moment at which a clock of the zone shows a time, in nanoseconds since the epoch. `second` may be 60. */
export function momentOf(wall: WallTime, zone: TimeZone, pick: Disambiguation): bigint {
  const { year, month, day, hour, minute, second, nsec } = wall;
  const after = BigInt(second) * NS_PER_SEC + BigInt(nsec);
  const offset = fixedOffset(zone);
  if (offset !== null) {
    const date = new Date(0);
    date.setUTCFullYear(year, month - 1, day);
    date.setUTCHours(hour, minute);
    return BigInt(date.getTime()) * 1_000_000n + after - offset * NS_PER_MIN;
  }
  const { Temporal } = temporal();
  const plain = Temporal.PlainDateTime.from({ year, month, day, hour, minute });
  const zoned = plain.toZonedDateTime(zone ?? Temporal.Now.timeZoneId(), { disambiguation: pick });
  return zoned.epochNanoseconds + after;
}

/** What a calendar of the zone shows at a moment. @param ns since the epoch @param daysBack that many days before */
export function dayOf(ns: bigint, zone: TimeZone, daysBack: number): CalendarDay {
  const offset = fixedOffset(zone);
  if (offset !== null) {
    const date = new Date(Number((ns + offset * NS_PER_MIN) / 1_000_000n) - daysBack * 86_400_000);
    return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
  }
  const { Temporal } = temporal();
  const { year, month, day } = Temporal.Instant.fromEpochNanoseconds(ns)
    .toZonedDateTimeISO(zone ?? Temporal.Now.timeZoneId())
    .toPlainDate()
    .subtract({ days: daysBack });
  return { year, month, day };
}

/** Loaded by those only whose time depends on the rules of a zone: it takes some 25 ms. */
function temporal(): typeof import('temporal-polyfill') {
  return createRequire(import.meta.url)('temporal-polyfill') as typeof import('temporal-polyfill');
}

function near(name: string): string {
  const typed = name.toLowerCase();
  const [best] = Intl.supportedValuesOf('timeZone')
    .map((zone) => ({ zone, slips: Math.min(leven(typed, zone.toLowerCase()), leven(typed, city(zone))) }))
    .sort((a, b) => a.slips - b.slips);
  return didYouMean(
    best !== undefined && best.slips <= 2 && best.slips < typed.length / 2 ? [best.zone] : [],
  );
}

function city(zone: string): string {
  return zone.slice(zone.lastIndexOf('/') + 1).toLowerCase();
}

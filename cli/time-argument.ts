import { UsageError } from './errors.ts';
import { parseDuration } from '../daemon/options/units.ts';
import {
  type CalendarDay,
  dayOf,
  type Disambiguation,
  momentOf,
  offsetMinutes,
  type TimeZone,
  type WallTime,
} from './time-zone.ts';

const NS_PER_MIN = 60_000_000_000n;

/** A number is taken for seconds, milliseconds, microseconds or nanoseconds by its size: below 1e11 (the year 5138), 1e14, 1e17. */
const EPOCH_UNITS: readonly (readonly [below: number, digits: number])[] = [
  [1e11, 9],
  [1e14, 6],
  [1e17, 3],
  [Number.POSITIVE_INFINITY, 0],
];

/** Other spellings of units. */
const UNITS: Readonly<Record<string, string>> = {
  sec: 's',
  secs: 's',
  second: 's',
  seconds: 's',
  min: 'm',
  mins: 'm',
  minute: 'm',
  minutes: 'm',
  hour: 'h',
  hours: 'h',
  day: 'd',
  days: 'd',
  week: 'w',
  weeks: 'w',
};

const DATE = /^(?<word>today|yesterday)(?=$|\s)|^(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})(?=$|[t\s])/;
const CLOCK = /^(?:t|\s+|^)(?<hour>\d{2}):(?<minute>\d{2})(?::(?<second>\d{2})(?:\.(?<fraction>\d{1,9}))?)?/;
const ZONE = /^\s*(?:(?<utc>z|utc|gmt)|(?<sign>[+-])(?<hours>\d{2}):?(?<minutes>\d{2}))$/;

const EXPECTED =
  'RFC 3339 (2026-11-23T10:00:00Z), 2026-11-23 10:00, 10:00, today, yesterday 10:00, 10m or 2h ago, or seconds since the epoch';

/** What parseTime may know of its argument. */
export interface TimeContext {
  /** Of times without one; default: local. */
  zone?: TimeZone;
  /** Of a time that a clock shows twice or never; see docs/times.md. */
  pick?: Disambiguation;
}

/**
 * The time that `--since`, `--until` or `--at` names, in nanoseconds since the epoch: see docs/times.md.
 * @param now of the same unit
 * @throws UsageError that says what is understood
 */
export function parseTime(
  text: string,
  now: bigint,
  { zone = null, pick = 'compatible' }: TimeContext = {},
): bigint {
  const word = text.trim().toLowerCase();
  const ns = word === 'now' ? now : (epoch(word) ?? before(word, now) ?? moment(word, now, zone, pick));
  if (ns !== null) return ns;
  throw new UsageError(`cannot read the time "${text}": expected ${EXPECTED}`);
}

function epoch(word: string): bigint | null {
  const match = /^@?(-?)(\d{1,19})(?:\.(\d{1,9}))?$/.exec(word);
  if (match === null) return null;
  const [, sign, whole, fraction = ''] = match;
  const digits = EPOCH_UNITS.find(([below]) => Number(whole) < below)![1];
  const ns = BigInt(whole! + fraction.padEnd(digits, '0').slice(0, digits));
  return sign === '-' ? -ns : ns;
}

/** "10m", "-10m", "1h30m", "2 hours ago". */
function before(word: string, now: bigint): bigint | null {
  const pieces = word
    .replace(/^-\s*/, '')
    .replace(/\s*\bago$/, '')
    .trim();
  if (!/^(?:\d+(?:\.\d+)?\s*[a-z]+\s*)+$/.test(pieces)) return null;
  let all = 0n;
  for (const [, count, unit] of pieces.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/g)) {
    const length = parseDuration(`${count}${Object.hasOwn(UNITS, unit!) ? UNITS[unit!] : unit}`);
    if (length === null) return null;
    all += length;
  }
  return now - all;
}

/** A day, a time of the day, or both. null for what is none, and for a date that does not exist, such as February 30. */
function moment(word: string, now: bigint, zone: TimeZone, pick: Disambiguation): bigint | null {
  const date = DATE.exec(word);
  const rest = word.slice(date?.[0].length ?? 0);
  const clock = CLOCK.exec(rest);
  if (date === null && clock === null) return null;
  const suffix = rest.slice(clock?.[0].length ?? 0);
  const named = ZONE.exec(suffix)?.groups;
  // A day alone has no zone of its own: "2026-11-23Z" is nobody's spelling.
  if (suffix !== '' && (named === undefined || clock === null)) return null;
  const offset =
    named === undefined
      ? null
      : named.utc !== undefined
        ? 0n
        : offsetMinutes(named.sign!, named.hours!, named.minutes!);
  const own: TimeZone = offset === null ? zone : 'UTC';
  const shift = (offset ?? 0n) * NS_PER_MIN;
  const day = dayNamed(date?.groups, now + shift, own);
  const wall = day === null ? null : wallTime(day, clock?.groups);
  // A day begins with its first moment, also where the clock skips midnight.
  return wall === null ? null : momentOf(wall, own, clock === null ? 'compatible' : pick) - shift;
}

function dayNamed(groups: Groups, now: bigint, zone: TimeZone): CalendarDay | null {
  if (groups === undefined || groups.word !== undefined)
    return dayOf(now, zone, groups?.word === 'yesterday' ? 1 : 0);
  const [year, month, day] = [Number(groups.year), Number(groups.month), Number(groups.day)];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? { year, month, day } : null;
}

function wallTime(day: CalendarDay, groups: Groups): WallTime | null {
  const [hour, minute, second] = [
    Number(groups?.hour ?? 0),
    Number(groups?.minute ?? 0),
    Number(groups?.second ?? 0),
  ];
  // 60 is a leap second; the epoch has none, so it is the second after.
  if (hour > 23 || minute > 59 || second > 60) return null;
  return { ...day, hour, minute, second, nsec: Number((groups?.fraction ?? '').padEnd(9, '0')) };
}

type Groups = Readonly<Record<string, string | undefined>> | undefined;

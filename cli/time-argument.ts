import { UsageError } from './errors.ts';
import { parseDuration } from '../daemon/options/units.ts';

const NS_PER_MS = 1_000_000n;
const NS_PER_MIN = 60_000_000_000n;
const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?:([Zz])|([+-])(\d{2}):?(\d{2}))?)?$/;

/**
 * The time that `--since` or `--until` names, in nanoseconds since the epoch: RFC 3339 (parts from the right may be
 * missing; without an offset it is local time), seconds since the epoch with a fraction, "10m" ago, "today", "yesterday",
 * "now".
 * @param now of the same unit
 * @throws UsageError that says what is understood
 */
export function parseTime(text: string, now: bigint): bigint {
  const word = text.trim().toLowerCase();
  if (word === 'now') return now;
  if (word === 'today' || word === 'yesterday') {
    const day = new Date(Number(now / NS_PER_MS));
    const back = word === 'today' ? 0 : 1;
    return BigInt(new Date(day.getFullYear(), day.getMonth(), day.getDate() - back).getTime()) * NS_PER_MS;
  }
  const epoch = /^(-?)(\d+)(?:\.(\d{1,9}))?$/.exec(word);
  if (epoch !== null) {
    const ns = BigInt(epoch[2]! + (epoch[3] ?? '').padEnd(9, '0'));
    return epoch[1] === '-' ? -ns : ns;
  }
  const ago = parseDuration(word.replace(/\s*ago$/, ''));
  if (ago !== null) return now - ago;
  const date = RFC3339.exec(text.trim());
  const ns = date === null ? null : fromDate(date);
  if (ns !== null) return ns;
  throw new UsageError(
    `cannot read the time "${text}": expected RFC 3339 (2026-11-23T10:00:00Z), epoch seconds, 10m, 2h, 1d (ago), today or yesterday`,
  );
}

/** null for a date that does not exist, such as February 30. */
function fromDate(m: RegExpExecArray): bigint | null {
  const [year, month, day, hour, minute, second] = m.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  // 60 is a leap second; the epoch has none, so it is the second after.
  if (hour > 23 || minute > 59 || second > 60) return null;
  const fraction = BigInt((m[7] ?? '').padEnd(9, '0'));
  const utcMs = Date.UTC(year, month - 1, day, hour, minute, second);
  const utcDay = new Date(Date.UTC(year, month - 1, day));
  if (utcDay.getUTCMonth() !== month - 1 || utcDay.getUTCDate() !== day) return null;
  const isLocal = m[8] === undefined && m[9] === undefined;
  const ms = isLocal ? new Date(year, month - 1, day, hour, minute, second).getTime() : utcMs;
  const offsetMin = BigInt(m[9] === undefined ? 0 : Number(m[10]) * 60 + Number(m[11]));
  const offsetNs = (m[9] === '-' ? -offsetMin : offsetMin) * NS_PER_MIN;
  return BigInt(ms) * NS_PER_MS + fraction - offsetNs;
}

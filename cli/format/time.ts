import { fromNs } from '../../storage/time.ts';

const NS_PER_SEC = 1_000_000_000n;

/** RFC 3339 in UTC with 9 decimals: "2026-11-23T10:00:00.123456789Z". @param ns nanoseconds since the epoch */
export function formatTime(ns: bigint): string {
  const { sec, fraction } = split(ns);
  return `${new Date(sec * 1000).toISOString().slice(0, -5)}.${fraction}Z`;
}

/** Seconds with 9 decimals: "1.500000000". @param ns a difference; may be negative */
export function formatSeconds(ns: bigint): string {
  return ns < 0n ? `-${formatSeconds(-ns)}` : `${ns / NS_PER_SEC}.${split(ns).fraction}`;
}

/** Whole seconds rounded down, also before the epoch, and the nanoseconds after them. */
function split(ns: bigint): { sec: number; fraction: string } {
  const { sec, nsec } = fromNs(ns);
  return { sec, fraction: String(nsec).padStart(9, '0') };
}

/** Of shortTime; null: the local one. A command prints all its times in one zone. */
let shownZone: string | null = null;
let shownFormat: Intl.DateTimeFormat | null = null;

/** Says in which zone shortTime prints. @param zone as parseTimeZone has it */
export function showTimesIn(zone: string | null): void {
  shownZone = zone;
  shownFormat = null;
}

/** To the millisecond, for people, in the zone of showTimesIn: "2026-11-23 10:00:00.123". */
export function shortTime(ns: bigint): string {
  const { sec, fraction } = split(ns);
  return `${wallText(sec * 1000)}.${fraction.slice(0, 3)}`;
}

function wallText(ms: number): string {
  if (shownZone === 'UTC') return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
  if (shownZone === null) {
    const local = ms - new Date(ms).getTimezoneOffset() * 60_000;
    return new Date(local).toISOString().slice(0, 19).replace('T', ' ');
  }
  const two = '2-digit';
  shownFormat ??= new Intl.DateTimeFormat('en-US', {
    timeZone: shownZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: two,
    day: two,
    hour: two,
    minute: two,
    second: two,
  });
  const part = Object.fromEntries(shownFormat.formatToParts(ms).map(({ type, value }) => [type, value]));
  return `${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second}`;
}

/** Nanoseconds in two units at most: "1.234s", "12m05s", "3h07m". */
export function shortDuration(ns: bigint): string {
  const seconds = Number(ns) / 1e9;
  if (seconds < 60) return `${seconds.toFixed(3)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${String(Math.floor(seconds % 60)).padStart(2, '0')}s`;
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, '0')}m`;
}

/** Microseconds in three digits or more: "850us", "12.3ms", "1.20s". */
export function shortMicros(us: number): string {
  if (us < 1000) return `${us < 10 ? us.toFixed(1) : us.toFixed(0)}us`;
  if (us < 1e6) return `${(us / 1e3).toFixed(us < 1e5 ? 1 : 0)}ms`;
  return `${(us / 1e6).toFixed(2)}s`;
}

/** What a second of it had, on average. @returns null for a span of no length */
export function perSecond(amount: number, ns: bigint): number | null {
  return ns > 0n ? (amount * 1e9) / Number(ns) : null;
}

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

/** UTC to the millisecond, for people: "2026-11-23 10:00:00.123". */
export function shortTime(ns: bigint): string {
  return formatTime(ns).replace('T', ' ').slice(0, -7);
}

/** Nanoseconds in two units at most: "1.234s", "12m05s", "3h07m". */
export function shortDuration(ns: bigint): string {
  const seconds = Number(ns) / 1e9;
  if (seconds < 60) return `${seconds.toFixed(3)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${String(Math.floor(seconds % 60)).padStart(2, '0')}s`;
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, '0')}m`;
}

const NS_PER_SEC = 1_000_000_000n;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/**
 * Nanoseconds since the epoch, exact.
 * @param sec  whole seconds, an integral double of any size and sign
 * @param nsec 0..999999999, counted forward from `sec` also before the epoch
 */
export function toNs(sec: number, nsec: number): bigint {
  return BigInt(sec) * NS_PER_SEC + BigInt(nsec);
}

/** The parts of `toNs`: whole seconds rounded down, also before the epoch, and the nanoseconds after them. */
export function fromNs(ns: bigint): { sec: number; nsec: number } {
  const nsec = ((ns % NS_PER_SEC) + NS_PER_SEC) % NS_PER_SEC;
  return { sec: Number((ns - nsec) / NS_PER_SEC), nsec: Number(nsec) };
}

/** The nearest time that a 64-bit INTEGER of SQLite holds: years 1677 to 2262. */
export function clampNs(ns: bigint): bigint {
  return ns > INT64_MAX ? INT64_MAX : ns < INT64_MIN ? INT64_MIN : ns;
}

/** RFC 3339 in UTC to the millisecond. @param ns since the epoch */
export function isoTime(ns: bigint): string {
  return new Date(Number(ns / 1_000_000n)).toISOString();
}

/** Now, in nanoseconds since the epoch, to the millisecond. */
export function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

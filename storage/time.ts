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

/** Seconds below which, and from 0 on, `ordinaryNs` may be asked: up to the year 2242. */
export const SEC_END = 2 ** 33;

const words = new Uint32Array(2);
const whole = new BigInt64Array(words.buffer);
const LOW = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1;

/** As `toNs`, for 0 <= sec < SEC_END: without the four big integers that a product and a sum of them make. */
export function ordinaryNs(sec: number, nsec: number): bigint {
  // sec * 10^9 = (a * 2^17 + b) * 10^9 with both products below 2^53; of a * 10^9, 15 bits belong to the lower word.
  const b = sec % 131_072;
  const high = ((sec - b) / 131_072) * 1e9;
  const low = b * 1e9 + nsec;
  const ofHigh = high % 32_768;
  const lowWord = low % 4_294_967_296;
  const sum = ofHigh * 131_072 + lowWord;
  words[LOW] = sum;
  words[1 - LOW] =
    (high - ofHigh) / 32_768 + (low - lowWord) / 4_294_967_296 + (sum >= 4_294_967_296 ? 1 : 0);
  return whole[0]!;
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

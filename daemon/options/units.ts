const COUNT_UNITS: Readonly<Record<string, bigint>> = {
  '': 1n,
  k: 1_000n,
  K: 1_000n,
  M: 1_000_000n,
  G: 1_000_000_000n,
  T: 1_000_000_000_000n,
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
};

const SECOND = 1_000_000_000n;
const DURATION_UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  ms: 1_000_000n,
  s: SECOND,
  m: 60n * SECOND,
  h: 3600n * SECOND,
  d: 86_400n * SECOND,
  w: 7n * 86_400n * SECOND,
};

/** "1500", "1.5k", "2M", "1Gi" as a number; null when it is none. A fraction below 1 is cut off. */
export function parseCount(text: string): bigint | null {
  return scaled(text, COUNT_UNITS);
}

/** "5s", "1.5h", "500ms" in nanoseconds; without a unit: seconds. null when it is no duration. */
export function parseDuration(text: string): bigint | null {
  return scaled(/^[\d.]+$/.test(text) ? `${text}s` : text, DURATION_UNITS);
}

/** Exact, where a double would not be: the fraction is read as an integer. */
function scaled(text: string, units: Readonly<Record<string, bigint>>): bigint | null {
  const match = /^(\d+)(?:\.(\d+))?([A-Za-z]*)$/.exec(text);
  if (match === null) return null;
  const [, whole, fraction = '', unitName] = match;
  const unit = Object.hasOwn(units, unitName!) ? units[unitName!]! : null;
  if (unit === null) return null;
  return (BigInt(whole! + fraction) * unit) / 10n ** BigInt(fraction.length);
}

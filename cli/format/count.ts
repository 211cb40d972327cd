const UNITS = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** A number in at most four digits and a decimal unit: 999, 1.2k, 35M. */
export function formatCount(value: number): string {
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < UNITS.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return unit === 0
    ? String(value)
    : `${scaled < 9.95 ? scaled.toFixed(1) : scaled.toFixed(0)}${UNITS[unit]}`;
}

/** Bits a second for people, as tc(8) writes them: "18Mbit/s". */
export function formatRate(bitsPerSec: number): string {
  return `${formatCount(bitsPerSec < 10 ? Math.round(bitsPerSec * 10) / 10 : Math.round(bitsPerSec))}bit/s`;
}

/** A number with its noun: "1 route", "1,234 routes". */
export function counted(value: number, noun: string): string {
  return `${value.toLocaleString('en-US')} ${noun}${value === 1 ? '' : 's'}`;
}

/** A quantity for people, in at most four digits and a decimal unit: "512 B", "3.4 Mbit/s". */
export function formatQuantity(value: number, unit: string): string {
  const [, digits, prefix] = /^([\d.]+)(\D?)$/.exec(formatCount(value))!;
  return `${digits} ${prefix}${unit}`;
}

/** Octets for people: "512 B", "3.4 MB". */
export function formatBytes(octets: number): string {
  return formatQuantity(octets, 'B');
}

import { formatQuantity } from '../format/count.ts';

/** A quantity that is not broken between lines: "1.2 MB", "340 kbit/s". */
function scaled(value: number, unit: string): string {
  return formatQuantity(Math.round(value), unit).replace(' ', '\u00a0');
}

export function octetsText(octets: number): string {
  return scaled(octets, 'B');
}

/** @param bits a second */
export function bitRate(bits: number): string {
  return scaled(bits, 'bit/s');
}

/** A count with separators: "1,234". */
export function countText(count: number): string {
  return count.toLocaleString('en-US');
}

const UNITS = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
  [1, 'ns'],
] as const;

/** A duration in three digits: "1.24 ms". */
export function nsText(ns: number): string {
  const [size, unit] = UNITS.find(([each]) => ns >= each * 0.9995) ?? UNITS[3];
  return `${Number((ns / size).toPrecision(3))}\u00a0${unit}`;
}

/** A share: "12.3 %", "<0.1 %". */
export function shareText(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0\u00a0%';
  const percent = (100 * part) / whole;
  return percent < 0.05 ? '<0.1\u00a0%' : `${percent.toFixed(percent >= 99.95 ? 0 : 1)}\u00a0%`;
}

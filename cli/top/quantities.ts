const DECIMAL = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** In three digits at most, and a decimal unit: "0", "12", "1.25k", "98.1M". */
export function shortNumber(value: number): string {
  if (!(value > 0)) return '0';
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < DECIMAL.length - 1) {
    scaled /= 1000;
    unit++;
  }
  if (unit === 0) return scaled >= 10 || Number.isInteger(scaled) ? scaled.toFixed(0) : scaled.toFixed(1);
  const digits = scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0;
  return `${scaled.toFixed(digits)}${DECIMAL[unit]}`;
}

/** Octets a second: "1.25 MB/s"; "-" for none. */
export function byteRate(bytesPerS: number): string {
  return bytesPerS > 0 ? `${spaced(shortNumber(bytesPerS))}B/s` : '-';
}

/** Bits a second of so many octets: "98.1 Mbit/s". */
export function bitRate(bytesPerS: number): string {
  return `${spaced(shortNumber(bytesPerS * 8))}bit/s`;
}

/** Octets: "1.25 MB". */
export function byteCount(bytes: number): string {
  return `${spaced(shortNumber(bytes))}B`;
}

/** Puts a blank between the digits and the unit. */
function spaced(text: string): string {
  return text.replace(/[^\d.]*$/, ' $&');
}

/** How long ago: "0s", "59s", "4m12s", "3h07m", "12d03h". @param seconds may be negative, by a clock that was set */
export function shortAge(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h${two(Math.floor((s % 3600) / 60))}m`;
  return `${Math.floor(s / 86_400)}d${two(Math.floor((s % 86_400) / 3600))}h`;
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;

/** A bar of `width` columns, filled by a share of 0 to 1. @param isUnicode eighths of a column; else "#" */
export function shareBar(share: number, width: number, isUnicode: boolean): string {
  const part = Math.min(Math.max(share, 0), 1);
  if (!isUnicode) return '#'.repeat(Math.round(part * width)).padEnd(width);
  const eighths = Math.round(part * width * 8);
  const bar = '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7]!;
  return bar.padEnd(width);
}

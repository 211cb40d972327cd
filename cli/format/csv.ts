/** One line of RFC 4180 without its line end: a value is quoted where it must be; null is empty, a list is joined by spaces. */
export function csvLine(values: readonly unknown[]): string {
  return values.map(csvValue).join(',');
}

function csvValue(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text = Array.isArray(value) ? value.join(' ') : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

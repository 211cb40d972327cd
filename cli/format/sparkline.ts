const BARS = '▁▂▃▄▅▆▇█';

/**
 * Values as a line of bars of eight heights, the largest full; nothing is a blank.
 * @param width of the line at most: where there are more values, several are one bar of their mean
 */
export function sparkline(values: readonly number[], width: number): string {
  const each = Math.max(1, Math.ceil(values.length / width));
  const bars: number[] = [];
  for (let i = 0; i < values.length; i += each) {
    const part = values.slice(i, i + each);
    bars.push(part.reduce((sum, value) => sum + value, 0) / part.length);
  }
  const most = Math.max(...bars);
  return bars
    .map((value) => (value <= 0 ? ' ' : BARS[Math.ceil((value / most) * BARS.length) - 1]!))
    .join('');
}

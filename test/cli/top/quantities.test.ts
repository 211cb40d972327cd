import { expect, test } from 'vitest';
import {
  bitRate,
  byteCount,
  byteRate,
  shareBar,
  shortAge,
  shortNumber,
} from '../../../cli/top/quantities.ts';

test.each([
  [0, '0'],
  [-1, '0'],
  [Number.NaN, '0'],
  [0.25, '0.3'],
  [7, '7'],
  [999.4, '999'],
  [999.6, '1.00k'],
  [1249, '1.25k'],
  [9994, '9.99k'],
  [9996, '10.0k'],
  [99_940, '99.9k'],
  [99_960, '100k'],
  [1e9, '1.00G'],
  [5e18, '5000P'],
])('%d is %s', (value, text) => {
  expect(shortNumber(value)).toBe(text);
});

test('rates and sums have their unit', () => {
  expect(byteRate(1_250_000)).toBe('1.25 MB/s');
  expect(byteRate(12)).toBe('12 B/s');
  expect(byteRate(0)).toBe('-');
  expect(bitRate(12_262_500)).toBe('98.1 Mbit/s');
  expect(byteCount(0)).toBe('0 B');
});

test.each([
  [-5, '0s'],
  [59.9, '59s'],
  [252, '4m12s'],
  [11_220, '3h07m'],
  [12 * 86_400 + 3 * 3600, '12d03h'],
])('%d seconds are %s', (seconds, text) => {
  expect(shortAge(seconds)).toBe(text);
});

test('a bar is as full as its share, in eighths of a column or whole ones', () => {
  expect(shareBar(0, 4, true)).toBe('    ');
  expect(shareBar(0.5, 4, true)).toBe('██  ');
  expect(shareBar(0.53, 4, true)).toBe('██▏ ');
  expect(shareBar(1, 4, true)).toBe('████');
  expect(shareBar(7, 4, false)).toBe('####');
  expect(shareBar(0.5, 4, false)).toBe('##  ');
});

import { expect, test } from 'vitest';
import { measureAllocation } from '../support/allocation.ts';

test('the hot path, from frame to flow and route decision, allocates nothing per packet', () => {
  const result = measureAllocation(new URL('allocation-child.ts', import.meta.url));
  expect(result).toMatchObject({ packets: 3_500_000, live: 1000 });
  expect(result.changes).toBeGreaterThan(15_000);
  expect(result.octetsPerPacket).toBeLessThan(0.5);
});

test('nor when it follows tunnels', () => {
  const result = measureAllocation(new URL('allocation-child.ts', import.meta.url), 'tunnels');
  expect(result).toMatchObject({ packets: 3_500_000, live: 1001 });
  expect(result.octetsPerPacket).toBeLessThan(0.5);
});

test('nor when it keeps hints and payload', () => {
  const result = measureAllocation(new URL('allocation-child.ts', import.meta.url), 'extras');
  expect(result).toMatchObject({ packets: 3_500_000, live: 1000 });
  expect(result.octetsPerPacket).toBeLessThan(0.5);
});

test.each(['packets', 'flows'])('a filter allocates nothing when it is asked of %s', (what) => {
  const result = measureAllocation(new URL('filter-allocation-child.ts', import.meta.url), what);
  expect(result.yes).toBe(750_000);
  expect(result.octetsPerPacket).toBeLessThan(0.5);
});

test('nor when somebody watches with a filter', () => {
  const result = measureAllocation(new URL('allocation-child.ts', import.meta.url), 'tap');
  expect(result).toMatchObject({ packets: 3_500_000, live: 1000, skipped: 0 });
  expect(result.matched).toBeGreaterThan(1_000_000);
  expect(result.octetsPerPacket).toBeLessThan(0.5);
});

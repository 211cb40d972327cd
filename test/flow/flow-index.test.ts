import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FlowIndex } from '../../daemon/flow/flow-index.ts';

/** Looks a slot up as the flow table does: along its chain, to the first empty place. */
function has(index: FlowIndex, hash: number, slot: number): boolean {
  for (let at = index.home(hash); index.entries[at] !== 0; at = (at + 1) % index.size) {
    const entry = index.entries[at]!;
    if ((entry & 0xffffff) === slot + 1 && (entry & 0xff000000) === hash << 24) return true;
  }
  return false;
}

describe('flow index', () => {
  test('holds what a Set holds, whatever is put in and taken out', () => {
    const reached = { inserted: 0, removed: 0, collided: 0, wrapped: 0, shifted: 0, full: 0 };
    const operation = fc.record({
      slot: fc.nat({ max: 63 }),
      hash: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    });
    // Few different hashes: chains must meet, and pass the end of the array.
    const crowded = operation.map(({ slot, hash }) => ({
      slot,
      hash: ((hash & 3 ? 4094 | (hash & 1) : hash & 127) << 20) | (hash & 3),
    }));
    const run = fc.array(fc.oneof(operation, crowded), { minLength: 1, maxLength: 400, size: 'max' });
    fc.assert(
      fc.property(run, (operations) => {
        const index = new FlowIndex(64);
        const hashes = new Int32Array(64);
        const held = new Set<number>();
        for (const { slot, hash } of operations) {
          if (held.has(slot)) {
            const before = index.entries.slice();
            index.remove(hashes[slot]!, slot, (s) => hashes[s]!);
            held.delete(slot);
            reached.removed++;
            const moved = before.filter((entry, i) => entry !== index.entries[i]).length;
            if (moved > 1) reached.shifted++;
          } else {
            hashes[slot] = hash;
            if (index.entries[index.home(hash)] !== 0) reached.collided++;
            index.insert(hash, slot);
            held.add(slot);
            reached.inserted++;
            if (index.entries[0] !== 0 && index.entries[index.size - 1] !== 0) reached.wrapped++;
          }
          if (held.size >= 40) reached.full++;
          for (let s = 0; s < 64; s++) expect(has(index, hashes[s]!, s)).toBe(held.has(s));
          expect(index.entries.reduce((n, entry) => n + (entry === 0 ? 0 : 1), 0)).toBe(held.size);
        }
      }),
      { numRuns: 25, seed: 1 },
    );
    for (const [name, times] of Object.entries(reached)) expect(times, name).toBeGreaterThan(0);
  });

  test('a slot that is not there is an error, not an endless search', () => {
    const index = new FlowIndex(4);
    index.insert(5, 1);
    expect(() => index.remove(5, 2, () => 5)).toThrow('slot 2 is not in its chain');
  });

  test.each([0, 2 ** 24 - 1])('%i flows are refused', (flows) => {
    expect(() => new FlowIndex(flows)).toThrow(RangeError);
  });

  test.each([1, 1000, 600_000, 1_000_000, 0xfffffe])(
    '%i flows cost 8 octets each (a small table 16 KiB more), and hashes spread evenly',
    (flows) => {
      const index = new FlowIndex(flows);
      expect(index.entries.byteLength).toBeLessThanOrEqual(8 * flows + (flows < 131_072 ? 16_384 : 0));
      expect(index.size).toBeGreaterThanOrEqual(1.96 * flows);
      expect([index.home(0), index.home(-1)]).toEqual([0, index.size - 1]);
      const tenths = new Array<number>(10).fill(0);
      for (let i = 0; i < 100_000; i++)
        tenths[Math.floor((index.home(Math.imul(i, 0x9e3779b1)) / index.size) * 10)]!++;
      for (const n of tenths) expect(Math.abs(n - 10_000)).toBeLessThan(500);
    },
  );

  test('the smallest table is one that fills and empties', () => {
    const index = new FlowIndex(1);
    index.insert(-1, 0);
    expect(has(index, -1, 0)).toBe(true);
    index.remove(-1, 0, () => -1);
    expect(index.entries.every((entry) => entry === 0)).toBe(true);
  });
});

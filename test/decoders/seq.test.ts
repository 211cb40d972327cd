import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seqAdd, seqAfter, seqBefore, seqDiff, seqMax } from '../../decoders/seq.ts';

describe('sequence numbers', () => {
  it('wrap', () => {
    expect(seqAdd(-1, 1)).toBe(0);
    expect(seqAdd(0x7fffffff, 1)).toBe(-0x80000000);
    expect(seqDiff(5, -5)).toBe(10);
    expect(seqDiff(-0x80000000, 0x7fffffff)).toBe(1);
    expect([seqBefore(-1, 0), seqAfter(0, -1), seqMax(-1, 0)]).toEqual([true, true, 0]);
    expect([seqBefore(0x7fffffff, -0x80000000), seqMax(0x7fffffff, -0x80000000)]).toEqual([
      true,
      -0x80000000,
    ]);
    expect([seqBefore(7, 7), seqAfter(7, 7), seqMax(7, 7)]).toEqual([false, false, 7]);
    expect([seqBefore(0, -0x80000000), seqBefore(-0x80000000, 0)]).toEqual([true, true]);
  });
  it('are ordered by distance below 2^31, anywhere on the circle', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 0x7fffffff }), (start, distance) => {
        const later = seqAdd(start, distance);
        expect([seqBefore(start, later), seqAfter(start, later), seqBefore(later, start)]).toEqual([
          true,
          false,
          false,
        ]);
        expect([seqDiff(later, start), seqMax(start, later), seqMax(later, start)]).toEqual([
          distance,
          later,
          later,
        ]);
      }),
      { numRuns: 2000, seed: 8 },
    );
  });
});

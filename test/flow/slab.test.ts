import koffi from 'koffi';
import { describe, expect, test } from 'vitest';
import { createSlab, openSlab } from '../../daemon/flow/slab.ts';
import { farOf, NEAR_WORDS, SLOT_WORDS } from '../../daemon/flow/slot.ts';

const LINE = 64;

describe('the slab of a flow table', () => {
  test.each([1, 3, 1000, 1 << 17])('of %d flows has the near parts at whole cache lines', (maxFlows) => {
    const { bytes } = openSlab(createSlab(maxFlows, false));
    expect(koffi.address(bytes) % BigInt(LINE)).toBe(0n);
    expect((NEAR_WORDS * 4) % LINE).toBe(0);
  });

  test('has a place of its own for each part of each slot', () => {
    const maxFlows = 50;
    const { words } = openSlab(createSlab(maxFlows, false));
    for (let slot = 0; slot < maxFlows; slot++) {
      const base = slot * NEAR_WORDS;
      for (let i = 0; i < NEAR_WORDS; i++) words[base + i]!++;
      for (let i = 0; i < SLOT_WORDS - NEAR_WORDS; i++) words[farOf(words, base) + i]!++;
    }
    expect(words.every((word) => word === 1)).toBe(true);
  });
});

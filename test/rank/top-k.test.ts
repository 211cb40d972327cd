import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TopK } from '../../daemon/rank/top-k.ts';

test('it keeps what sorting all of them would give, and equal ones in the order in which they came', () => {
  let withTies = 0;
  const top = new TopK();
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -5, max: 50 }), { maxLength: 300, size: 'max' }),
      fc.integer({ min: 0, max: 40 }),
      (values, limit) => {
        top.reset(limit);
        for (const [item, value] of values.entries()) top.offer(value, item);
        const wanted = values
          .map((value, item) => ({ value, item }))
          .sort((a, b) => b.value - a.value || a.item - b.item)
          .slice(0, limit)
          .map(({ item }) => item);
        expect(top.take()).toEqual(wanted);
        if (new Set(wanted.map((item) => values[item])).size < wanted.length) withTies++;
      },
    ),
  );
  expect(withTies).toBeGreaterThan(10);
});

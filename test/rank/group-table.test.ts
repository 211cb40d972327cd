import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GroupTable, KEY_WORDS, SUM } from '../../daemon/rank/group-table.ts';

test('it adds up by key as a map does, over any number of groups, and again after it was cleared', () => {
  const groups = new GroupTable();
  let mostGroups = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: 4000 }), fc.nat({ max: 3 }), fc.nat({ max: 1000 })), {
        maxLength: 5000,
        size: 'max',
      }),
      (entries) => {
        groups.clear();
        const wanted = new Map<string, number>();
        for (const [a, b, bytes] of entries) {
          groups.key.fill(0);
          groups.key[0] = a;
          groups.key[4] = -b;
          const at = groups.group();
          groups.sums[at + SUM.bytes]! += bytes;
          wanted.set(`${a} ${-b}`, (wanted.get(`${a} ${-b}`) ?? 0) + bytes);
        }
        const found = Array.from({ length: groups.count }, (_, group) => {
          const [a, , , , b] = groups.keys.subarray(group * KEY_WORDS, (group + 1) * KEY_WORDS);
          return [`${a} ${b}`, groups.sum(group, SUM.bytes)] as const;
        });
        expect(new Map(found)).toEqual(wanted);
        mostGroups = Math.max(mostGroups, groups.count);
      },
    ),
    { numRuns: 30 },
  );
  // It grew at least once.
  expect(mostGroups).toBeGreaterThan(1024);
});

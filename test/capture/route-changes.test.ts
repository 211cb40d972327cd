import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RouteChanges } from '../../daemon/capture/route-changes.ts';
import { maskWord } from '../../daemon/routes/prefix-hash.ts';

type Family = 4 | 6;

const word = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  // Neighbours, so that prefixes hold addresses and share buckets.
  fc.nat(0x3ffff).map((n) => (0x0a000000 + n * 1024) | 0),
);
const family = fc.constantFrom<Family>(4, 6);
const change = fc.record({
  family,
  first: word,
  len: fc.integer({ min: 0, max: 128 }),
  /** Now and then everything changes. */
  isAll: fc.nat(40).map((n) => n === 0),
});

test('a decision is never said to hold when a prefix that has its address changed after it', () => {
  const reached = { holds: 0, changed: 0, all: 0, neighbour: 0, hostBits: 0 };
  fc.assert(
    fc.property(
      fc.array(change, { minLength: 1, maxLength: 60, size: 'max' }),
      fc.array(fc.record({ family, address: word, at: fc.nat(60), isNear: fc.boolean(), pick: fc.nat(59) }), {
        minLength: 30,
        maxLength: 30,
      }),
      (steps, questions) => {
        const changes = new RouteChanges();
        const list: { family: Family; first: number; len: number; generation: number }[] = [];
        let all = 0;
        for (const [i, step] of steps.entries()) {
          const generation = i + 1;
          const len = step.family === 4 ? step.len % 33 : step.len;
          if (step.isAll) {
            changes.changeAll(generation);
            all = generation;
          } else {
            // Bits past the length mean nothing.
            changes.change(step.family, step.first, len, generation);
            list.push({ family: step.family, first: step.first, len, generation });
            if ((step.first & ~maskWord(Math.min(len, 32), 0)) !== 0) reached.hostBits++;
          }
        }
        for (const question of questions) {
          const near = list[question.pick % Math.max(1, list.length)];
          // An address in a prefix that changed, or any.
          const address =
            question.isNear && near !== undefined
              ? (near.first & maskWord(Math.min(near.len, 32), 0)) |
                (question.address & ~maskWord(Math.min(near.len, 32), 0))
              : question.address;
          const of = question.isNear && near !== undefined ? near.family : question.family;
          const isHeld = changes.holds(of, address, question.at);
          const isChanged = list.some(
            (each) =>
              each.family === of &&
              each.generation > question.at &&
              ((each.first ^ address) & maskWord(Math.min(each.len, 32), 0)) === 0,
          );
          if (isHeld) reached.holds++;
          if (all > question.at) reached.all++;
          else if (isChanged) reached.changed++;
          else if (!isHeld) reached.neighbour++;
          expect(isHeld && (isChanged || all > question.at)).toBe(false);
        }
      },
    ),
    { numRuns: 300 },
  );
  for (const [outcome, times] of Object.entries(reached)) expect(times, outcome).toBeGreaterThan(0);
});

test('a change of one host leaves the decisions of nearly all others', () => {
  const changes = new RouteChanges();
  changes.change(4, 0x0a010203, 32, 2);
  changes.change(6, 0x20010db8, 128, 2);
  for (const family of [4, 6] as const) {
    let held = 0;
    for (let i = 0; i < 1000; i++) if (changes.holds(family, Math.imul(i, 0x9e3779b1), 1)) held++;
    expect(held).toBeGreaterThan(998);
  }
});

test('after generations have started over nothing of before holds, and what is decided then does', () => {
  const changes = new RouteChanges();
  changes.change(4, 0x0a010203, 32, 60_000);
  changes.changeAll(60_001);
  changes.reset();
  expect(changes.holds(4, 0x0a010203, 0)).toBe(false);
  expect(changes.holds(4, 0x0a010203, 1)).toBe(true);
  expect(changes.holds(6, 0x0a010203, 1)).toBe(true);
});

import { expect, test } from 'vitest';
import { LengthFilter } from '../../daemon/routes/length-filter.ts';
import { LpmTable } from '../../daemon/routes/lpm.ts';
import { PrefixHash6 } from '../../daemon/routes/prefix-hash.ts';
import { Random } from '../support/random.ts';

/** The lengths that a filter names for an address. */
function lengths(filter: LengthFilter, first: number): number[] {
  const at = filter.slotOf(first);
  if (at < 0) return [];
  const found: number[] = [];
  for (let len = 33; len <= 128; len++)
    if ((filter.slots[at + ((len - 1) >>> 5)]! & (1 << ((len - 1) & 31))) !== 0) found.push(len);
  return found;
}

test('names each length above 32 that is there, for each first word, however it grows', () => {
  const numbers = new Random(1);
  const filter = new LengthFilter();
  const hashes = Array.from({ length: 96 }, (_, i) => new PrefixHash6(33 + i));
  const truth = new Map<number, Set<number>>();
  const words = [0, -1, 1, -0x80000000, ...Array.from({ length: 3000 }, () => numbers.below(2 ** 32) | 0)];
  for (let i = 0; i < 20_000; i++) {
    const first = numbers.pick(words);
    const len = numbers.pick([33, 48, 56, 64, 65, 96, 97, 127, 128]);
    hashes[len - 33]!.insert(Int32Array.of(first, i, 0, 0), i);
    filter.add(first, len, hashes);
    const known = truth.get(first) ?? new Set();
    truth.set(first, known.add(len));
  }
  for (const first of words)
    expect(lengths(filter, first)).toEqual([...(truth.get(first) ?? [])].sort((a, b) => a - b));
  expect(lengths(filter, 0x12345678)).toEqual([]);
});

test('forgets the first words of prefixes that are gone when it would grow', () => {
  const table = new LpmTable(4);
  const filters: LengthFilter[] = [];
  const add = LengthFilter.prototype.add;
  LengthFilter.prototype.add = function (this: LengthFilter, ...args): void {
    if (!filters.includes(this)) filters.push(this);
    add.apply(this, args);
  };
  try {
    for (let i = 0; i < 100_000; i++) {
      const prefix = Int32Array.of(Math.imul(i, 0x9e3779b1), 0, 0, 0);
      table.insert(prefix, 48, i);
      expect(table.find(prefix, 128)).toBe(i);
      table.remove(prefix, 48);
    }
  } finally {
    LengthFilter.prototype.add = add;
  }
  expect(filters).toHaveLength(1);
  expect(filters[0]!.slots.length).toBeLessThan(1024);
});

test('a table of many /32 and shorter, with longer ones below some, agrees with a scan while they come and go', () => {
  const numbers = new Random(9);
  const table = new LpmTable(4);
  const entries = new Map<string, { words: Int32Array; len: number; value: number }>();
  const reached = { long: 0, short: 0, stale: 0, miss: 0 };
  const prefix = (): { words: Int32Array; len: number } => {
    const words = Int32Array.of(
      0x20010000 + numbers.below(2000),
      numbers.below(4) << 30,
      0,
      numbers.below(3),
    );
    const len = numbers.pick([16, 24, 29, 32, 32, 32, 33, 34, 48, 64, 128]);
    for (let i = 0; i < 4; i++) {
      const bits = len - i * 32;
      words[i] = words[i]! & (bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits));
    }
    return { words, len };
  };
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 1500; i++) {
      const { words, len } = prefix();
      const key = `${words.join()}/${len}`;
      if (numbers.below(5) < (round < 12 ? 4 : 1)) {
        table.insert(words, len, i);
        entries.set(key, { words, len, value: i });
      } else if (entries.delete(key)) {
        expect(table.remove(words, len)).toBe(true);
        if (len > 32) reached.stale++;
      }
    }
    // By their text, longest first: the scan of a prefix is one look-up a length.
    const find = (asked: Int32Array, maxLen: number): { value: number; len: number } => {
      for (let len = maxLen; len >= 0; len--) {
        const words = Int32Array.from(asked, (word, i) => {
          const bits = len - i * 32;
          return word & (bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits));
        });
        const entry = entries.get(`${words.join()}/${len}`);
        if (entry !== undefined) return entry;
      }
      return { value: -1, len: -1 };
    };
    for (let i = 0; i < 100; i++) {
      const asked = Int32Array.of(
        0x20010000 + numbers.below(2100),
        numbers.below(4) << 30,
        0,
        numbers.below(3),
      );
      for (let maxLen = 128; maxLen >= 0; ) {
        const expected = find(asked, maxLen);
        expect(table.find(asked, maxLen)).toBe(expected.value);
        expect(table.matchedLen).toBe(expected.len);
        reached[expected.len === -1 ? 'miss' : expected.len > 32 ? 'long' : 'short']++;
        maxLen = expected.len - 1;
      }
    }
  }
  for (const [outcome, times] of Object.entries(reached)) expect(times, outcome).toBeGreaterThan(0);
});

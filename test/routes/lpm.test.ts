import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { LpmTable } from '../../daemon/routes/lpm.ts';
import { Ipv4Trie } from '../../daemon/routes/lpm-trie.ts';
import { maskWord } from '../../daemon/routes/prefix-hash.ts';
import { Random } from '../support/random.ts';

/** The obvious way: every prefix is looked at. */
function slowFind(
  entries: ReadonlyMap<string, { words: Int32Array; len: number; value: number }>,
  address: Int32Array,
  maxLen: number,
): { value: number; len: number } {
  let best = { value: -1, len: -1 };
  for (const { words, len, value } of entries.values()) {
    if (len > maxLen || len <= best.len) continue;
    if (words.every((word, i) => ((word ^ address[i]!) & maskWord(len, i)) === 0)) best = { value, len };
  }
  return best;
}

const keyOf = (words: Int32Array, len: number): string =>
  `${[...words].map((word, i) => word & maskWord(len, i)).join(',')}/${len}`;

describe.each([
  { version: 4, words: 1 as const, bits: 32 },
  { version: 6, words: 4 as const, bits: 128 },
])('longest prefix match, IPv$version', ({ words, bits }) => {
  // Few distinct bits, so that prefixes nest and collide.
  const word = fc.constantFrom(0, -1, 0x0a000000, 0x0a010000, 0x0a010100, 0x7fffffff, -0x80000000, 1);
  const address = fc.oneof(
    word.map((value) => new Int32Array(words).fill(value)),
    fc.array(word, { minLength: words, maxLength: words }).map((list) => Int32Array.from(list)),
  );
  const step = fc.record({
    add: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
    address,
    len: fc.oneof(fc.constantFrom(0, 8, bits), fc.integer({ min: 0, max: bits })),
    value: fc.nat(0x7fffffff),
  });

  test('agrees with a scan of all prefixes through inserts and removes', () => {
    const reached = { hit: 0, miss: 0, removed: 0, replaced: 0, defaultRoute: 0, host: 0 };
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 200, size: 'max' }),
        fc.array(fc.tuple(address, fc.integer({ min: -1, max: bits })), { minLength: 20, maxLength: 40 }),
        (steps, queries) => {
          const table = new LpmTable(words);
          const entries = new Map<string, { words: Int32Array; len: number; value: number }>();
          for (const { add, address: prefix, len, value } of steps) {
            const key = keyOf(prefix, len);
            if (add) {
              if (entries.has(key)) reached.replaced++;
              table.insert(prefix, len, value);
              entries.set(key, { words: prefix, len, value });
            } else {
              const had = entries.delete(key);
              if (had) reached.removed++;
              expect(table.remove(prefix, len)).toBe(had);
            }
            expect(table.get(prefix, len)).toBe(entries.get(key)?.value ?? -1);
          }
          expect(table.size).toBe(entries.size);
          for (const [asked, maxLen] of queries) {
            const expected = slowFind(entries, asked, maxLen);
            expect(table.find(asked, maxLen)).toBe(expected.value);
            expect(table.matchedLen).toBe(expected.len);
            if (expected.len === -1) reached.miss++;
            else reached.hit++;
            if (expected.len === 0) reached.defaultRoute++;
            if (expected.len === bits) reached.host++;
          }
        },
      ),
      { numRuns: 300 },
    );
    for (const [outcome, times] of Object.entries(reached)) expect(times, outcome).toBeGreaterThan(0);
  });

  test('keeps 100,000 prefixes of mixed lengths, and finds none after they are removed', () => {
    const table = new LpmTable(words);
    const prefix = new Int32Array(words);
    const at = (i: number): number => {
      prefix[words - 1] = Math.imul(i, 2654435761);
      prefix[0] = Math.imul(i, 2654435761);
      return bits - (i % 3);
    };
    const seen = new Map<string, number>();
    for (let i = 0; i < 100_000; i++) {
      const len = at(i);
      table.insert(prefix, len, i);
      seen.set(keyOf(prefix, len), i);
    }
    expect(table.size).toBe(seen.size);
    for (let i = 0; i < 100_000; i += 97) {
      const len = at(i);
      expect(table.get(prefix, len)).toBe(seen.get(keyOf(prefix, len)));
    }
    for (let i = 0; i < 100_000; i++) {
      const len = at(i);
      const key = keyOf(prefix, len);
      expect(table.remove(prefix, len)).toBe(seen.delete(key));
    }
    expect(table.size).toBe(0);
    at(1);
    expect(table.find(prefix, bits)).toBe(-1);
  });

  test('a large table agrees with a scan after each thousand inserts and removes', () => {
    const numbers = new Random(7 + words);
    const next = (n: number): number => numbers.below(n);
    const table = new LpmTable(words);
    const entries = new Map<string, { words: Int32Array; len: number; value: number }>();
    // A corner of the address space, so that prefixes nest, with hosts next to each other and a default route.
    const address = (): Int32Array =>
      Int32Array.from({ length: words }, () => (0x0a000000 + next(1 << 20) * (next(2) === 0 ? 1 : 257)) | 0);
    const length = (): number => [0, 7, 16, 17, 24, 25, 28, 30, bits, bits - next(12)][next(10)]!;
    const reached = { large: 0, removed: 0, hit: 0, miss: 0, shorter: 0 };
    for (let round = 0; round < 24; round++) {
      for (let i = 0; i < 1000; i++) {
        const prefix = address();
        const len = length();
        table.insert(prefix, len, i);
        entries.set(keyOf(prefix, len), { words: prefix, len, value: i });
      }
      const keys = [...entries.keys()];
      // More and more are taken out, until the table is small again.
      for (let i = 0; i < Math.max(0, round - 10) * 500; i++) {
        const key = keys[next(keys.length)]!;
        const entry = entries.get(key);
        if (entry === undefined) continue;
        expect(table.remove(entry.words, entry.len)).toBe(true);
        entries.delete(key);
        reached.removed++;
      }
      expect(table.size).toBe(entries.size);
      if (entries.size > 4096) reached.large++;
      for (let i = 0; i < 60; i++) {
        const asked = address();
        let maxLen = bits;
        // All matches, longest first.
        for (let n = 0; n < 3 && maxLen >= 0; n++) {
          const expected = slowFind(entries, asked, maxLen);
          expect(table.find(asked, maxLen)).toBe(expected.value);
          expect(table.matchedLen).toBe(expected.len);
          reached[expected.len === -1 ? 'miss' : n > 0 ? 'shorter' : 'hit']++;
          maxLen = expected.len - 1;
        }
      }
    }
    for (const [outcome, times] of Object.entries(reached)) expect(times, outcome).toBeGreaterThan(0);
  });

  test('a prefix length or value out of range is refused', () => {
    const table = new LpmTable(words);
    expect(() => table.insert(new Int32Array(words), bits + 1, 0)).toThrow(RangeError);
    expect(() => table.insert(new Int32Array(words), -1, 0)).toThrow(RangeError);
    expect(() => table.insert(new Int32Array(words), 8, -1)).toThrow(RangeError);
  });
});

test('hosts of ever new networks do not cost a large IPv4 table its trie', () => {
  const find = vi.spyOn(Ipv4Trie.prototype, 'find');
  onTestFinished(() => find.mockRestore());
  const table = new LpmTable(1);
  const asked = new Int32Array(1);
  for (let i = 0; i < 5000; i++) table.insert(Int32Array.of(0x0a000000 + i * 256), 24, i);
  for (let i = 0; i < 300_000; i++) {
    const host = Int32Array.of(0x20000000 + i * 256 + 7);
    table.insert(host, 32, i);
    if (i % 1000 === 0) expect(table.find(host, 32)).toBe(i);
    table.remove(host, 32);
    if (i % 1000 === 0) expect(table.find(host, 32)).toBe(-1);
  }
  find.mockClear();
  for (let i = 0; i < 5000; i++) {
    asked[0] = 0x0a000000 + i * 256 + 9;
    expect(table.find(asked, 32)).toBe(i);
  }
  expect(find).toHaveBeenCalledTimes(5000);
});

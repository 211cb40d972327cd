import { describe, expect, test } from 'vitest';
import { hashKey, KEY_TAILS } from '../../daemon/flow/key.ts';
import { KEY_IPV6, TAIL_WORDS, W } from '../../daemon/flow/slot.ts';

/** The word whose contribution to one round of murmur3 is `k`: its steps, turned round. */
function murmurWord(k: number): number {
  const inverse = (odd: number): number => {
    let x = odd;
    for (let i = 0; i < 5; i++) x = Math.imul(x, 2 - Math.imul(odd, x));
    return x;
  };
  const rotated = Math.imul(k, inverse(0x1b873593));
  return Math.imul((rotated >>> 15) | (rotated << 17), inverse(0xcc9e2d51 | 0));
}

function key(version: 4 | 6, lo: number[], hi: number[], ports = 0x04d20050): Int32Array {
  const words = new Int32Array(12);
  words[W.key] = (6 << 16) | (version === 6 ? KEY_IPV6 : 0);
  words[W.ports] = ports;
  words[W.addrLo] = lo[0]!;
  words[W.addrHi] = hi[0]!;
  words.set(lo.slice(1), KEY_TAILS);
  words.set(hi.slice(1), KEY_TAILS + TAIL_WORDS);
  return words;
}

/** Different hashes of keys, on average over seeds. */
function distinct(keys: Int32Array[]): number {
  const SEEDS = 200;
  let sum = 0;
  for (let i = 0; i < SEEDS; i++) {
    const seed = Math.imul(i + 1, 0x9e3779b1) >>> 1;
    sum += new Set(keys.map((words) => hashKey(words, 0, KEY_TAILS, seed, 0))).size;
  }
  return sum / SEEDS;
}

describe('the hash of a flow', () => {
  test('has no keys that collide whatever the seed: those of murmur3 do not', () => {
    // A flip of bit 18 becomes one of bit 31, which the next word flips back: in murmur3 with every seed.
    const [a, b] = [0x1234567, 0x7654321];
    const keys = [
      key(4, [murmurWord(a)], [murmurWord(b)]),
      key(4, [murmurWord(a ^ (1 << 18))], [murmurWord(b ^ (1 << 31))]),
    ];
    expect(distinct(keys)).toBe(2);
  });

  test('nor has IPv6, where four pairs of words give sixteen of them', () => {
    const keys = Array.from({ length: 16 }, (_, bits) => {
      const pair = (i: number): [number, number] => {
        const isFlipped = ((bits >>> i) & 1) === 1;
        return [
          murmurWord((1000 + i) ^ (isFlipped ? 1 << 18 : 0)),
          murmurWord((2000 + i) ^ (isFlipped ? 1 << 31 : 0)),
        ];
      };
      const pairs = [0, 1, 2, 3].map(pair);
      return key(
        6,
        pairs.map(([lo]) => lo),
        pairs.map(([, hi]) => hi),
      );
    });
    expect(distinct(keys)).toBeGreaterThan(15.99);
  });

  test.each([
    ['ports', (i: number) => key(4, [0x0a000001], [0x0a000002], i)],
    ['addresses that count up', (i: number) => key(4, [0x0a000001], [0x0b000000 + i])],
    ['addresses of which the upper half counts up', (i: number) => key(4, [0x0a000001], [i << 16])],
    ['both addresses', (i: number) => key(4, [0x0a000000 | (i & 255)], [0x0b000000 | (i >>> 8)])],
    ['the last words of IPv6', (i: number) => key(6, [1, 2, 3, i], [1, 2, 3, -i])],
    ['equal words, that must not cancel', (i: number) => key(6, [i, i, i, i], [i, i, i, i], i)],
  ])('spreads %s over all of its bits', (_, make) => {
    const keys = Array.from({ length: 4096 }, (__, i) => make(i));
    expect(distinct(keys)).toBeGreaterThan(4095.9);
    for (const shift of [0, 8, 20]) {
      const buckets = new Set(keys.map((words) => (hashKey(words, 0, KEY_TAILS, 12345, 0) >>> shift) & 4095));
      expect(buckets.size / 4096).toBeCloseTo(1 - 1 / Math.E, 1);
    }
  });
});

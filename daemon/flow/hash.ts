/** One round of murmur3's 32-bit mixing; `h` and `word` are int32. Public domain algorithm by Austin Appleby. */
export function mix(h: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51 | 0);
  k = (k << 15) | (k >>> 17);
  h ^= Math.imul(k, 0x1b873593);
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + (0xe6546b64 | 0)) | 0;
}

/**
 * A word as seen through a key: every bit of the result depends on all of both. Unlike a round of `mix`, whose top bit goes
 * through untouched, there is no difference of words whose effect is known without the key.
 */
export function keyed(word: number, key: number): number {
  let h = word ^ key;
  h ^= h >>> 16;
  h = Math.imul(h, 0x7feb352d);
  h = (h + key) | 0;
  h ^= h >>> 15;
  h = Math.imul(h, 0x846ca68b | 0);
  return h ^ (h >>> 16);
}

/** murmur3's finaliser: every input bit reaches every output bit. */
export function finish(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b | 0);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35 | 0);
  return h ^ (h >>> 16);
}

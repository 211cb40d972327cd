/**
 * Buckets of addresses: a change of routes is noted for the bucket of its prefix, or for all that it covers. 16 bits: with
 * some hundred changes between two packets of a flow few flows are touched by chance (bench/NOTES.md).
 */
const BUCKET_BITS = 16;
const BUCKETS = 1 << BUCKET_BITS;

/**
 * When routes last changed, by address: what tells a flow's decision that still holds from one that has to be made again.
 * Times are generations, 1 and up; an address whose bucket changed after a decision may have another one now.
 */
export class RouteChanges {
  #all = 0;
  /** By the first BUCKET_BITS bits of an IPv4 address. */
  #v4 = new Int32Array(BUCKETS);
  /** By a hash of the first 32 bits of an IPv6 address, for prefixes of that length and longer; and for shorter ones. */
  #v6 = new Int32Array(BUCKETS);
  #short6 = 0;

  /** Everything may be decided otherwise: rules, interfaces or settings changed. */
  changeAll(generation: number): void {
    this.#all = generation;
  }

  /** The routes of a prefix changed. @param first its first word, in host order */
  change(family: 4 | 6, first: number, len: number, generation: number): void {
    if (family === 6) {
      if (len < 32) this.#short6 = generation;
      else this.#v6[bucket6(first)] = generation;
      return;
    }
    const bucket = first >>> (32 - BUCKET_BITS);
    if (len >= BUCKET_BITS) {
      this.#v4[bucket] = generation;
      return;
    }
    const covered = 1 << (BUCKET_BITS - len);
    const start = bucket & -covered;
    this.#v4.fill(generation, start, start + covered);
  }

  /** True when no change since `generation` touches an address. @param first its first word */
  holds(family: 4 | 6, first: number, generation: number): boolean {
    if (this.#all > generation) return false;
    if (family === 4) return this.#v4[first >>> (32 - BUCKET_BITS)]! <= generation;
    return this.#short6 <= generation && this.#v6[bucket6(first)]! <= generation;
  }

  /** Generations start over at 1; all that was tagged before is to be tagged anew. */
  reset(): void {
    this.#all = 1;
    this.#short6 = 0;
    // New ones, not filled ones: memory of which nothing was written yet costs nothing, and most namespaces change little.
    this.#v4 = new Int32Array(BUCKETS);
    this.#v6 = new Int32Array(BUCKETS);
  }
}

function bucket6(first: number): number {
  return (Math.imul(first ^ (first >>> 15), 0x9e3779b1) >>> (32 - BUCKET_BITS)) & (BUCKETS - 1);
}

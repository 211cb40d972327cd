import type { FilterAddress } from './filter-ast.ts';

/** Networks of one length and family. */
interface Group {
  /** 1 or 4. */
  words: number;
  mask: Int32Array;
  /** First addresses, `words` words each, in ascending order. */
  sorted: Int32Array;
}

/** Many networks and addresses to look an address up in: one binary search for each prefix length there is. */
export class NetSet {
  readonly #groups: readonly Group[];

  /** @param nets octets behind a prefix are ignored; an address is a network of 32 or 128 bits */
  constructor(nets: readonly (FilterAddress & { prefixLen: number })[]) {
    const byLength = Map.groupBy(nets, ({ bytes, prefixLen }) => bytes.length * 1000 + prefixLen);
    this.#groups = [...byLength.values()].map((each) => groupOf(each));
  }

  /**
   * True when one of the networks holds the address.
   * @param words the address in network order from `off` on, see FilterSubject
   * @param count words of it: 1 or 4; 0: there is none
   */
  has(words: Int32Array, off: number, count: number): boolean {
    const groups = this.#groups;
    for (let i = 0; i < groups.length; i++) {
      const group = groups[i]!;
      if (group.words === count && find(group, words, off)) return true;
    }
    return false;
  }
}

/** Writes an address of 4 or 16 octets into words. @returns how many: 1 or 4 */
export function putAddress(
  words: Int32Array,
  at: number,
  bytes: Uint8Array,
  off: number,
  octets: number,
): 1 | 4 {
  const count = octets === 16 ? 4 : 1;
  for (let k = 0; k < count; k++) {
    const i = off + k * 4;
    words[at + k] = (bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!;
  }
  return count;
}

/** Writes the four words from `at` on as 16 octets: those of an IPv4 address come first. */
export function takeAddress(words: Int32Array, at: number, to: Uint8Array): void {
  for (let i = 0; i < 16; i++) to[i] = words[at + (i >> 2)]! >>> (24 - 8 * (i & 3));
}

function groupOf(nets: readonly (FilterAddress & { prefixLen: number })[]): Group {
  const { bytes: first, prefixLen } = nets[0]!;
  const words = first.length / 4;
  const mask = new Int32Array(words);
  for (let bit = 0; bit < prefixLen; bit++) mask[bit >> 5]! |= 1 << (31 - (bit & 31));
  const rows = nets.map(({ bytes }) => {
    const row = new Int32Array(words);
    putAddress(row, 0, bytes, 0, bytes.length);
    for (let k = 0; k < words; k++) row[k]! &= mask[k]!;
    return row;
  });
  rows.sort(compareWords);
  const sorted = new Int32Array(rows.length * words);
  for (const [i, row] of rows.entries()) sorted.set(row, i * words);
  return { words, mask, sorted };
}

function compareWords(a: Int32Array, b: Int32Array): number {
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return a[k]! < b[k]! ? -1 : 1;
  return 0;
}

function find({ words: count, mask, sorted }: Group, words: Int32Array, off: number): boolean {
  let low = 0;
  let high = sorted.length / count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    let order = 0;
    for (let k = 0; k < count && order === 0; k++) {
      const wanted = words[off + k]! & mask[k]!;
      const there = sorted[middle * count + k]!;
      order = wanted < there ? -1 : wanted > there ? 1 : 0;
    }
    if (order === 0) return true;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return false;
}

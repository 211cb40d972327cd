/** Values below this fit beside a prefix length in one entry. */
export const TRIE_VALUES = 1 << 24;
/** Nodes of 1 KiB. A full BGP table takes about 65,000; more come only of host routes, which the hashes find as fast. */
const NODES_MAX = 1 << 17;
const NODE_BITS = 8;
const NODE_SIZE = 1 << NODE_BITS;
const FIRST_NODES = 64;

/**
 * IPv4 prefixes as a table of 2^16 entries and nodes of 2^8 below it, each entry holding the longest prefix over it
 * ("leaf pushing"): a match costs one to three loads. (Gupta, Lin, McKeown 1998, with 16-8-8 bits for their 24-8.)
 *
 * An entry is 0 for no prefix, `length + 1` in its upper octet and the value below for one, and `~node` for a node.
 */
export class Ipv4Trie {
  readonly #root = new Int32Array(1 << 16);
  #nodes = new Int32Array(FIRST_NODES * NODE_SIZE);
  #count = 0;

  /** The entry of the longest prefix over the address (word in host order); 0 for none. */
  find(address: number): number {
    let entry = this.#root[address >>> 16]!;
    if (entry >= 0) return entry;
    const nodes = this.#nodes;
    entry = nodes[(~entry << NODE_BITS) | ((address >>> 8) & 0xff)]!;
    return entry >= 0 ? entry : nodes[(~entry << NODE_BITS) | (address & 0xff)]!;
  }

  /**
   * Adds a prefix or gives it another value.
   * @param prefix word in host order, no bits past `len`
   * @param value  below TRIE_VALUES
   * @returns false when the trie has no room: it is of no use any more
   */
  insert(prefix: number, len: number, value: number): boolean {
    return this.#paint(prefix, len, entryOf(len, value));
  }

  /**
   * Takes out a prefix that is there.
   * @param cover entry of the longest prefix that holds it, 0 for none; see `entryOf`
   */
  remove(prefix: number, len: number, cover: number): void {
    this.#paint(prefix, len, cover);
  }

  /** Writes `entry` over what is under the prefix, except over longer prefixes. */
  #paint(prefix: number, len: number, entry: number): boolean {
    const high = prefix >>> 16;
    if (len <= 16) {
      for (let i = 0; i < 1 << (16 - len); i++) this.#paintEntry(this.#root, high + i, len + 1, entry);
      return true;
    }
    let node = this.#child(this.#root, high);
    if (node === -1) return false;
    let at = (node << NODE_BITS) | ((prefix >>> 8) & 0xff);
    let count = 1 << (24 - len);
    if (len > 24) {
      node = this.#child(null, at);
      if (node === -1) return false;
      at = (node << NODE_BITS) | (prefix & 0xff);
      count = 1 << (32 - len);
    }
    for (let i = 0; i < count; i++) this.#paintEntry(this.#nodes, at + i, len + 1, entry);
    return true;
  }

  #paintEntry(entries: Int32Array, at: number, to: number, entry: number): void {
    const old = entries[at]!;
    if (old < 0) {
      const first = ~old << NODE_BITS;
      for (let i = 0; i < NODE_SIZE; i++) this.#paintEntry(this.#nodes, first + i, to, entry);
    } else if (old >>> 24 <= to) entries[at] = entry;
  }

  /** The node below an entry of the root, or with null of the nodes; makes it. @returns -1 without room */
  #child(root: Int32Array | null, at: number): number {
    const old = (root ?? this.#nodes)[at]!;
    if (old < 0) return ~old;
    if (this.#count === NODES_MAX) return -1;
    if ((this.#count + 1) * NODE_SIZE > this.#nodes.length) {
      const nodes = new Int32Array(this.#nodes.length * 2);
      nodes.set(this.#nodes);
      this.#nodes = nodes;
    }
    const node = this.#count++;
    this.#nodes.fill(old, node << NODE_BITS, (node + 1) << NODE_BITS);
    (root ?? this.#nodes)[at] = ~node;
    return node;
  }
}

/** The entry of a prefix. */
export function entryOf(len: number, value: number): number {
  return ((len + 1) << 24) | value;
}

/**
 * The hash index of the flow table: open addressing over one Int32Array, linear probing, at most half full. An entry is
 * `tag << 24 | slot + 1`, where the tag is the top 8 bits of the hash, so that most probes of other flows end without
 * touching their slot; 0 is empty. Removal shifts later entries back (no tombstones, so it never degrades).
 *
 * Comparing keys is the table's work: it walks `entries` itself, which keeps the hot path free of a callback.
 */
export class FlowIndex {
  readonly entries: Int32Array;
  readonly mask: number;

  /** @param maxFlows at most 2^24 - 2: an entry has 24 bits for the slot */
  constructor(maxFlows: number) {
    if (maxFlows < 1 || maxFlows > 0xfffffe) {
      throw new RangeError(`flow index: ${maxFlows} flows; 1 to ${0xfffffe} are possible`);
    }
    const size = 2 ** Math.ceil(Math.log2(maxFlows * 2));
    this.entries = new Int32Array(size);
    this.mask = size - 1;
  }

  /** Puts `slot` at the first free place of its chain. The caller knows that it is not there yet. */
  insert(hash: number, slot: number): void {
    let at = hash & this.mask;
    while (this.entries[at] !== 0) at = (at + 1) & this.mask;
    this.entries[at] = (hash & 0xff000000) | (slot + 1);
  }

  /**
   * Takes `slot` out.
   * @param hashOf hash of the flow in a slot: entries behind the gap are moved only if that brings them nearer home
   */
  remove(hash: number, slot: number, hashOf: (slot: number) => number): void {
    const { entries, mask } = this;
    let at = hash & mask;
    while ((entries[at]! & 0xffffff) !== slot + 1) {
      if (entries[at] === 0) throw new Error(`flow index: slot ${slot} is not in its chain`);
      at = (at + 1) & mask;
    }
    let gap = at;
    for (;;) {
      at = (at + 1) & mask;
      const entry = entries[at]!;
      if (entry === 0) break;
      const home = hashOf((entry & 0xffffff) - 1) & mask;
      if (((at - home) & mask) >= ((at - gap) & mask)) {
        entries[gap] = entry;
        gap = at;
      }
    }
    entries[gap] = 0;
  }
}

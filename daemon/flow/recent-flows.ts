import * as layout from './slot.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { ports: PORTS, addrLo: ADDR_LO, addrHi: ADDR_HI } = layout.W;

/** Places: 64 KiB, which stay in a core's second cache, and as many as flows from which on FlowsAhead guesses. */
const PLACE_BITS = 14;
/** Odd numbers without pattern. The second of the golden ratio. */
const SPREAD_HI = 0x2b7e1517;
const SPREAD = 0x9e3779b1 | 0;

/**
 * In which slots the flows of the latest packets are: a guess that spares the hash against which nobody can choose addresses, and the
 * way through the index, as most packets belong to a flow that had one before. Whoever chooses addresses can make these
 * guesses wrong, and gains nothing by it: each is compared, and behind it comes what there is without it.
 */
export class RecentFlows {
  /** `tag << 24 | slot + 1`, so that the guess of another flow ends without touching its slot, but for one in 256. */
  readonly #entries = new Int32Array(1 << PLACE_BITS);

  /** The slot in which the flow with this key may be; -1: not known. @param k words of a FlowKey */
  guess(k: Int32Array): number {
    const h = spread(k);
    const entry = this.#entries[h >>> (32 - PLACE_BITS)]!;
    return ((entry ^ (h << 16)) & 0xff000000) === 0 ? (entry & 0xffffff) - 1 : -1;
  }

  /** Notes in which slot the flow with this key is. */
  note(k: Int32Array, slot: number): void {
    const h = spread(k);
    this.#entries[h >>> (32 - PLACE_BITS)] = ((h << 16) & 0xff000000) | (slot + 1);
  }
}

function spread(k: Int32Array): number {
  return Math.imul(k[PORTS]! ^ k[ADDR_LO]! ^ Math.imul(k[ADDR_HI]!, SPREAD_HI), SPREAD);
}

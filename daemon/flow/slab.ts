import { InnerFlows } from './inner-flows.ts';
import type { Slab } from './record.ts';
import { SLOT_BYTES, SLOT_WORDS } from './slot.ts';
import { MAX_CAPTURES } from './table-options.ts';
import { TimestampProbes } from './tcp-timestamps.ts';
import { TroubleTable } from './trouble.ts';

/** Number of slots that were ever used, in `SlabShared.control`: those behind were never touched. */
const USED = 0;

/** A flow table's memory as plain data, for another thread to look at: see openSlab. */
export interface SlabShared {
  maxFlows: number;
  slots: SharedArrayBuffer;
  control: SharedArrayBuffer;
  trouble: SharedArrayBuffer;
  /** null: no flow is inside a tunnel. */
  inner: SharedArrayBuffer | null;
}

/** Reserves the memory of a flow table whole; it is touched only as flows come. */
export function createSlab(maxFlows: number, tunnels: boolean): SlabShared {
  return {
    maxFlows,
    // One that may grow, though it does not: it begins at a page, others 16 octets behind the begin of one (V8 13).
    slots: new SharedArrayBuffer(maxFlows * SLOT_BYTES, { maxByteLength: maxFlows * SLOT_BYTES }),
    control: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
    trouble: new SharedArrayBuffer(TroubleTable.bytes(maxFlows)),
    inner: tunnels ? new SharedArrayBuffer(InnerFlows.bytes(maxFlows)) : null,
  };
}

/** A slab whose slots in use are counted: by the flow table, for those who look at it. */
export class SharedSlab implements Slab {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly bytes: Uint8Array;
  readonly trouble: TroubleTable;
  readonly probes: TimestampProbes;
  readonly inner: InnerFlows | null;
  readonly maxFlows: number;
  readonly #control: Int32Array;

  /** @param isOwner false: only looks, and has no probes */
  constructor(shared: SlabShared, isOwner: boolean) {
    const { maxFlows, slots, control, trouble, inner } = shared;
    this.maxFlows = maxFlows;
    // With a length of their own, as views that follow a buffer's are slower.
    this.words = new Int32Array(slots, 0, maxFlows * SLOT_WORDS);
    this.doubles = new Float64Array(slots, 0, (maxFlows * SLOT_WORDS) / 2);
    this.bytes = new Uint8Array(slots, 0, maxFlows * SLOT_BYTES);
    this.trouble = new TroubleTable(maxFlows, isOwner ? MAX_CAPTURES : 0, trouble);
    this.probes = new TimestampProbes(isOwner ? maxFlows : 0);
    this.inner = inner === null ? null : new InnerFlows(maxFlows, inner);
    this.#control = new Int32Array(control);
  }

  /** Slots that were ever used. */
  get used(): number {
    return Atomics.load(this.#control, USED);
  }

  /** Told by the flow table when it takes a slot for the first time. */
  set used(count: number) {
    Atomics.store(this.#control, USED, count);
  }
}

/**
 * Looks at the flow table of another thread, which goes on meanwhile and is not made to wait: what is read of a flow may be of
 * before and after a packet at once, and a slot may be given to another flow between two reads. Whoever reads more than
 * one word compares `flowSeq` before and after.
 */
export function openSlab(shared: SlabShared): SharedSlab {
  return new SharedSlab(shared, false);
}

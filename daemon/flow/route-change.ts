import { type FlowBatch, NONE_U8 } from '../../storage/flow-batch.ts';
import { flowSeqOf } from './counters.ts';
import type { Slab } from './record.ts';
import { BIT, D, F, farOf, nearOf, W } from './slot.ts';

/**
 * Writes that the decision of one side of a flow changes with the packet that was just counted, as the next change of
 * `batch`. The slot still has the decision before, and the bits of the changes before. Changes are told by side: who is
 * the originator may be corrected later, and then all records say so.
 *
 * The time is that of the flow's latest packet, which is this one, unless it came out of order: then the changes of a side
 * stay in the order in which they were made, and within the flow's start and end.
 */
export function writeRouteChange(
  slab: Slab,
  slot: number,
  side: number,
  decision: number,
  batch: FlowBatch,
): void {
  const base = nearOf(slot);
  const dbase = base >>> 1;
  const { words, doubles } = slab;
  const c = batch.changes;
  const i = batch.changeCount;
  c.flowSeq[i] = flowSeqOf(words, slot);
  c.sec[i] = doubles[dbase + D.startSec]! + words[base + W.lastDelta]!;
  c.nsec[i] = words[base + W.lastNsec]!;
  c.previous[i] = words[farOf(words, base) + F.route0 + side]!;
  c.decision[i] = decision;
  c.side[i] = side;
  c.isFirst[i] = (words[base + W.bits]! & (BIT.routeChanged0 << side)) === 0 ? 1 : 0;
  batch.changeCount = i + 1;
}

/** What a record says in `routeOrigSide`. @param bits of the slot */
export function routeOrigSide(bits: number): number {
  if ((bits & (BIT.routeChanged0 | (BIT.routeChanged0 << 1))) === 0) return NONE_U8;
  return (bits & BIT.origIsHi) !== 0 ? 1 : 0;
}

import { MAX_DELTA } from './reuse.ts';
import { BIT, D, SLOT_DOUBLES, SLOT_WORDS, W } from './slot.ts';

/**
 * A packet older than the flow's first one: the start of the flow in `slot` moves back, and what is relative to it moves
 * along.
 * @param sec  the packet's time: whole seconds since the epoch
 * @param nsec and nanoseconds
 */
export function moveStart(
  words: Int32Array,
  doubles: Float64Array,
  slot: number,
  sec: number,
  nsec: number,
): void {
  const base = slot * SLOT_WORDS;
  const dbase = slot * SLOT_DOUBLES;
  const shift = doubles[dbase + D.startSec]! - sec;
  doubles[dbase + D.startSec] = sec;
  words[base + W.startNsec] = nsec;
  words[base + W.lastDelta] = words[base + W.lastDelta]! + shift;
  words[base + W.checkpointDelta] = Math.min(words[base + W.checkpointDelta]! + shift, MAX_DELTA);
  const bits = words[base + W.bits]!;
  if ((bits & BIT.synTime) !== 0 && (bits & BIT.rttKnown) === 0)
    words[base + W.rtt] = (words[base + W.rtt]! + shift) | 0;
}

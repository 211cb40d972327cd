import { MAX_DELTA } from './reuse.ts';
import { BIT, D, F, farOf, nearOf, W } from './slot.ts';

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
  const base = nearOf(slot);
  const far = farOf(words, base);
  const dbase = base >>> 1;
  const shift = doubles[dbase + D.startSec]! - sec;
  doubles[dbase + D.startSec] = sec;
  words[far + F.startNsec] = nsec;
  words[base + W.lastDelta] = words[base + W.lastDelta]! + shift;
  words[far + F.checkpointDelta] = Math.min(words[far + F.checkpointDelta]! + shift, MAX_DELTA);
  const bits = words[base + W.bits]!;
  if ((bits & BIT.synTime) !== 0 && (bits & BIT.rttKnown) === 0)
    words[far + F.rtt] = (words[far + F.rtt]! + shift) | 0;
}

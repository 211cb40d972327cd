import type { PacketFields } from '../../decoders/packet-fields.ts';
import { CLOCK_STEP } from './clock.ts';
import { packetsOf } from './counters.ts';
import type { Slab } from './record.ts';
import * as layout from './slot.ts';
import { type FlowTimeouts, idleTimeout } from './timeouts.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { D, nearOf, W } = layout;

/**
 * The first second at which all of the flow's timeout has passed if nothing more comes, so that what is sent once in as
 * long stays one flow; -Infinity when its last packet was before the clock was set back.
 * @param now seconds of the packets' time
 */
export function deadlineOf(slab: Slab, slot: number, timeouts: FlowTimeouts, now: number): number {
  const last = slab.doubles[(nearOf(slot) >>> 1) + D.startSec]! + slab.words[nearOf(slot) + W.lastDelta]!;
  if (last - now > CLOCK_STEP) return Number.NEGATIVE_INFINITY;
  const rest = slab.words[nearOf(slot) + W.lastNsec]! > 0 ? 1 : 0;
  return last + rest + timeoutOf(slab, slot, timeouts);
}

/**
 * Whether a packet is older than all of a flow by more than would have ended it the other way round: the clock was set
 * back, or the file has parts of another time. Then it is another flow, and the times of both stay true.
 */
export function isLongBefore(slab: Slab, slot: number, timeouts: FlowTimeouts, f: PacketFields): boolean {
  const gap = slab.doubles[(nearOf(slot) >>> 1) + D.startSec]! - f.tsSec;
  return gap > CLOCK_STEP && gap > timeoutOf(slab, slot, timeouts);
}

function timeoutOf({ words }: Slab, slot: number, timeouts: FlowTimeouts): number {
  const base = nearOf(slot);
  const proto = (words[base + W.key]! >>> 16) & 0xff;
  const isAnswered = packetsOf(words, slot, 0) > 0 && packetsOf(words, slot, 1) > 0;
  return idleTimeout(timeouts, proto, words[base + W.bits]!, isAnswered);
}

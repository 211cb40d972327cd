import type { PacketFields } from '../../decoders/packet-fields.ts';
import { setFlowSeq } from './counters.ts';
import { beginOriginator } from './originator.ts';
import type { Slab } from './record.ts';
import { BIT, D, DSCP_BEGIN, F, farOf, nearOf, W } from './slot.ts';

/**
 * Sets the first values of a flow in a slot that is 0 but for its key: originator, addresses of the link, times, number.
 * @param side the sender of its first packet (0 lo, 1 hi)
 * @param seq  number of the flow, see flowSeqOf
 */
export function beginFlow(
  { words, doubles, bytes }: Slab,
  slot: number,
  side: number,
  view: DataView,
  f: PacketFields,
  seq: number,
): void {
  const base = nearOf(slot);
  const far = farOf(words, base);
  words[base + W.ttl] = 0x00ff00ff;
  words[far + F.dscp] = DSCP_BEGIN;
  let bits = BIT.live | beginOriginator(words, slot, side, f);
  if (f.srcMacOff >= 0) {
    bits |= BIT.hasMac;
    const mac = (far + F.mac) * 4;
    for (let i = 0; i < 6; i++) {
      bytes[mac + side * 6 + i] = view.getUint8(f.srcMacOff + i);
      bytes[mac + (1 - side) * 6 + i] = f.dstMacOff >= 0 ? view.getUint8(f.dstMacOff + i) : 0;
    }
    if (f.dstMacOff < 0) bits &= ~BIT.hasMac;
  }
  words[base + W.bits] = bits;
  doubles[(nearOf(slot) >>> 1) + D.startSec] = f.tsSec;
  setFlowSeq(words, slot, seq);
  words[far + F.startNsec] = f.tsNsec;
  words[base + W.lastNsec] = f.tsNsec;
}

import { type PacketFields, TcpFlag } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import * as layout from './slot.ts';
import { isTcpClosed, isTcpHalfOpen, isTcpOver } from './tcp-state.ts';
import { isSynAgain } from './tcp-track.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { SYN, RST, ACK } = TcpFlag;
const { BIT, D, SLOT_DOUBLES, SLOT_WORDS, W } = layout;

/** Times within a flow are int32 seconds from its start. */
export const MAX_DELTA = 0x7fffffff;

/** The cheap half of `isAnother`, for every packet: false for nearly all. @param slot a flow with the key of the packet */
export function mayBeAnother(doubles: Float64Array, slot: number, f: PacketFields): boolean {
  const delta = f.tsSec - doubles[slot * SLOT_DOUBLES + D.startSec]!;
  return delta < 0 || delta > MAX_DELTA || (f.tcpFlags & SYN) !== 0;
}

/**
 * Whether a packet begins another flow, though the flow in `slot` has its key.
 * @param words, doubles the slab
 * @param side the sender (0 lo, 1 hi)
 */
export function isAnother(
  words: Int32Array,
  doubles: Float64Array,
  slot: number,
  side: number,
  f: PacketFields,
): boolean {
  const start = doubles[slot * SLOT_DOUBLES + D.startSec]!;
  const last = start + words[slot * SLOT_WORDS + W.lastDelta]!;
  // A record cannot span more: its times would be wrong.
  if (f.tsSec - start > MAX_DELTA || last - f.tsSec > MAX_DELTA) return true;
  return isReuse(words, slot, side, f);
}

/**
 * A SYN on a connection that both sides closed starts another one, as in a capture that is played in a loop. So does a SYN
 * with another sequence number on one that was reset, or that got past its handshake and whose end was not seen; there,
 * the old SYN again does not. Zeek: TCPSessionAdapter::IsReuse.
 */
function isReuse(words: Int32Array, slot: number, side: number, f: PacketFields): boolean {
  // Without the whole header there is no sequence number. Other protocols have no flags.
  if ((f.tcpFlags & (SYN | ACK | RST)) !== SYN || f.l4Status !== Status.Ok) return false;
  const bits = words[slot * SLOT_WORDS + W.bits]!;
  if (isTcpClosed(bits)) return true;
  const fromOrig = side === ((bits & BIT.origIsHi) !== 0 ? 1 : 0);
  const wasEstablished = (bits & BIT.origBySyn) !== 0 && fromOrig && !isTcpHalfOpen(bits);
  if (!wasEstablished && !isTcpOver(bits)) return false;
  return !isSynAgain(words, slot, side, f.tcpSeq);
}

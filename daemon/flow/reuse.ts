import { type PacketFields, TcpFlag } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import * as layout from './slot.ts';
import { endpointState, isTcpClosed, isTcpOver } from './tcp-state.ts';
import { isSynAgain } from './tcp-track.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { SYN, RST, ACK } = TcpFlag;
const { BIT, D, Endpoint, nearOf, W } = layout;

/** Times within a flow are int32 seconds from its start. */
export const MAX_DELTA = 0x7fffffff;

/** The cheap half of `isAnother`, for every packet: false for nearly all. @param slot a flow with the key of the packet */
export function mayBeAnother(doubles: Float64Array, slot: number, f: PacketFields): boolean {
  const delta = f.tsSec - doubles[(nearOf(slot) >>> 1) + D.startSec]!;
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
  const start = doubles[(nearOf(slot) >>> 1) + D.startSec]!;
  const last = start + words[nearOf(slot) + W.lastDelta]!;
  // A record cannot span more: its times would be wrong.
  if (f.tsSec - start > MAX_DELTA || last - f.tsSec > MAX_DELTA) return true;
  return isReuse(words, slot, side, f);
}

/**
 * A SYN on a connection that both sides closed starts another one, as in a capture that is played in a loop. On any other
 * connection a SYN does so unless it fits what was seen: it is the old one sent again, or one that comes late. Of a half
 * connection, whose SYN was not seen, a SYN+ACK that answers another SYN does, too. Zeek: TCPSessionAdapter::IsReuse; where
 * we differ stands in docs/flow-fields.md.
 */
function isReuse(words: Int32Array, slot: number, side: number, f: PacketFields): boolean {
  // Without the whole header there is no sequence number. Other protocols have no flags.
  if ((f.tcpFlags & (SYN | RST)) !== SYN || f.l4Status !== Status.Ok) return false;
  const base = nearOf(slot);
  const bits = words[base + W.bits]!;
  const isKnown = (bits & (BIT.seqKnown0 << side)) !== 0;
  if ((f.tcpFlags & ACK) !== 0) {
    const fromOrig = side === ((bits & BIT.origIsHi) !== 0 ? 1 : 0);
    if (fromOrig || endpointState(bits, 1 - side) !== Endpoint.Inactive) return false;
    // Answers to one SYN belong together, whoever gave them.
    const isSameAck = f.tcpAck === words[base + W.lastAck0 + side];
    return isKnown && !isSameAck && !isSynAgain(words, slot, side, f.tcpSeq);
  }
  if (isTcpClosed(bits)) return true;
  if (isKnown) return !isSynAgain(words, slot, side, f.tcpSeq);
  // Only the peer was seen, and what it acknowledged tells where this side began; a SYN and a RST tell nothing.
  const acked = words[base + W.lastAck0 + 1 - side]!;
  const ahead = (acked - f.tcpSeq - 1) | 0;
  return acked === 0 ? isTcpOver(bits) : ahead < 0 || ahead > f.payloadLen;
}

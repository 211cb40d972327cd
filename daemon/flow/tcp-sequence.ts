import { type PacketFields, TcpFlag } from '../../decoders/packet-fields.ts';
import { Letter, noteScaled } from './history.ts';
import type { Slab } from './record.ts';
import * as layout from './slot.ts';
import { isInHole, noteJump, noteOverlap, passHole } from './tcp-holes.ts';
import { followPlain, noteWidest, sampleAckTime, WINDOW_TICK_SHIFT, windowAt } from './tcp-plain.ts';
import { endpointState, isCleanly, nextStates } from './tcp-state.ts';
import { TICK_NS, tickOf, unpackRtt } from './ticks.ts';
import { T } from './trouble.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { FIN, SYN, RST, ACK } = TcpFlag;
const { BIT, Endpoint, F, farOf, nearOf, TCP_DUP_SHIFT, TCP_MARK_SHIFT, W } = layout;

const SYN_OR_FIN = SYN | FIN;
const CONTROL = SYN_OR_FIN | RST;

/** What the latest segment of a side was, in `W.tcp`. */
const Mark = { none: 0, keepAlive: 1, probe: 2 } as const;

/** Ticks. packet-tcp.c: behind the last duplicate ACK a retransmission is a fast one for 20 ms. */
const FAST_MAX = 20e6 / TICK_NS;
/** And a segment is out of order, not sent again, when it comes within a round trip, or 3 ms, of the one that it should have been before. */
const OUT_OF_ORDER_MAX = 3e6 / TICK_NS;
/** ACKs in a row that are the same before a retransmission is a fast one; more are not told apart. */
const DUP_ENOUGH = 2;
const DUP_MAX = 3;

/**
 * Follows the sequence space of the sender of one TCP segment, and what it acknowledges of the other's: what Wireshark's
 * tcp_analyze_sequence_number (packet-tcp.c) tells of each segment is counted, with the same conditions in the same order;
 * docs/flow-fields.md has them, and where we differ. Zeek's letters t, w and g are noted on the way. Allocates nothing.
 * @param side the sender @param bits W.bits with the endpoint states before this segment
 * @param isOldSyn a SYN that was sent before
 * @returns `bits` with what is known of the sequence space now
 */
export function followSequence(
  slab: Slab,
  slot: number,
  side: number,
  f: PacketFields,
  bits: number,
  fromOrig: boolean,
  isOldSyn: boolean,
): number {
  const { words, trouble } = slab;
  const base = nearOf(slot);
  const peer = 1 - side;
  const flags = f.tcpFlags;
  const length = f.payloadLen;
  const seq = f.tcpSeq;
  const own = endpointState(bits, side);
  if (own !== Endpoint.Reset && followPlain(words, base, side, bits, f)) return bits;
  const isControl = (flags & CONTROL) !== 0;
  const takesMore = (flags & SYN_OR_FIN) !== 0 ? 1 : 0;
  const end = (seq + length + takesMore) | 0;
  const now = tickOf(f);
  const next = words[base + W.seqNext0 + side]!;
  // A SYN of another connection attempt begins anew.
  const isKnown = (bits & (BIT.seqKnown0 << side)) !== 0 && ((flags & SYN) === 0 || isOldSyn);
  const ahead = isKnown ? (seq - next) | 0 : 0;
  const window = f.tcpWindow;
  const peerWindow = words[base + W.window0 + peer]!;
  const lastAck = words[base + W.lastAck0 + side]!;
  const peerAck = words[base + W.lastAck0 + peer]!;
  const dupShift = TCP_DUP_SHIFT + 2 * side;
  const markShift = TCP_MARK_SHIFT + 2 * side;
  const before = words[base + W.tcp]!;
  const markBefore = (before >>> markShift) & 3;
  let dups = (before >>> dupShift) & 3;
  let mark: number = Mark.none;

  if (length === 1 && ahead === 0 && isKnown && (peerWindow & 0xffff) === 0) mark = Mark.probe;
  else {
    if (window === 0 && !isControl) trouble.bump(words, slot, side, T.zeroWindows);
    if (ahead > 0) trouble.bump(words, slot, side, T.lostSegments);
    if (!isControl && isKnown && length <= 1) {
      if (ahead === -1) {
        mark = Mark.keepAlive;
        trouble.bumpFew(words, slot, side, T.keepAlives);
      } else if (
        length === 0 &&
        ahead === 0 &&
        window !== 0 &&
        f.tcpAck === lastAck &&
        window === (words[base + W.window0 + side]! & 0xffff) &&
        ((before >>> (TCP_MARK_SHIFT + 2 * peer)) & 3) !== Mark.keepAlive
      ) {
        trouble.bumpFew(words, slot, side, T.dupAcks);
        if (dups < DUP_MAX) dups++;
      }
    }
  }
  if (f.tcpAck !== lastAck) dups = 0;

  if (mark !== Mark.keepAlive && length + takesMore > 0) {
    if (length > 0 && peerAck !== 0 && ((seq + length - peerAck) | 0) <= 0)
      trouble.bumpRepeat(words, slot, side, T.spurious);
    else if (ahead < 0 && !(length > 1 && ahead === -1)) {
      const peerDups = (before >>> (TCP_DUP_SHIFT + 2 * peer)) & 3;
      const ackAge = (((now >>> WINDOW_TICK_SHIFT) - (peerWindow >>> 16)) & 0xffff) << WINDOW_TICK_SHIFT;
      if (peerDups >= DUP_ENOUGH && peerAck === seq && ackAge < FAST_MAX)
        trouble.bumpRepeat(words, slot, side, T.fast);
      else if (
        end !== next &&
        isSoon(words, base, side, bits, now) &&
        isNew(slab, slot, side, bits, seq, end, next)
      )
        trouble.bump(words, slot, side, T.outOfOrder);
      else if (length > 0) trouble.bump(words, slot, side, T.retransmits);
      else trouble.bumpFew(words, slot, side, T.retransmits);
    }
  }
  // Zeek: whatever has payload and ends where something ended before (update_last_seq), but behind the own RST. A probe sent
  // again does, too.
  const isAgain = mark === Mark.probe ? markBefore === Mark.probe : isKnown && ((end - next) | 0) <= 0;
  if (length > 0 && isAgain && own !== Endpoint.Reset)
    noteScaled(words, slot, Letter.t, fromOrig, trouble.bump(words, slot, side, T.historyT));

  if (!isKnown) {
    words[base + W.seqNext0 + side] = end;
    if (own !== Endpoint.Reset) words[base + W.nextTick0 + side] = now; // else it has the number of the RST
    bits = (bits | (BIT.seqKnown0 << side)) & ~((BIT.hole0 | BIT.holes0) << side);
  } else if (mark === Mark.probe) noteOverlap(slab, slot, side, bits, seq, 1);
  else if (((end - next) | 0) > 0) {
    if (ahead > 0) bits = noteJump(slab, slot, side, bits, next, ahead, peerAck, markBefore === Mark.probe);
    else if (ahead < 0) bits = noteOverlap(slab, slot, side, bits, seq, Math.min(length, -ahead));
    words[base + W.seqNext0 + side] = end;
    if (own !== Endpoint.Reset) words[base + W.nextTick0 + side] = now; // else it has the number of the RST
  } else if (length > 0) bits = noteOverlap(slab, slot, side, bits, seq, length);

  if ((flags & ACK) !== 0 && (bits & (BIT.seqKnown0 << peer)) !== 0) {
    const beyond = (f.tcpAck - words[base + W.seqNext0 + peer]!) | 0;
    if (beyond > 0 || (bits & (BIT.hole0 << peer)) !== 0) {
      // Zeek asks when it has the state after this segment. The first one of a side may establish it.
      const after = own === Endpoint.Inactive ? nextStates(bits, side, fromOrig, flags, length) : bits;
      bits = passHole(slab, slot, peer, bits, f.tcpAck, lastAck, !fromOrig, isCleanly(after));
    } else if (beyond === 0 && f.tcpAck !== lastAck) sampleAckTime(words, base, peer, bits, now);
  }

  // The window of a SYN is never scaled (RFC 7323 §2.2): it is no measure of the others.
  if ((flags & SYN) === 0) noteWidest(words, base, side, window);
  words[base + W.window0 + side] = windowAt(window, now);
  words[base + W.lastAck0 + side] = f.tcpAck;
  const after = (dups << dupShift) | (mark << markShift);
  words[base + W.tcp] = (words[base + W.tcp]! & ~((3 << dupShift) | (3 << markShift))) | after;
  return bits;
}

/** Whether a segment that begins before `next` may have something that was not seen: else it came again. */
function isNew(
  slab: Slab,
  slot: number,
  side: number,
  bits: number,
  seq: number,
  end: number,
  next: number,
): boolean {
  return ((end - next) | 0) > 0 || isInHole(slab, slot, side, bits, seq);
}

/** Whether the sender's sequence space moved so shortly ago that what is behind it now may have been overtaken. */
function isSoon(words: Int32Array, base: number, side: number, bits: number, now: number): boolean {
  const limit =
    (bits & BIT.rttKnown) === 0 ? OUT_OF_ORDER_MAX : unpackRtt(words[farOf(words, base) + F.rtt]!) / TICK_NS;
  const age = (now - words[base + W.nextTick0 + side]!) | 0;
  return age < limit;
}

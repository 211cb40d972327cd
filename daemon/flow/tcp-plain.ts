import { type PacketFields, TcpFlag } from '../../decoders/packet-fields.ts';
import * as layout from './slot.ts';
import { noteLeast, tickOf } from './ticks.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant. Each word by a name
// of its own, as that keeps the bytecode short: what is inlined has a bound in octets of it.
const { SYN, FIN, RST } = TcpFlag;
const { BIT, farOf, TCP_DUP_SHIFT, TCP_MARK_SHIFT } = layout;
const {
  seqNext0: SEQ_NEXT,
  lastAck0: LAST_ACK,
  nextTick0: NEXT_TICK,
  window0: WINDOW,
  tcp: TCP,
  ackRtt: ACK_RTT,
} = layout.W;
const { maxWindow0: MAX_WINDOW } = layout.F;
const SEQ_KNOWN = BIT.seqKnown0;
const SYN_TIME = BIT.synTime;
const RTT_OR_SYN_TIME = BIT.rttKnown | BIT.synTime;

const MARK = 3 << TCP_MARK_SHIFT;
const DUPS = 3 << TCP_DUP_SHIFT;

const CONTROL = SYN | FIN | RST;
const HOLES = BIT.hole0 | (BIT.hole0 << 1);

/** The time beside a window is in units of 512 ticks, 262 us. */
export const WINDOW_TICK_SHIFT = 9;

/**
 * Takes the segment that comes next into the sequence space, when nothing about it needs to be counted. Most segments are such.
 * @param base first word of the slot @param side the sender @param bits W.bits
 * @returns false: it is not such a segment, and nothing was done
 */
export function followPlain(
  words: Int32Array,
  base: number,
  side: number,
  bits: number,
  f: PacketFields,
): boolean {
  if ((f.tcpFlags & CONTROL) !== 0 || f.tcpWindow === 0) return false;
  if ((bits & ((SEQ_KNOWN << side) | HOLES)) !== SEQ_KNOWN << side) return false;
  const own = base + side;
  const seq = f.tcpSeq;
  if (seq !== words[own + SEQ_NEXT]) return false;
  const peer = base + 1 - side;
  const ack = f.tcpAck;
  // How far the acknowledgment goes beyond all that the peer was seen to send.
  const beyond = (bits & (SEQ_KNOWN << (1 - side))) !== 0 ? (ack - words[peer + SEQ_NEXT]!) | 0 : -1;
  if (beyond > 0) return false;
  const length = f.payloadLen;
  const isNewAck = ack !== words[own + LAST_ACK];
  const now = tickOf(f);
  if (length > 0) {
    const end = (seq + length) | 0;
    const peerAck = words[peer + LAST_ACK]!;
    if (length === 1 || (peerAck !== 0 && ((end - peerAck) | 0) <= 0)) return false;
    words[own + SEQ_NEXT] = end;
    words[own + NEXT_TICK] = now;
  } else if (!isNewAck) return false;
  // The mark goes; duplicates end with a new acknowledgment.
  let over = MARK << (2 * side);
  if (isNewAck) {
    words[own + LAST_ACK] = ack;
    if (beyond === 0) sampleAckTime(words, base, 1 - side, bits, now);
    over |= DUPS << (2 * side);
  }
  const tcp = words[base + TCP]!;
  if ((tcp & over) !== 0) words[base + TCP] = tcp & ~over;
  noteWidest(words, base, side, f.tcpWindow);
  words[own + WINDOW] = windowAt(f.tcpWindow, now);
  return true;
}

/** Takes the window of a segment into the largest one of its sender. Before it stands in W.window0, where most are the same. */
export function noteWidest(words: Int32Array, base: number, side: number, window: number): void {
  if (window === (words[base + side + WINDOW]! & 0xffff)) return;
  const at = farOf(words, base) + MAX_WINDOW + side;
  const widest = words[at]!;
  if (window > (widest & 0xffff)) words[at] = (widest & ~0xffff) | window;
}

/** W.window0 after a segment with this window. @param now see tickOf */
export function windowAt(window: number, now: number): number {
  return window | ((now >>> WINDOW_TICK_SHIFT) << 16);
}

/** The peer acknowledged all that `side` had sent: how long did that take? @param now see tickOf */
export function sampleAckTime(
  words: Int32Array,
  base: number,
  side: number,
  bits: number,
  now: number,
): void {
  if ((bits & RTT_OR_SYN_TIME) === SYN_TIME) return; // the word is in use
  noteLeast(words, base + ACK_RTT, side, (now - words[base + side + NEXT_TICK]!) | 0);
}

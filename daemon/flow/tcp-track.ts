import { type PacketFields, TcpFlag } from '../../decoders/packet-fields.ts';
import { TCP_HEADER_MIN } from '../../decoders/tcp.ts';
import { decodeTcpOptions, TcpOptions } from '../../decoders/tcp-options.ts';
import { payloadOf } from './counters.ts';
import { Letter, noteAgain, noteOnce, noteScaled } from './history.ts';
import { correctOriginator } from './originator.ts';
import type { Slab } from './record.ts';
import * as layout from './slot.ts';
import { followPlain } from './tcp-plain.ts';
import { followSequence } from './tcp-sequence.ts';
import { endpointState, nextStates } from './tcp-state.ts';
import { packRtt } from './ticks.ts';
import { T } from './trouble.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { FIN, SYN, RST, ACK } = TcpFlag;
const { a: LETTER_A, d: LETTER_D } = Letter;
const { BIT, D, Endpoint, F, farOf, nearOf, SCALE_SHIFT, W } = layout;

/** The flags that change the state of an endpoint. */
const CONTROL = SYN | FIN | RST;

/** The SYN's time is known, and the SYN+ACK was seen. */
const HANDSHAKE = BIT.synTime | BIT.synAck;
const HANDSHAKE_OVER = BIT.rttKnown | HANDSHAKE;

const options = new TcpOptions();

/**
 * True when a SYN of side `side` with sequence number `seq` is one that it sent before, and not the first of another
 * connection: everything that side has sent since fits between the two.
 */
export function isSynAgain(words: Int32Array, slot: number, side: number, seq: number): boolean {
  const base = nearOf(slot);
  if ((words[base + W.bits]! & (BIT.seqKnown0 << side)) === 0) return false;
  const sent = (words[base + W.seqNext0 + side]! - seq - 1) | 0;
  // One more than the payload: a FIN takes a sequence number, too.
  return sent >= 0 && sent <= payloadOf(words, slot, side) + 1;
}

/**
 * Follows one TCP segment: endpoint states, history, handshake round trip, sequence space, windows. Allocates nothing.
 * @param slab the flow table's; `slot` the flow; `side` the sender (0 lo, 1 hi)
 * @param view the bytes that `f`'s offsets point into
 * @param f a packet whose TCP header was read in full, and whose payload is counted already
 */
export function trackTcp(slab: Slab, slot: number, side: number, view: DataView, f: PacketFields): void {
  const { words } = slab;
  const base = nearOf(slot);
  const bits = words[base + W.bits]!;
  if ((bits & (BIT.rttKnown | BIT.synTime)) === 0 && f.tcpHeaderLen > TCP_HEADER_MIN)
    slab.probes.segment(words, slot, side, view, f);
  // Most segments change no state and end no round trip. For them nothing else is done, see followPlain.
  const own = endpointState(bits, side);
  if (
    own !== Endpoint.Inactive &&
    own !== Endpoint.Reset &&
    (bits & HANDSHAKE_OVER) !== HANDSHAKE &&
    followPlain(words, base, side, bits, f)
  ) {
    if (f.payloadLen > 0 || (f.tcpFlags & ACK) !== 0)
      noteOnce(
        words,
        slot,
        f.payloadLen > 0 ? LETTER_D : LETTER_A,
        side === ((bits & BIT.origIsHi) !== 0 ? 1 : 0),
      );
  } else trackAny(slab, slot, side, view, f);
}

/** As trackTcp, for any segment. */
function trackAny(slab: Slab, slot: number, side: number, view: DataView, f: PacketFields): void {
  correctOriginator(slab.words, slot, side, f);
  const { words } = slab;
  const base = nearOf(slot);
  const flags = f.tcpFlags;
  let bits = words[base + W.bits]!;
  const fromOrig = side === ((bits & BIT.origIsHi) !== 0 ? 1 : 0);
  const own = endpointState(bits, side);
  const isControl = (flags & CONTROL) !== 0;

  let isOldSyn = false;
  if (isControl) {
    isOldSyn = (flags & SYN) !== 0 && isSynAgain(words, slot, side, f.tcpSeq);
    noteControl(words, slot, side, fromOrig, f, bits, isOldSyn);
    if ((flags & SYN) !== 0) readSynOptions(words, base, side, view, f);
  } else if (f.payloadLen > 0) noteOnce(words, slot, Letter.d, fromOrig);
  else if ((flags & ACK) !== 0) noteOnce(words, slot, Letter.a, fromOrig);

  if (f.tcpWindow === 0 && (flags & RST) === 0) {
    const isBoring = own === Endpoint.Reset || endpointState(bits, 1 - side) === Endpoint.Closed;
    if (!isBoring)
      noteScaled(words, slot, Letter.w, fromOrig, slab.trouble.bump(words, slot, side, T.historyW));
  }

  if ((flags & RST) !== 0) noteReset(slab, slot, side, f);
  else bits = followSequence(slab, slot, side, f, bits, fromOrig, isOldSyn);

  // Nothing else changes a state: most segments need not ask.
  if (isControl || own === Endpoint.Inactive) bits = nextStates(bits, side, fromOrig, flags, f.payloadLen);
  if (isControl || (bits & HANDSHAKE_OVER) === HANDSHAKE) bits = timeHandshake(slab, slot, fromOrig, f, bits);
  words[base + W.bits] = bits | (words[base + W.bits]! & BIT.untracked);
}

/** Notes that `side` sent a packet with a bad checksum: it is counted, and nothing else about it is believed, as in Zeek. */
export function noteBadChecksum(slab: Slab, slot: number, side: number): void {
  const { words, trouble } = slab;
  const orig = (words[nearOf(slot) + W.bits]! & BIT.origIsHi) !== 0 ? 1 : 0;
  noteScaled(words, slot, Letter.c, side === orig, trouble.bump(words, slot, side, T.historyC));
}

/**
 * The round trip: from the originator's SYN, the latest one when it was sent again, to its ACK of the SYN+ACK.
 * @returns `bits`
 */
function timeHandshake(slab: Slab, slot: number, fromOrig: boolean, f: PacketFields, bits: number): number {
  const { words } = slab;
  const base = nearOf(slot);
  const isSyn = (f.tcpFlags & SYN) !== 0;
  const isAck = (f.tcpFlags & ACK) !== 0;
  if ((bits & BIT.rttKnown) !== 0) return bits;
  const far = farOf(words, base);
  const start = slab.doubles[(nearOf(slot) >>> 1) + D.startSec]!;
  if (isSyn && !isAck && fromOrig) {
    words[far + F.rtt] = (f.tsSec - start) | 0;
    words[base + W.ackRtt] = f.tsNsec;
    return bits | BIT.synTime;
  }
  if (isSyn && isAck && !fromOrig) return bits | BIT.synAck;
  if (!isAck || isSyn || (f.tcpFlags & RST) !== 0 || !fromOrig || (bits & HANDSHAKE) !== HANDSHAKE)
    return bits;
  const seconds = f.tsSec - start - words[far + F.rtt]!;
  const rtt = seconds * 1e9 + (f.tsNsec - words[base + W.ackRtt]!);
  if (rtt < 0) return bits;
  words[far + F.rtt] = packRtt(rtt);
  words[base + W.ackRtt] = 0;
  return bits | BIT.rttKnown;
}

/**
 * A RST: neither its sequence number nor its acknowledgment is believed (Zeek); its number is kept only to tell it from the
 * next RST. Its payload is an error text, if anything (RFC 9293 §3.5.3), and not in the sequence space.
 */
function noteReset(slab: Slab, slot: number, side: number, f: PacketFields): void {
  slab.words[nearOf(slot) + W.nextTick0 + side] = f.tcpSeq;
  if (f.payloadLen === 0) return;
  const at = slab.trouble.of(slab.words, slot, side);
  if (at >= 0) slab.trouble.add(at, T.repeated, f.payloadLen);
}

/** Takes MSS and window scale from a SYN. Those of the last SYN count. */
function readSynOptions(
  words: Int32Array,
  base: number,
  side: number,
  view: DataView,
  f: PacketFields,
): void {
  if (f.tcpHeaderLen <= TCP_HEADER_MIN) return;
  decodeTcpOptions(view, f.l4Off + TCP_HEADER_MIN, f.l4Off + f.tcpHeaderLen, f.l4End, options);
  const far = farOf(words, base);
  if (options.mss >= 0)
    words[far + F.maxWindow0 + side] = (words[far + F.maxWindow0 + side]! & 0xffff) | (options.mss << 16);
  if (options.windowScale >= 0) {
    const shift = SCALE_SHIFT + 4 * side;
    words[far + F.dscp] = (words[far + F.dscp]! & ~(0xf << shift)) | (options.windowScale << shift);
  }
}

/**
 * Notes a segment with SYN, FIN or RST in the history: that alone, also when it has data. A letter stands again when another
 * sequence number comes with it. Zeek: update_history.
 */
function noteControl(
  words: Int32Array,
  slot: number,
  side: number,
  fromOrig: boolean,
  f: PacketFields,
  bits: number,
  isOldSyn: boolean,
): void {
  const isFin = (f.tcpFlags & FIN) !== 0;
  const isRst = (f.tcpFlags & RST) !== 0;
  const base = nearOf(slot);
  let letter: Letter = (f.tcpFlags & ACK) !== 0 ? Letter.h : Letter.s;
  let isRepeat = isOldSyn;
  if ((f.tcpFlags & SYN) !== 0) {
    if (isFin || isRst) {
      letter = isFin && isRst ? Letter.i : Letter.q;
      isRepeat = true;
    }
  } else if (isFin) {
    letter = isRst ? Letter.i : Letter.f;
    const end = (f.tcpSeq + f.payloadLen + 1) | 0;
    isRepeat = isRst || ((bits & (BIT.seqKnown0 << side)) !== 0 && end === words[base + W.seqNext0 + side]);
  } else {
    letter = Letter.r;
    isRepeat = f.tcpSeq === words[base + W.nextTick0 + side];
  }
  if (!noteOnce(words, slot, letter, fromOrig) && !isRepeat) noteAgain(words, slot, letter, fromOrig);
}

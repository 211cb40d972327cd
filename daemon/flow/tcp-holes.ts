import { Letter, noteScaled } from './history.ts';
import { payloadOf } from './counters.ts';
import type { Slab } from './record.ts';
import * as layout from './slot.ts';
import { T } from './trouble.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { BIT, SLOT_WORDS, TCP_MARK_SHIFT, W } = layout;

/**
 * A segment of `side` began `octets` behind where the one before ended: they are missing for now. All holes of a side are
 * one: from the first missing octet on, as many as are missing.
 * @param next where the sequence space had ended
 * @param wasProbe the segment before was a zero window probe, whose octet the peer took after all
 * @returns `bits` with the hole
 */
export function noteHole(
  slab: Slab,
  slot: number,
  side: number,
  bits: number,
  next: number,
  octets: number,
  wasProbe: boolean,
): number {
  const { words, trouble } = slab;
  const at = trouble.of(words, slot, side);
  if (at < 0) return bits | BIT.untracked;
  if (wasProbe && octets === 1) {
    trouble.add(at, T.repeated, -1);
    return bits;
  }
  const hole = BIT.hole0 << side;
  if ((bits & hole) === 0) {
    trouble.words[at + T.holeStart] = next;
    trouble.words[at + T.missing] = 0;
  } else bits |= BIT.holes0 << side;
  trouble.words[at + T.missing] = Math.min(trouble.words[at + T.missing]! + octets, 0x7fffffff) | 0;
  return bits | hole;
}

/** Whether a segment that begins at `seq` may be new: what was seen already is not out of order but came again. */
export function isInHole(slab: Slab, slot: number, side: number, bits: number, seq: number): boolean {
  if ((bits & (BIT.hole0 << side)) === 0) return false;
  const at = slab.trouble.peek(slab.words, slot, side);
  return at >= 0 && ((seq - slab.trouble.words[at + T.holeStart]!) | 0) >= 0;
}

/**
 * `side` sent octets that lie before where its sequence space ends: they fill the hole, or came again.
 * @returns `bits`, without the hole when it is filled
 */
export function noteOverlap(
  slab: Slab,
  slot: number,
  side: number,
  bits: number,
  seq: number,
  octets: number,
): number {
  const { words, trouble } = slab;
  const at = trouble.of(words, slot, side);
  if (at < 0) return bits | BIT.untracked;
  let filled = 0;
  const hole = BIT.hole0 << side;
  if ((bits & hole) !== 0) {
    const start = trouble.words[at + T.holeStart]!;
    const inside = Math.min(octets, (seq + octets - start) | 0);
    if (inside > 0) {
      const missing = trouble.words[at + T.missing]!;
      filled = Math.min(inside, missing);
      trouble.words[at + T.missing] = (missing - filled) | 0;
      if (((seq - start) | 0) <= 0) trouble.words[at + T.holeStart] = (seq + octets) | 0;
      if (filled === missing) bits &= ~(hole | (BIT.holes0 << side));
    }
  }
  if (filled < octets) trouble.add(at, T.repeated, octets - filled);
  return bits;
}

/**
 * The peer of `side` acknowledged octets of it that were not seen: they will not come any more. Zeek's content gap.
 * @param ack its acknowledgment number @param lastAck the one before
 * @param isOrig `side` is the originator @param isClean Zeek notes a gap only then
 * @returns `bits`, without the hole when all of it was acknowledged
 */
export function passHole(
  slab: Slab,
  slot: number,
  side: number,
  bits: number,
  ack: number,
  lastAck: number,
  isOrig: boolean,
  isClean: boolean,
): number {
  const { words, trouble } = slab;
  const base = slot * SLOT_WORDS;
  const next = words[base + W.seqNext0 + side]!;
  const hole = BIT.hole0 << side;
  let isGap = ((ack - next) | 0) > 0 && (lastAck === 0 || ((ack - lastAck) | 0) > 0);
  // The octet of a zero window probe was taken.
  const probed = ((words[base + W.tcp]! >>> (TCP_MARK_SHIFT + 2 * side)) & 3) === 2;
  if (isGap && probed && ((ack - next) | 0) === 1) {
    const at = trouble.of(words, slot, side);
    if (at >= 0) trouble.add(at, T.repeated, -1);
    words[base + W.seqNext0 + side] = ack;
    words[base + W.tcp]! &= ~(3 << (TCP_MARK_SHIFT + 2 * side));
    isGap = false;
  }
  if ((bits & hole) !== 0) {
    const at = trouble.of(words, slot, side);
    const passed = (ack - trouble.words[at + T.holeStart]!) | 0;
    if (passed > 0) {
      const missing = trouble.words[at + T.missing]!;
      // Of several holes only those are surely passed for which there is no room beyond.
      const room = (bits & (BIT.holes0 << side)) !== 0 ? Math.max(0, (next - ack) | 0) : missing - passed;
      const lost = Math.min(missing, Math.max(0, missing - room));
      trouble.add(at, T.missed, lost);
      trouble.words[at + T.missing] = (missing - lost) | 0;
      trouble.words[at + T.holeStart] = ack;
      if (lost === missing) bits &= ~(hole | (BIT.holes0 << side));
      if (lost > 0) isGap = true;
    }
  }
  if (isGap && isClean)
    noteScaled(words, slot, Letter.g, isOrig, trouble.bump(words, slot, side, T.historyG));
  return bits;
}

/** Octets of `side` that the capture lacks: jumped over or acknowledged, and not seen so far. */
export function missedOctets(slab: Slab, slot: number, side: number): number {
  const { words, trouble } = slab;
  const base = slot * SLOT_WORDS;
  const bits = words[base + W.bits]!;
  let missed = trouble.count(words, slot, side, T.missed);
  if ((bits & (BIT.hole0 << side)) !== 0) missed += trouble.count(words, slot, side, T.missing);
  if ((bits & (BIT.seqKnown0 << side)) !== 0) {
    const ack = words[base + W.lastAck0 + 1 - side]!;
    if (ack !== 0) missed += Math.max(0, (ack - words[base + W.seqNext0 + side]!) | 0);
  }
  return missed;
}

/** Octets of payload in the sequence space of `side`, seen or missed: Zeek's orig_bytes and resp_bytes. */
export function sequenceOctets(slab: Slab, slot: number, side: number): number {
  const repeated = slab.trouble.count(slab.words, slot, side, T.repeated);
  return Math.max(0, payloadOf(slab.words, slot, side) - repeated) + missedOctets(slab, slot, side);
}

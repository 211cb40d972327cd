import { payloadOf } from './counters.ts';
import { Letter, noteScaled } from './history.ts';
import type { Slab } from './record.ts';
import * as layout from './slot.ts';
import { endpointState } from './tcp-state.ts';
import * as table from './trouble.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { BIT, Endpoint, nearOf, TCP_MARK_SHIFT, W } = layout;
const { HOLES_MAX, T } = table;

/** Hole i of an entry: the first octet that is missing, and how many are (0: no hole). In order of the sequence space. */
const START = T.holes;
const MISSING = T.holes + 1;
const MISSING_MAX = 0x7fffffff;

/**
 * A segment of `side` began `octets` behind where the one before ended. What the peer acknowledged of them before was noted as
 * a gap then, and will not come any more; the others are a hole.
 * @param next where the sequence space had ended
 * @param peerAck the peer's acknowledgment number; 0: none
 * @param wasProbe see noteHole
 * @returns `bits` with the hole
 */
export function noteJump(
  slab: Slab,
  slot: number,
  side: number,
  bits: number,
  next: number,
  octets: number,
  peerAck: number,
  wasProbe: boolean,
): number {
  const passed = peerAck === 0 ? 0 : Math.max(0, Math.min((peerAck - next) | 0, octets));
  if (passed > 0) {
    const at = slab.trouble.of(slab.words, slot, side);
    if (at < 0) return bits | BIT.untracked;
    slab.trouble.add(at, T.missed, passed);
    if (passed === octets) return bits;
  }
  return noteHole(slab, slot, side, bits, (next + passed) | 0, octets - passed, wasProbe && passed === 0);
}

/**
 * A segment of `side` began `octets` behind where the one before ended: they are missing for now. HOLES_MAX holes a side are
 * kept exactly. The last one takes in what is more, and only the sum of it is known then (BIT.holes0).
 * @param next where the sequence space had ended
 * @param wasProbe the segment before was a zero window probe, whose octet the peer took after all
 * @returns `bits` with the hole
 */
function noteHole(
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
  // What stands there may be of a connection attempt that was given up.
  if ((bits & hole) === 0) for (let i = 0; i < HOLES_MAX; i++) trouble.words[at + MISSING + 2 * i] = 0;
  const count = countHoles(trouble.words, at);
  if (count < HOLES_MAX && (bits & (BIT.holes0 << side)) === 0) {
    setHole(trouble.words, at, count, next, octets);
    return bits | hole;
  }
  addToLast(trouble.words, at, count, octets);
  return bits | hole | (BIT.holes0 << side);
}

/** Whether a segment that begins at `seq` may be new: what was seen already is not out of order but came again. */
export function isInHole(slab: Slab, slot: number, side: number, bits: number, seq: number): boolean {
  if ((bits & (BIT.hole0 << side)) === 0) return false;
  const at = slab.trouble.peek(slab.words, slot, side);
  if (at < 0) return false;
  const { words } = slab.trouble;
  const count = countHoles(words, at);
  const exact = (bits & (BIT.holes0 << side)) === 0 ? count : count - 1;
  for (let i = 0; i < count; i++) {
    const into = (seq - words[at + START + 2 * i]!) | 0;
    if (into >= 0 && (i === exact || into < words[at + MISSING + 2 * i]!)) return true;
  }
  return false;
}

/**
 * `side` sent octets that lie before where its sequence space ends: they fill holes, or came again.
 * @returns `bits`, without the holes when they are filled
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
  if ((bits & (BIT.hole0 << side)) !== 0) {
    const holes = trouble.words;
    const sum = BIT.holes0 << side;
    // From the last hole on, so that taking one out moves none that is still to be looked at.
    for (let i = countHoles(holes, at) - 1; i >= 0; i--) {
      const start = holes[at + START + 2 * i]!;
      const missing = holes[at + MISSING + 2 * i]!;
      const from = (seq - start) | 0;
      if (from + octets <= 0) continue;
      if ((bits & sum) !== 0 && i === countHoles(holes, at) - 1) {
        // Where in it octets are missing is not known: whatever comes fills it.
        const taken = Math.min(octets, from + octets, missing);
        filled += taken;
        setHole(holes, at, i, from <= 0 ? (seq + octets) | 0 : start, missing - taken);
        if (taken === missing) bits &= ~sum;
        continue;
      }
      const lo = Math.max(from, 0);
      const hi = Math.min(from + octets, missing);
      if (hi <= lo) continue;
      filled += hi - lo;
      if (lo === 0 && hi === missing) removeHole(holes, at, i);
      else if (lo === 0) setHole(holes, at, i, (start + hi) | 0, missing - hi);
      else {
        setHole(holes, at, i, start, lo);
        if (hi < missing && !insertHole(holes, at, i + 1, (start + hi) | 0, missing - hi)) bits |= sum;
      }
    }
    if (countHoles(holes, at) === 0) bits &= ~((BIT.hole0 | BIT.holes0) << side);
  }
  if (filled < octets) trouble.add(at, T.repeated, octets - filled);
  return bits;
}

/**
 * The peer of `side` acknowledged octets of it that were not seen: they will not come any more. Zeek's content gap.
 * @param ack its acknowledgment number @param lastAck the one before
 * @param isOrig `side` is the originator @param isClean Zeek notes a gap only then
 * @returns `bits`, without the holes when all of them were acknowledged
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
  const base = nearOf(slot);
  const next = words[base + W.seqNext0 + side]!;
  // Behind its FIN a side has nothing that could be missing.
  const hasMore = endpointState(words[base + W.bits]!, side) !== Endpoint.Closed;
  let isGap = hasMore && ((ack - next) | 0) > 0 && (lastAck === 0 || ((ack - lastAck) | 0) > 0);
  // The octet of a zero window probe was taken.
  const probed = ((words[base + W.tcp]! >>> (TCP_MARK_SHIFT + 2 * side)) & 3) === 2;
  if (isGap && probed && ((ack - next) | 0) === 1) {
    const at = trouble.of(words, slot, side);
    if (at >= 0) trouble.add(at, T.repeated, -1);
    words[base + W.seqNext0 + side] = ack;
    words[base + W.tcp]! &= ~(3 << (TCP_MARK_SHIFT + 2 * side));
    isGap = false;
  }
  if ((bits & (BIT.hole0 << side)) !== 0) {
    const at = trouble.of(words, slot, side);
    const holes = trouble.words;
    const sum = BIT.holes0 << side;
    for (let i = countHoles(holes, at) - 1; i >= 0; i--) {
      const passed = (ack - holes[at + START + 2 * i]!) | 0;
      if (passed <= 0) continue;
      const missing = holes[at + MISSING + 2 * i]!;
      const isSum = (bits & sum) !== 0 && i === countHoles(holes, at) - 1;
      // Of several holes only those are surely passed for which there is no room beyond.
      const lost = isSum ? Math.max(0, missing - Math.max(0, (next - ack) | 0)) : Math.min(passed, missing);
      trouble.add(at, T.missed, lost);
      if (lost === missing) removeHole(holes, at, i);
      else setHole(holes, at, i, ack, missing - lost);
      if (isSum && lost === missing) bits &= ~sum;
      if (lost > 0) isGap = true;
    }
    if (countHoles(holes, at) === 0) bits &= ~((BIT.hole0 | BIT.holes0) << side);
  }
  if (isGap && isClean)
    noteScaled(words, slot, Letter.g, isOrig, trouble.bump(words, slot, side, T.historyG));
  return bits;
}

/** Holes of a side. @param words the trouble table's @param at see TroubleTable.of */
function countHoles(words: Int32Array, at: number): number {
  let count = 0;
  while (count < HOLES_MAX && words[at + MISSING + 2 * count] !== 0) count++;
  return count;
}

function setHole(words: Int32Array, at: number, i: number, start: number, missing: number): void {
  words[at + START + 2 * i] = start;
  words[at + MISSING + 2 * i] = Math.min(missing, MISSING_MAX);
}

function addToLast(words: Int32Array, at: number, count: number, octets: number): void {
  const last = at + MISSING + 2 * (count - 1);
  words[last] = Math.min(words[last]! + octets, MISSING_MAX);
}

/** Takes a hole out; those behind it move up. */
function removeHole(words: Int32Array, at: number, i: number): void {
  for (let k = i; k < HOLES_MAX - 1; k++)
    setHole(words, at, k, words[at + START + 2 * k + 2]!, words[at + MISSING + 2 * k + 2]!);
  setHole(words, at, HOLES_MAX - 1, 0, 0);
}

/** Puts a hole before number i. @returns false when there was no room: the last one became a sum */
function insertHole(words: Int32Array, at: number, i: number, start: number, missing: number): boolean {
  const count = countHoles(words, at);
  const isFull = count === HOLES_MAX;
  if (isFull && i === HOLES_MAX) {
    addToLast(words, at, count, missing);
    return false;
  }
  if (isFull && i === HOLES_MAX - 1) {
    words[at + START + 2 * i] = start;
    addToLast(words, at, count, missing);
    return false;
  }
  // The last two become one.
  if (isFull) addToLast(words, at, count - 1, words[at + MISSING + 2 * (HOLES_MAX - 1)]!);
  for (let k = Math.min(count, HOLES_MAX - 1); k > i; k--)
    setHole(words, at, k, words[at + START + 2 * k - 2]!, words[at + MISSING + 2 * k - 2]!);
  setHole(words, at, i, start, missing);
  return !isFull;
}

/** Octets of `side` that the capture lacks: jumped over or acknowledged, and not seen so far. */
export function missedOctets(slab: Slab, slot: number, side: number): number {
  const { words, trouble } = slab;
  const base = nearOf(slot);
  const bits = words[base + W.bits]!;
  let missed = trouble.count(words, slot, side, T.missed);
  if ((bits & (BIT.hole0 << side)) !== 0) {
    const at = trouble.peek(words, slot, side);
    const count = countHoles(trouble.words, at);
    for (let i = 0; i < count; i++) missed += trouble.words[at + MISSING + 2 * i]!;
  }
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

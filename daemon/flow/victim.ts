import { IpProto } from '../../decoders/packet-fields.ts';
import { flowSeqOf, packetsOf } from './counters.ts';
import type { Slab } from './record.ts';
import { BIT, D, nearOf, W } from './slot.ts';
import { isTcpHalfOpen, isTcpOver } from './tcp-state.ts';
import { BUCKETS, Lane, type TimerWheel } from './wheel.ts';

/** Packets by which a flow of one side only proves itself: asymmetric routing and one-way streams are worth keeping, a scan is not. */
export const ONE_WAY_PROVEN = 8;
/** Seconds by which a flow that is over must be silent for longer than the oldest half-open one, to go before it. */
const OVER_HEAD_START = 2;
/** Flows that are found in the wrong lane, and moved, for one victim at most; each is moved once in its life. */
const MOVES_MAX = 256;
/** Established flows looked at to choose the longest silent one. */
const SAMPLE = 16;

/** Slots that one choice visits at most: the moves, the head of each list of two lanes, the newest, the sample, and a last resort. */
export const VISITS_MAX = MOVES_MAX + 2 * BUCKETS + 1 + SAMPLE + 1;

/** The Lane that the flow in a slot belongs into by what is known of it now. */
export function laneOf({ words }: Slab, slot: number): number {
  const base = nearOf(slot);
  const bits = words[base + W.bits]!;
  if (((words[base + W.key]! >>> 16) & 0xff) === IpProto.TCP) {
    if (isTcpOver(bits)) return Lane.over;
    if (isTcpHalfOpen(bits)) return Lane.unproven;
  }
  const lo = packetsOf(words, slot, 0);
  const hi = packetsOf(words, slot, 1);
  return (lo === 0 || hi === 0) && lo + hi < ONE_WAY_PROVEN ? Lane.unproven : Lane.proven;
}

/**
 * Chooses the slot that a full table gives to a new flow, at a cost that does not depend on how many there are. In this
 * order: a slot that holds no flow any more; the oldest flow that is half-open, or has few packets of one side only; one that
 * is over and lingers; of a sample of the others the longest silent.
 *
 * Flows are half-open when they are put into the wheel and may be established since: those are moved to their lane when they
 * come up, some at a time. Should so many come up that no half-open one is found behind them, the newest flow goes, if it
 * is half-open: nothing established is given up while the flood that fills the table is in it.
 */
export class VictimHand {
  /** Slots that the last choice looked at. */
  visits = 0;
  /** The chosen slot is still in its list: the new flow takes its place there. */
  isLinked = false;
  #nextBucket = 0;

  reset(): void {
    this.#nextBucket = 0;
  }

  /**
   * @param newest slot that was taken last
   * @param now    epoch seconds
   * @returns the slot, taken out of the wheel unless `isLinked`; it may hold a flow that is to be ended
   */
  choose(slab: Slab, wheel: TimerWheel, newest: number, now: number): number {
    this.visits = 0;
    this.isLinked = false;
    let best = -1;
    let bestLane: number = Lane.unproven;
    let bestAge = Number.NEGATIVE_INFINITY;
    let bestSeq = Number.POSITIVE_INFINITY;
    let moves = 0;
    for (let lane: number = Lane.unproven; lane <= Lane.over; lane++) {
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        let slot = wheel.head(bucket, lane);
        while (slot >= 0) {
          this.visits++;
          if ((slab.words[nearOf(slot) + W.bits]! & BIT.live) === 0) return wheel.shift(bucket, lane);
          const proper = laneOf(slab, slot);
          if (proper === lane) break;
          slot = -1;
          if (++moves > MOVES_MAX) break;
          wheel.append(wheel.shift(bucket, lane), bucket, proper);
          slot = wheel.head(bucket, lane);
        }
        if (slot < 0) continue;
        const age = now - lastSecond(slab, slot) - (lane === Lane.over ? OVER_HEAD_START : 0);
        const seq = flowSeqOf(slab.words, slot);
        if (age < bestAge || (age === bestAge && (lane !== bestLane || seq > bestSeq))) continue;
        best = bucket;
        bestLane = lane;
        bestAge = age;
        bestSeq = seq;
      }
    }
    if (best >= 0) return wheel.shift(best, bestLane);
    if (newest >= 0) {
      this.visits++;
      this.isLinked =
        (slab.words[nearOf(newest) + W.bits]! & BIT.live) !== 0 && laneOf(slab, newest) === Lane.unproven;
      if (this.isLinked) return newest;
    }
    return this.#longestSilent(slab, wheel);
  }

  /** Takes heads of the last lane's lists in turn; those that are not chosen go to the end of theirs. */
  #longestSilent(slab: Slab, wheel: TimerWheel): number {
    let victim = -1;
    let victimBucket = 0;
    let victimLast = Number.POSITIVE_INFINITY;
    for (let i = 0; i < SAMPLE; i++) {
      let bucket = this.#nextBucket;
      for (let k = 0; k < BUCKETS && wheel.head(bucket, Lane.proven) < 0; k++)
        bucket = (bucket + 1) % BUCKETS;
      if (wheel.head(bucket, Lane.proven) < 0) break;
      this.#nextBucket = (bucket + 1) % BUCKETS;
      this.visits++;
      const slot = wheel.shift(bucket, Lane.proven);
      const isLive = (slab.words[nearOf(slot) + W.bits]! & BIT.live) !== 0;
      const last = isLive ? lastSecond(slab, slot) : Number.NEGATIVE_INFINITY;
      if (last < victimLast) {
        if (victim >= 0) wheel.append(victim, victimBucket, Lane.proven);
        victim = slot;
        victimBucket = bucket;
        victimLast = last;
      } else wheel.append(slot, bucket, Lane.proven);
    }
    return victim >= 0 ? victim : this.#any(wheel);
  }

  /** The head of any list: what is left when all were found in the wrong lanes. */
  #any(wheel: TimerWheel): number {
    this.visits++;
    for (let lane: number = Lane.unproven; lane <= Lane.proven; lane++)
      for (let bucket = 0; bucket < BUCKETS; bucket++)
        if (wheel.head(bucket, lane) >= 0) return wheel.shift(bucket, lane);
    throw new Error('flow table: it is full, but no flow waits in its wheel');
  }
}

function lastSecond({ words, doubles }: Slab, slot: number): number {
  return doubles[(nearOf(slot) >>> 1) + D.startSec]! + words[nearOf(slot) + W.lastDelta]!;
}

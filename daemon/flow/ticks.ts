import type { PacketFields } from '../../decoders/packet-fields.ts';

/** Bits of mantissa of a packed time; 4 more are the exponent. */
const MANTISSA = 12;

/** Nanoseconds of a tick: 10^9 is a multiple of it, so that a second is a whole number of ticks. */
export const TICK_NS = 512;
const TICKS_PER_SEC = 1_953_125;

/** The time of a packet in ticks modulo 2^32 (int32): differences are right up to 18 minutes. */
export function tickOf(f: PacketFields): number {
  return (Math.imul(f.tsSec | 0, TICKS_PER_SEC) + (f.tsNsec >>> 9)) | 0;
}

/**
 * Ticks in 16 bits, to 1 in 2048: 0 for 0, at most 68 seconds. Packed times compare as the times do.
 * @param ticks int32, 0 or more
 */
export function packTicks(ticks: number): number {
  let exponent = 0;
  let rest = ticks;
  while (rest >= 1 << MANTISSA) {
    rest >>= 1;
    exponent++;
  }
  return exponent > 15 ? 0xffff : (exponent << MANTISSA) | rest;
}

/** The ticks that `packTicks` packed. @param packed 16 bits */
export function unpackTicks(packed: number): number {
  return (packed & ((1 << MANTISSA) - 1)) * 2 ** (packed >>> MANTISSA);
}

/**
 * Notes a time for one side of a word that holds the shortest one of each side so far: packed, plus one; 0: none.
 * @param ticks int32; less than 0 is no time, and left out
 */
export function noteLeast(words: Int32Array, at: number, side: number, ticks: number): void {
  if (ticks < 0) return;
  const packed = packTicks(ticks) + 1;
  const word = words[at]!;
  const least = (word >>> (16 * side)) & 0xffff;
  if (least !== 0 && packed >= least) return;
  words[at] = (word & ~(0xffff << (16 * side))) | (Math.min(packed, 0xffff) << (16 * side));
}

/** What `noteLeast` noted of a side, in nanoseconds; -1: nothing. */
export function leastNs(word: number, side: number): number {
  const packed = (word >>> (16 * side)) & 0xffff;
  return packed === 0 ? -1 : unpackTicks(packed - 1) * TICK_NS;
}

/** A round trip in 32 bits: nanoseconds up to 2.1 seconds, else microseconds as a negative number, at most 35 minutes. @param ns 0 or more */
export function packRtt(ns: number): number {
  return ns <= 0x7fffffff ? ns | 0 : Math.max(-0x80000000, -Math.round(ns / 1000)) | 0;
}

/** The nanoseconds that `packRtt` packed. */
export function unpackRtt(packed: number): number {
  return packed >= 0 ? packed : -packed * 1000;
}

import * as layout from './slot.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { F, farOf, nearOf, W } = layout;
const { packets0: PACKETS, bytes0: BYTES, ipBytes0: IP_BYTES, payload0: PAYLOAD } = W;
const { wide0: WIDE } = F;

/** The bits above 32 of a counter, all set: it stays at its end. */
const HIGH_MAX = 0xffff;
const U32 = 2 ** 32;

/**
 * Counts one packet on a side of a flow. The counters have 48 bits (281 TB; 0.7 PB at a time would need a flow of 64 hours
 * at 10 Gbit/s): 32 where every packet finds them, 16 apart for the rare carry. A counter that reaches its end stays there.
 * @param words the slab
 * @param wireLen, ipLen, payloadLen octets, below 2^32
 * @returns true for the first packet of the side
 */
export function countPacket(
  words: Int32Array,
  slot: number,
  side: number,
  wireLen: number,
  ipLen: number,
  payloadLen: number,
): boolean {
  const base = nearOf(slot);
  const at = base + side;
  const packets = (words[at + PACKETS]! + 1) | 0;
  const bytes = (words[at + BYTES]! + wireLen) | 0;
  const ipBytes = (words[at + IP_BYTES]! + ipLen) | 0;
  const payload = (words[at + PAYLOAD]! + payloadLen) | 0;
  words[at + PACKETS] = packets;
  words[at + BYTES] = bytes;
  words[at + IP_BYTES] = ipBytes;
  words[at + PAYLOAD] = payload;
  // A sum that is smaller than what was added has wrapped.
  if (packets === 0 || bytes >>> 0 < wireLen || ipBytes >>> 0 < ipLen || payload >>> 0 < payloadLen)
    carryAll(words, at, farOf(words, base) + WIDE + 2 * side, wireLen, ipLen, payloadLen);
  return packets === 1 && (words[farOf(words, base) + WIDE + 2 * side]! & HIGH_MAX) === 0;
}

/** Carries each of the four counters that has wrapped into its high bits. */
function carryAll(
  words: Int32Array,
  at: number,
  wide: number,
  wireLen: number,
  ipLen: number,
  payloadLen: number,
): void {
  if (words[at + PACKETS] === 0) carry(words, wide, 0, at + PACKETS);
  if (words[at + BYTES]! >>> 0 < wireLen) carry(words, wide, 16, at + BYTES);
  if (words[at + IP_BYTES]! >>> 0 < ipLen) carry(words, wide + 1, 0, at + IP_BYTES);
  if (words[at + PAYLOAD]! >>> 0 < payloadLen) carry(words, wide + 1, 16, at + PAYLOAD);
}

function carry(words: Int32Array, wide: number, shift: number, low: number): void {
  const high = words[wide]!;
  if (((high >>> shift) & HIGH_MAX) === HIGH_MAX) words[low] = -1;
  else words[wide] = (high + (1 << shift)) | 0;
}

/** Packets of a side, at most 2^48 - 1. */
export function packetsOf(words: Int32Array, slot: number, side: number): number {
  return read(words, slot, side, W.packets0, 0, 0);
}

/** Octets of frames on the wire. */
export function bytesOf(words: Int32Array, slot: number, side: number): number {
  return read(words, slot, side, W.bytes0, 0, 16);
}

/** Octets of IP packets. */
export function ipBytesOf(words: Int32Array, slot: number, side: number): number {
  return read(words, slot, side, W.ipBytes0, 1, 0);
}

/** Octets behind transport headers, each time they were sent. */
export function payloadOf(words: Int32Array, slot: number, side: number): number {
  return read(words, slot, side, W.payload0, 1, 16);
}

function read(
  words: Int32Array,
  slot: number,
  side: number,
  low: number,
  wide: number,
  shift: number,
): number {
  const base = nearOf(slot);
  const high = (words[farOf(words, base) + F.wide0 + 2 * side + wide]! >>> shift) & HIGH_MAX;
  return high * U32 + (words[base + low + side]! >>> 0);
}

/** Number of the flow in a slot within its capture thread. */
export function flowSeqOf(words: Int32Array, slot: number): number {
  const far = farOf(words, nearOf(slot));
  return (words[far + F.few]! >>> 16) * U32 + (words[far + F.flowSeq]! >>> 0);
}

/** Sets it, in a slot that is otherwise empty. @param seq below 2^48 */
export function setFlowSeq(words: Int32Array, slot: number, seq: number): void {
  const far = farOf(words, nearOf(slot));
  words[far + F.flowSeq] = seq | 0;
  words[far + F.few] = Math.floor(seq / U32) << 16;
}

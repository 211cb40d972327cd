/**
 * Arithmetic on 32-bit sequence numbers kept as int32 (`DataView.getInt32`). RFC 9293 §3.4: comparisons are modulo 2^32,
 * so that "less" means "within the 2^31 numbers before". int32 keeps them small integers in V8; a uint32 above 2^31 is not.
 */

/** `a - b` modulo 2^32 as int32: how far `a` is ahead of `b`, negative when behind. */
export function seqDiff(a: number, b: number): number {
  return (a - b) | 0;
}

/** `seq + octets` modulo 2^32 as int32. */
export function seqAdd(seq: number, octets: number): number {
  return (seq + octets) | 0;
}

/** Whether `a` comes before `b`. Numbers exactly 2^31 apart each come before the other, as RFC 1982 §3.2 leaves open. */
export function seqBefore(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** Whether `a` comes after `b`. */
export function seqAfter(a: number, b: number): boolean {
  return ((b - a) | 0) < 0;
}

/** The later of the two. */
export function seqMax(a: number, b: number): number {
  return ((a - b) | 0) < 0 ? b : a;
}

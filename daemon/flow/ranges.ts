import type { PacketFields } from '../../decoders/packet-fields.ts';
import * as layout from './slot.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { ttl: TTL, flags: FLAGS } = layout.W;
const { dscp: DSCP, ipId: IP_ID } = layout.F;
const { farOf } = layout;

/**
 * Takes TTL and DSCP of a packet into the ranges of its side, and the IPv4 identification of its first one.
 * @param base first word of the slot @param isFirst the first packet of this side: its DSCP stays known
 */
export function noteRanges(
  words: Int32Array,
  base: number,
  side: number,
  isFirst: boolean,
  f: PacketFields,
): void {
  const ttls = words[base + TTL]! >>> (16 * side);
  if (f.ttl < (ttls & 0xff) || f.ttl > ((ttls >>> 8) & 0xff)) widenTtl(words, base, 16 * side, f.ttl);
  const dscp = f.tos >>> 2;
  if (isFirst) {
    words[base + FLAGS]! |= dscp << (16 + 8 * side);
    if (f.ipVersion === 4) words[farOf(words, base) + IP_ID]! |= (f.ipId & 0xffff) << (16 * side);
  } else if (((words[base + FLAGS]! >>> (16 + 8 * side)) & 0xff) !== dscp)
    widenDscp(words, base, 12 * side, dscp);
}

/** Takes a TTL into the range of its side, which may be empty: its least is above its most. */
function widenTtl(words: Int32Array, base: number, shift: number, ttl: number): void {
  const range = words[base + TTL]!;
  const least = Math.min((range >>> shift) & 0xff, ttl);
  const most = Math.max((range >>> (shift + 8)) & 0xff, ttl);
  words[base + TTL] = (range & ~(0xffff << shift)) | ((least | (most << 8)) << shift);
}

/** Takes a DSCP that is not the first one of its side into the range of the others. */
function widenDscp(words: Int32Array, base: number, shift: number, dscp: number): void {
  const at = farOf(words, base) + DSCP;
  const range = words[at]!;
  const least = Math.min((range >>> shift) & 0x3f, dscp);
  const most = Math.max((range >>> (shift + 6)) & 0x3f, dscp);
  words[at] = (range & ~(0xfff << shift)) | ((least | (most << 6)) << shift);
}

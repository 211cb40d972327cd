import type { PacketFields } from '../../decoders/packet-fields.ts';
import * as layout from './slot.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { W } = layout;

/**
 * Takes TTL and DSCP of a packet into the ranges of its side.
 * @param base first word of the slot @param isFirst the first packet of this side: its DSCP stays known
 */
export function noteRanges(
  words: Int32Array,
  base: number,
  side: number,
  isFirst: boolean,
  f: PacketFields,
): void {
  const shift = 16 * side;
  let ttl = words[base + W.ttl]!;
  if (f.ttl < ((ttl >>> shift) & 0xff)) ttl = (ttl & ~(0xff << shift)) | (f.ttl << shift);
  if (f.ttl > ((ttl >>> (shift + 8)) & 0xff)) ttl = (ttl & ~(0xff << (shift + 8))) | (f.ttl << (shift + 8));
  words[base + W.ttl] = ttl;
  const dscp = f.tos >>> 2;
  if (isFirst) words[base + W.flags]! |= dscp << (16 + 8 * side);
  else if (((words[base + W.flags]! >>> (16 + 8 * side)) & 0xff) !== dscp)
    widenDscp(words, base, 12 * side, dscp);
}

/** Takes a DSCP that is not the first one of its side into the range of the others. */
function widenDscp(words: Int32Array, base: number, shift: number, dscp: number): void {
  const range = words[base + W.dscp]!;
  const least = Math.min((range >>> shift) & 0x3f, dscp);
  const most = Math.max((range >>> (shift + 6)) & 0x3f, dscp);
  words[base + W.dscp] = (range & ~(0xfff << shift)) | ((least | (most << 6)) << shift);
}

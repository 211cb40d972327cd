import { isMulticast4, isMulticast6, LBCAST } from '../../decoders/address-class.ts';
import { IpProto, type PacketFields, TcpFlag } from '../../decoders/packet-fields.ts';
import { markFlip } from './history.ts';
import { looksLikeAnswer } from './server-ports.ts';
import * as layout from './slot.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { SYN, RST, ACK } = TcpFlag;
const { BIT, KEY_IPV6, nearOf, W } = layout;

/**
 * Who is the originator of a flow that begins with this packet: its sender, unless it looks like an answer. A SYN+ACK names
 * its receiver; else the ports are asked (see looksLikeAnswer). An exchange is noted in the history, as in Zeek. Whoever
 * sends to a group is the originator: a group sends nothing (RFC 1122, 3.2.1.3), so such a packet answers no packet of it.
 * @param words the slab; the slot has its key
 * @param side the sender
 * @returns bits of W.bits
 */
export function beginOriginator(words: Int32Array, slot: number, side: number, f: PacketFields): number {
  const base = nearOf(slot);
  let bits = 0;
  let isFlipped = false;
  if (f.ipProto === IpProto.TCP && (f.tcpFlags & SYN) !== 0) {
    isFlipped = (f.tcpFlags & ACK) !== 0;
    bits = isFlipped ? BIT.origBySynAck : BIT.origBySyn;
  } else {
    const ports = words[base + W.ports]!;
    const lo = ports >>> 16;
    const hi = ports & 0xffff;
    const proto = (words[base + W.key]! >>> 16) & 0xff;
    isFlipped =
      looksLikeAnswer(proto, side === 0 ? lo : hi, side === 0 ? hi : lo) &&
      !isGroup(words[base + (side === 0 ? W.addrHi : W.addrLo)]!, words[base + W.key]!);
  }
  if (isFlipped) markFlip(words, slot);
  return bits | ((side === 1) !== isFlipped ? BIT.origIsHi : 0);
}

/** @param first the first word of an address @param key W.key of its flow */
function isGroup(first: number, key: number): boolean {
  if ((key & KEY_IPV6) !== 0) return isMulticast6(first);
  return isMulticast4(first) || first === LBCAST;
}

/** The first SYN without ACK decides who the originator is, whoever spoke before. @param f a TCP segment of `side` */
export function correctOriginator(words: Int32Array, slot: number, side: number, f: PacketFields): void {
  if ((f.tcpFlags & (SYN | ACK | RST)) !== SYN) return;
  const at = nearOf(slot) + W.bits;
  const bits = words[at]!;
  if ((bits & BIT.origBySyn) !== 0) return;
  const orig = (bits & BIT.origIsHi) !== 0 ? 1 : 0;
  words[at] = (orig === side ? bits : bits ^ BIT.origIsHi) | BIT.origBySyn;
  if (orig !== side) markFlip(words, slot);
}

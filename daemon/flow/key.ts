import { icmpCounterpart } from '../../decoders/icmp.ts';
import { IpProto, type PacketFields } from '../../decoders/packet-fields.ts';
import { TunnelType } from '../../decoders/tunnel-fields.ts';
import { FragmentTable, vlanWord } from './fragments.ts';
import { finish, keyed } from './hash.ts';
import { protocolHasPorts } from './record.ts';
import * as layout from './slot.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { KEY_IPV6, KEY_ONE_WAY, KEY_ONE_WAY_FROM_HI, KEY_TUNNEL_SHIFT, W } = layout;

/** Words a key takes at the start of a slot (word 3 is not part of it). */
const KEY_WORDS = 12;

/** Odd numbers without pattern, by which the seed becomes a key of its own for each word. Digits of pi. */
const KEY_OF_KEY = 0x243f6a89;
const KEY_OF_TUNNEL = 0x05a308d3;
const KEY_OF_VLAN = 0x13198a2f;
const KEY_OF_PORTS = 0x03707345;
const KEY_OF_LO = 0xa4093823 | 0;
const KEY_OF_HI = 0x299f31d1;
const KEY_OF_NEXT = 0x082efa99;

/**
 * Hash of the key that stands at word `base` of `words` (a slot, or a FlowKey). It is the same for both directions,
 * because the key is: endpoints are in canonical order.
 *
 * Every word goes through a key of its own before they are added up: whoever chooses addresses and ports does not know what
 * difference they make. A seeded murmur3 would not do: it has collisions that hold for every seed.
 * @param tunnelId see tunnelKeyId; not looked at for a flow that is in no tunnel
 * @returns int32
 */
export function hashKey(words: Int32Array, base: number, seed: number, tunnelId: number): number {
  const key = words[base + W.key]!;
  let h =
    keyed(key, Math.imul(seed, KEY_OF_KEY)) +
    keyed(words[base + W.vlan]!, Math.imul(seed, KEY_OF_VLAN)) +
    keyed(words[base + W.ports]!, Math.imul(seed, KEY_OF_PORTS));
  let lo = Math.imul(seed, KEY_OF_LO);
  let hi = Math.imul(seed, KEY_OF_HI);
  h = (h + keyed(words[base + W.addrLo]!, lo) + keyed(words[base + W.addrHi]!, hi)) | 0;
  if (key >>> KEY_TUNNEL_SHIFT !== 0) h = (h + keyed(tunnelId, Math.imul(seed, KEY_OF_TUNNEL))) | 0;
  if ((key & KEY_IPV6) !== 0) {
    for (let i = 1; i < 4; i++) {
      lo = Math.imul(lo, KEY_OF_NEXT);
      hi = Math.imul(hi, KEY_OF_NEXT);
      h = (h + keyed(words[base + W.addrLo + i]!, lo) + keyed(words[base + W.addrHi + i]!, hi)) | 0;
    }
  }
  return finish(h ^ seed);
}

/** The key of the packet at hand, laid out as at the start of a slot. One reused object. */
export class FlowKey {
  readonly words = new Int32Array(KEY_WORDS);
  /** What the packet came in: none for the outermost IP header. Set before `set`. */
  tunnelType: TunnelType = TunnelType.none;
  /** See tunnelKeyId. */
  tunnelId = 0;
  readonly #fragments: FragmentTable;

  /** @param seed keys the hash of the fragment table */
  constructor(seed: number) {
    this.#fragments = new FragmentTable(seed ^ 0x5bd1e995);
  }

  /** Forgets the fragments: the next packet may be of another file. */
  reset(): void {
    this.#fragments.clear();
  }

  /** Takes the key of the packet. @returns the side that sent it: 0 when the source is `lo` */
  set(view: DataView, f: PacketFields): number {
    let proto = f.ipProto;
    let srcPort = 0;
    let dstPort = 0;
    let oneWay = false;
    let hasPorts = f.hasPorts;
    if (hasPorts) {
      srcPort = f.srcPort;
      dstPort = f.dstPort;
      if (f.isFragment) this.#fragments.remember(view, f, this.tunnelType, this.tunnelId);
    } else if (f.isFragment && f.fragOff > 0 && this.#isOfKnown(view, f)) {
      proto = this.#fragments.proto;
      srcPort = this.#fragments.ports >>> 16;
      dstPort = this.#fragments.ports & 0xffff;
      hasPorts = true;
    }
    if (proto === IpProto.ICMP || proto === IpProto.ICMPV6) {
      const answer = hasPorts ? icmpCounterpart(proto, srcPort) : -1; // type 0 and code 0 are ports, too
      if (answer >= 0) dstPort = answer;
      else oneWay = true;
    }

    let key = f.captureIndex | (proto << 16) | (this.tunnelType << KEY_TUNNEL_SHIFT);
    const k = this.words;
    let order = 0;
    if (f.ipVersion === 4) {
      const src = view.getInt32(f.srcOff);
      const dst = view.getInt32(f.dstOff);
      order = src === dst ? 0 : (src ^ 0x80000000) < (dst ^ 0x80000000) ? -1 : 1;
      if (order === 0) order = srcPort - dstPort;
      k[W.addrLo] = order <= 0 ? src : dst;
      k[W.addrHi] = order <= 0 ? dst : src;
      k[W.addrLo + 1] = 0;
      k[W.addrLo + 2] = 0;
      k[W.addrLo + 3] = 0;
      k[W.addrHi + 1] = 0;
      k[W.addrHi + 2] = 0;
      k[W.addrHi + 3] = 0;
    } else {
      key |= KEY_IPV6;
      for (let i = 0; i < 16 && order === 0; i += 4) {
        const src = view.getInt32(f.srcOff + i);
        const dst = view.getInt32(f.dstOff + i);
        if (src !== dst) order = (src ^ 0x80000000) < (dst ^ 0x80000000) ? -1 : 1;
      }
      if (order === 0) order = srcPort - dstPort;
      const lo = order <= 0 ? f.srcOff : f.dstOff;
      const hi = order <= 0 ? f.dstOff : f.srcOff;
      for (let i = 0; i < 4; i++) {
        k[W.addrLo + i] = view.getInt32(lo + i * 4);
        k[W.addrHi + i] = view.getInt32(hi + i * 4);
      }
    }
    const side = order <= 0 ? 0 : 1;
    if (oneWay) key |= KEY_ONE_WAY | (side === 1 ? KEY_ONE_WAY_FROM_HI : 0);
    k[W.key] = key;
    k[W.vlan] = vlanWord(f);
    k[W.ports] = side === 0 ? (srcPort << 16) | dstPort : (dstPort << 16) | srcPort;
    return side;
  }

  /** Whether the first fragment of this later one is known. Of IPv6 any header may follow the fragment header. */
  #isOfKnown(view: DataView, f: PacketFields): boolean {
    if (f.ipVersion === 4 && !protocolHasPorts(f.ipProto)) return false;
    return this.#fragments.find(view, f, this.tunnelType, this.tunnelId);
  }
}

import { icmpCounterpart } from '../../decoders/icmp.ts';
import { IpProto, type PacketFields } from '../../decoders/packet-fields.ts';
import { TunnelType } from '../../decoders/tunnel-fields.ts';
import { FragmentTable, vlanWord } from './fragments.ts';
import { finish, keyed } from './hash.ts';
import { protocolHasPorts } from './record.ts';
import * as layout from './slot.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { ICMP, ICMPV6 } = IpProto;
const { farOf, KEY_IPV6, KEY_ONE_WAY, KEY_ONE_WAY_FROM_HI, KEY_TUNNEL_SHIFT, TAIL_WORDS } = layout;
const { tails: TAILS_AT } = layout.F;
const { key: KEY, vlan: VLAN, ports: PORTS, addrLo: ADDR_LO, addrHi: ADDR_HI } = layout.W;

/** Addresses are compared as unsigned. */
const SIGN = 0x80000000 | 0;
/** What in `W.key` says that there is more than the first five words of it. */
const TAILS = KEY_IPV6 | (-1 << KEY_TUNNEL_SHIFT);

/** Words of a FlowKey: the first six as at the start of a slot (word 3 is not part of it), then F.tails. */
export const KEY_TAILS = 6;
const KEY_WORDS = KEY_TAILS + 2 * TAIL_WORDS;
const OWN_TAILS = KEY_TAILS;

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
 * @param tails word at which the rest of two IPv6 addresses stands
 * @param tunnelId see tunnelKeyId; not looked at for a flow that is in no tunnel
 * @returns int32
 */
export function hashKey(
  words: Int32Array,
  base: number,
  tails: number,
  seed: number,
  tunnelId: number,
): number {
  const key = words[base + KEY]!;
  const h = sumHeads(
    key,
    words[base + VLAN]!,
    words[base + PORTS]!,
    words[base + ADDR_LO]!,
    words[base + ADDR_HI]!,
    seed,
  );
  const tail = (key & TAILS) !== 0 ? hashTails(words, key, tails, seed, tunnelId) : 0;
  return finish((h + tail) ^ seed);
}

/**
 * hashKey of a flow over IPv4 in no tunnel and no VLAN, whose ports stand in its packets.
 * @param ports of the source (16) << 16 | of the destination
 * @param src, dst addresses, as int32 in network order
 */
export function hashPlain4(
  captureIndex: number,
  proto: number,
  ports: number,
  src: number,
  dst: number,
  seed: number,
): number {
  const isLo = isSourceLo(src, dst, ports >>> 16, ports & 0xffff);
  const key = (proto << 16) | captureIndex;
  const inOrder = isLo ? ports : (ports << 16) | (ports >>> 16);
  return finish(sumHeads(key, 0, inOrder, isLo ? src : dst, isLo ? dst : src, seed) ^ seed);
}

/** What the first five words of a key add to its hash. */
function sumHeads(key: number, vlan: number, ports: number, lo: number, hi: number, seed: number): number {
  return (
    (keyed(key, Math.imul(seed, KEY_OF_KEY)) +
      keyed(vlan, Math.imul(seed, KEY_OF_VLAN)) +
      keyed(ports, Math.imul(seed, KEY_OF_PORTS)) +
      keyed(lo, Math.imul(seed, KEY_OF_LO)) +
      keyed(hi, Math.imul(seed, KEY_OF_HI))) |
    0
  );
}

/** Whether the source is the numerically smaller endpoint. @param src, dst the first words of the addresses that differ, or equal ones */
function isSourceLo(src: number, dst: number, srcPort: number, dstPort: number): boolean {
  return src === dst ? srcPort <= dstPort : (src ^ SIGN) < (dst ^ SIGN);
}

/** What a key has only in a tunnel and in IPv6. */
function hashTails(words: Int32Array, key: number, tails: number, seed: number, tunnelId: number): number {
  let h = key >>> KEY_TUNNEL_SHIFT !== 0 ? keyed(tunnelId, Math.imul(seed, KEY_OF_TUNNEL)) : 0;
  if ((key & KEY_IPV6) === 0) return h;
  let lo = Math.imul(seed, KEY_OF_LO);
  let hi = Math.imul(seed, KEY_OF_HI);
  for (let i = 0; i < TAIL_WORDS; i++) {
    lo = Math.imul(lo, KEY_OF_NEXT);
    hi = Math.imul(hi, KEY_OF_NEXT);
    h = (h + keyed(words[tails + i]!, lo) + keyed(words[tails + TAIL_WORDS + i]!, hi)) | 0;
  }
  return h;
}

/** The key of the packet at hand, laid out as at the start of a slot. One reused object. */
export class FlowKey {
  readonly words = new Int32Array(KEY_WORDS);
  readonly seed: number;
  /** What the packet came in: none for the outermost IP header. Set before `set`. */
  tunnelType: TunnelType = TunnelType.none;
  /** See tunnelKeyId. */
  tunnelId = 0;
  /** Of the packet at hand: protocol and KEY_ONE_WAY as in W.key, and the ports. */
  #key = 0;
  #srcPort = 0;
  #dstPort = 0;
  readonly #fragments: FragmentTable;

  /** @param seed keys the hash, and that of the fragment table */
  constructor(seed: number) {
    this.seed = seed;
    this.#fragments = new FragmentTable(seed ^ 0x5bd1e995);
  }

  /** See hashKey. */
  hash(): number {
    return hashKey(this.words, 0, OWN_TAILS, this.seed, this.tunnelId);
  }

  /** Writes the key into a slot of zeros whose near part begins at word `base` of a slab. */
  write(slab: Int32Array, base: number): void {
    const k = this.words;
    slab[base + KEY] = k[KEY]!;
    slab[base + VLAN] = k[VLAN]!;
    slab[base + PORTS] = k[PORTS]!;
    slab[base + ADDR_LO] = k[ADDR_LO]!;
    slab[base + ADDR_HI] = k[ADDR_HI]!;
    if ((k[KEY]! & KEY_IPV6) === 0) return;
    const tails = farOf(slab, base) + TAILS_AT;
    for (let i = 0; i < 2 * TAIL_WORDS; i++) slab[tails + i] = k[OWN_TAILS + i]!;
  }

  /** Forgets the fragments: the next packet may be of another file. */
  reset(): void {
    this.#fragments.clear();
  }

  /** Takes the key of the packet. @returns the side that sent it: 0 when the source is `lo` */
  set(view: DataView, f: PacketFields): number {
    const proto = f.ipProto;
    if (!f.hasPorts || f.isFragment || proto === ICMP || proto === ICMPV6) this.#setPorts(view, f);
    else {
      this.#key = proto << 16;
      this.#srcPort = f.srcPort;
      this.#dstPort = f.dstPort;
    }
    const k = this.words;
    const srcPort = this.#srcPort;
    const dstPort = this.#dstPort;
    let key = this.#key | f.captureIndex | (this.tunnelType << KEY_TUNNEL_SHIFT);
    let isLo: boolean;
    if (f.ipVersion === 4) {
      const src = view.getInt32(f.srcOff);
      const dst = view.getInt32(f.dstOff);
      isLo = isSourceLo(src, dst, srcPort, dstPort);
      k[ADDR_LO] = isLo ? src : dst;
      k[ADDR_HI] = isLo ? dst : src;
    } else {
      key |= KEY_IPV6;
      isLo = this.#setAddresses6(view, f, srcPort <= dstPort);
    }
    if ((key & (KEY_ONE_WAY | KEY_ONE_WAY_FROM_HI)) === KEY_ONE_WAY && !isLo) key |= KEY_ONE_WAY_FROM_HI;
    k[KEY] = key;
    k[VLAN] = f.vlanCount === 0 ? 0 : vlanWord(f);
    k[PORTS] = isLo ? (srcPort << 16) | dstPort : (dstPort << 16) | srcPort;
    return isLo ? 0 : 1;
  }

  /** The ports, and protocol and KEY_ONE_WAY, where they do not just stand in the header: of fragments, ICMP and the rest. */
  #setPorts(view: DataView, f: PacketFields): void {
    let proto = f.ipProto;
    let hasPorts = f.hasPorts;
    this.#srcPort = hasPorts ? f.srcPort : 0;
    this.#dstPort = hasPorts ? f.dstPort : 0;
    if (hasPorts) {
      if (f.isFragment) this.#fragments.remember(view, f, this.tunnelType, this.tunnelId);
    } else if (f.isFragment && f.fragOff > 0 && this.#isOfKnown(view, f)) {
      proto = this.#fragments.proto;
      this.#srcPort = this.#fragments.ports >>> 16;
      this.#dstPort = this.#fragments.ports & 0xffff;
      hasPorts = true;
    }
    this.#key = proto << 16;
    if (proto !== ICMP && proto !== ICMPV6) return;
    const answer = hasPorts ? icmpCounterpart(proto, this.#srcPort) : -1; // type 0 and code 0 are ports, too
    if (answer >= 0) this.#dstPort = answer;
    else this.#key |= KEY_ONE_WAY;
  }

  /** @param isLoByPorts what is so when both addresses are the same @returns whether the source is `lo` */
  #setAddresses6(view: DataView, f: PacketFields, isLoByPorts: boolean): boolean {
    let isLo = isLoByPorts;
    for (let i = 0; i < 16; i += 4) {
      const src = view.getInt32(f.srcOff + i);
      const dst = view.getInt32(f.dstOff + i);
      if (src === dst) continue;
      isLo = (src ^ SIGN) < (dst ^ SIGN);
      break;
    }
    const lo = isLo ? f.srcOff : f.dstOff;
    const hi = isLo ? f.dstOff : f.srcOff;
    const k = this.words;
    k[ADDR_LO] = view.getInt32(lo);
    k[ADDR_HI] = view.getInt32(hi);
    for (let i = 0; i < TAIL_WORDS; i++) {
      k[OWN_TAILS + i] = view.getInt32(lo + 4 + i * 4);
      k[OWN_TAILS + TAIL_WORDS + i] = view.getInt32(hi + 4 + i * 4);
    }
    return isLo;
  }

  /** Whether the first fragment of this later one is known. Of IPv6 any header may follow the fragment header. */
  #isOfKnown(view: DataView, f: PacketFields): boolean {
    if (f.ipVersion === 4 && !protocolHasPorts(f.ipProto)) return false;
    return this.#fragments.find(view, f, this.tunnelType, this.tunnelId);
  }
}

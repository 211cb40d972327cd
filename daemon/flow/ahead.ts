import { ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6 } from '../../decoders/ethertype.ts';
import { LinkType } from '../../decoders/link-types.ts';
import { IpProto, PacketFields } from '../../decoders/packet-fields.ts';
import type { FlowIndex } from './flow-index.ts';
import { type FlowKey, hashPlain4 } from './key.ts';
import * as layout from './slot.ts';
import type { TroubleTable } from './trouble.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { TCP, UDP } = IpProto;
const { ETHERNET } = LinkType;
const { NEAR_WORDS, nearOf } = layout;
const IPV6 = ETH_P_IPV6;
const VLAN = ETH_P_8021Q;
/** Of a tag's control information; the tag, with the type behind it. IEEE 802.1Q §9.6. */
const VLAN_ID = 0xfff;
const VLAN_TAG_LEN = 4;

/** Packets that are looked at before the first of them is metered, at most. */
export const AHEAD_MAX = 32;

/** Octets from the frame to what is read of it. IEEE 802.3 §3.1.1, RFC 791 §3.1, RFC 8200 §3. */
const TYPE_OFF = 12;
const TYPE_LEN = 2;
const IP_OFF = TYPE_OFF + TYPE_LEN;
const V4_FRAGMENT = 6;
const V4_PROTOCOL = 9;
const V4_SRC = 12;
const V4_DST = 16;
const V4_LEN = 20;
const V6_NEXT = 6;
const V6_SRC = 8;
const V6_DST = 24;
const V6_LEN = 40;
const PORTS_LEN = 4;
const PORTS_END = IP_OFF + V4_LEN + PORTS_LEN;
/** EtherType, version and header length of an IPv4 header without options. */
const PLAIN_IPV4 = (ETH_P_IP << 8) | 0x45;
/** More fragments, or an offset. */
const FRAGMENT_BITS = 0x3fff;

/** The word with which the second of the two cache lines of a slot's near part begins. */
const SECOND_LINE = NEAR_WORDS / 2;

/** With fewer flows most of what is touched is in a core's caches anyway: with 12,000 nothing was gained, bench/NOTES.md. */
const FLOWS_MIN = 16_384;

/** What of the flow table is looked at. */
interface LiveFlows {
  readonly words: Int32Array;
  readonly live: number;
  readonly trouble: TroubleTable;
}

/**
 * Looks at the next packets before they are metered, so that their flows are in the processor's caches by then. One packet at a
 * time waits for memory two or three times, index, slot and what is kept of a flow in trouble, 125 to 170 ns each where there are many flows; the waits for several packets
 * overlap when they stand close together in the program, and JavaScript has no other way to prefetch.
 *
 * All of it is a guess that the flow table verifies: a wrong one costs time and nothing else. So only the usual packet is
 * looked at: TCP or UDP, IPv4 without options or IPv6, Ethernet with one tag at most.
 *
 * For each group of packets: `begin`, `see` each, `fetch`, then meter each in the same order.
 */
export class FlowsAhead {
  /** So many flows must be there before it is worth while. */
  flowsMin = FLOWS_MIN;
  readonly #table: LiveFlows;
  readonly #index: FlowIndex;
  readonly #key: FlowKey;
  readonly #seed: number;
  /** As much of a packet as its key needs. */
  readonly #fields = new PacketFields();
  readonly #hashes = new Int32Array(AHEAD_MAX);
  /** Where the chain of the hash begins; from `fetch` on the slot, -1: not known. */
  readonly #places = new Int32Array(AHEAD_MAX);
  #count = 0;
  #next = 0;
  /** What was read in order to have it in the cache: without a use the compiler would leave the reading out. */
  #read = 0;

  /** @param index, key the flow table's */
  constructor(table: LiveFlows, index: FlowIndex, key: FlowKey) {
    this.#table = table;
    this.#index = index;
    this.#key = key;
    this.#seed = key.seed;
  }

  /** Begins a group. @returns false when the flows are so few that it is not worth while: then none is to be seen */
  begin(): boolean {
    this.#count = 0;
    this.#next = 0;
    return this.#table.live >= this.flowsMin;
  }

  /**
   * Looks at one packet, behind those seen since the group began; at most AHEAD_MAX.
   * @param end one past the last captured octet
   */
  see(view: DataView, off: number, end: number, linkType: number, captureIndex: number): void {
    const at = this.#count++;
    let hash = 0; // of a packet that is not looked at; its guess is wrong
    if (linkType === ETHERNET && end - off >= PORTS_END) {
      const first = view.getInt32(off + TYPE_OFF);
      if (first >>> 8 === PLAIN_IPV4 && (view.getUint16(off + IP_OFF + V4_FRAGMENT) & FRAGMENT_BITS) === 0) {
        hash = hashPlain4(
          captureIndex,
          view.getUint8(off + IP_OFF + V4_PROTOCOL),
          view.getInt32(off + IP_OFF + V4_LEN),
          view.getInt32(off + IP_OFF + V4_SRC),
          view.getInt32(off + IP_OFF + V4_DST),
          this.#seed,
        );
      } else if (first >>> 16 === IPV6 || first >>> 16 === VLAN)
        hash = this.#hashOther(view, off, end, captureIndex);
    }
    this.#hashes[at] = hash;
    this.#places[at] = this.#index.home(hash);
  }

  /** The hash of a packet over IPv6, or behind one tag, or 0. It lets FlowKey do it: `packet` sets the key anew. */
  #hashOther(view: DataView, off: number, end: number, captureIndex: number): number {
    const f = this.#fields;
    let ip = off + IP_OFF;
    f.vlanCount = 0;
    if (view.getUint16(off + TYPE_OFF) === VLAN) {
      f.vlanCount = 1;
      f.vlanOuter = view.getUint16(ip) & VLAN_ID;
      ip += VLAN_TAG_LEN;
    }
    const isIPv6 = view.getUint16(ip - TYPE_LEN) === IPV6;
    const portsOff = ip + (isIPv6 ? V6_LEN : V4_LEN);
    if (end - portsOff < PORTS_LEN) return 0;
    if (!isIPv6) {
      if (view.getInt32(ip - TYPE_LEN) >>> 8 !== PLAIN_IPV4) return 0;
      if ((view.getUint16(ip + V4_FRAGMENT) & FRAGMENT_BITS) !== 0) return 0;
    }
    const proto = view.getUint8(ip + (isIPv6 ? V6_NEXT : V4_PROTOCOL));
    if (proto !== TCP && proto !== UDP) return 0;
    const ports = view.getInt32(portsOff);
    f.ipVersion = isIPv6 ? 6 : 4;
    f.hasPorts = true;
    f.ipProto = proto;
    f.srcPort = ports >>> 16;
    f.dstPort = ports & 0xffff;
    f.srcOff = ip + (isIPv6 ? V6_SRC : V4_SRC);
    f.dstOff = ip + (isIPv6 ? V6_DST : V4_DST);
    f.captureIndex = captureIndex;
    this.#key.set(view, f);
    return this.#key.hash();
  }

  /** Reads the slots of what was seen. */
  fetch(): void {
    const { words, trouble } = this.#table;
    const places = this.#places;
    const index = this.#index;
    const count = this.#count;
    const entries = index.entries;
    let read = this.#read;
    for (let i = 0; i < count; i++) read ^= entries[places[i]!]!;
    for (let i = 0; i < count; i++) {
      const home = places[i]!;
      const slot = index.guess(this.#hashes[i]!, home);
      places[i] = slot;
      if (slot < 0) continue;
      const base = nearOf(slot);
      read = (read + words[base]! + words[base + SECOND_LINE]!) | 0;
    }
    for (let i = 0; i < count; i++) if (places[i]! >= 0) read = (read + trouble.touch(words, places[i]!)) | 0;
    this.#read = read;
  }

  /** The slot in which the flow of the next packet may be, in the order in which they were seen; -1: not known. */
  next(): number {
    const at = this.#next;
    if (at >= this.#count) return -1;
    this.#next = at + 1;
    return this.#places[at]!;
  }
}

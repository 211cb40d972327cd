import type { PacketFields } from '../../decoders/packet-fields.ts';
import { finish, mix } from './hash.ts';

/** Entries; a power of two. An entry is overwritten by another datagram with the same hash: bounded, never searched. */
const ENTRIES = 8192;
/** Words an entry: `scope`, identification, ports, second, source and destination (4 + 4), VLAN ids, tunnel id, protocol. */
const WORDS = 15;
/** Stands for any protocol of IPv6, with a bit that no protocol has: see `scope`. */
const ANY_OF_IPV6 = 0x100;
/** Seconds after which a first fragment no longer speaks for later ones. RFC 8200 §4.5 and Linux both give up at 60, 30. */
const LIFETIME_SEC = 60;

/**
 * Capture, protocol and tunnel type in one word: the same identification in another of them is another datagram. In IPv6 the
 * protocol does not count (RFC 8200 §4.5): what a later fragment names may be an extension header that only the first one has.
 */
function scope(f: PacketFields, tunnelType: number): number {
  const protocol = f.ipVersion === 6 ? ANY_OF_IPV6 : f.ipProto;
  return (tunnelType << 25) | (f.captureIndex << 9) | protocol;
}

/** VLAN ids as they stand in a flow's key (W.vlan). */
export function vlanWord(f: PacketFields): number {
  return f.vlanOuter | (f.vlanInner << 12) | (Math.min(f.vlanCount, 2) << 24);
}

/**
 * Remembers the ports of first fragments, so that later fragments of the same datagram (addresses, identification,
 * protocol in IPv4; RFC 791 §3.2, RFC 8200 §4.5; and the same VLAN and tunnel) are counted on its flow. Direct mapped and fixed in size: a flood of fragments
 * costs nothing but earlier entries.
 */
export class FragmentTable {
  readonly #words = new Int32Array(ENTRIES * WORDS);
  readonly #seed: number;
  /** The ports that the last successful `find` gave: source << 16 | destination, as int32. */
  ports = 0;
  /** The protocol that it gave. */
  proto = 0;

  /** @param seed any int32; keys the hash */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Forgets everything. */
  clear(): void {
    this.#words.fill(0);
  }

  /** Notes the ports of a first fragment. @param tunnelId see tunnelKeyId */
  remember(view: DataView, f: PacketFields, tunnelType: number, tunnelId: number): void {
    const at = this.#entry(view, f, tunnelType, tunnelId);
    const words = this.#words;
    words[at] = scope(f, tunnelType);
    words[at + 1] = f.ipId;
    words[at + 2] = (f.srcPort << 16) | f.dstPort;
    words[at + 3] = f.tsSec | 0;
    const length = f.ipVersion === 6 ? 4 : 1;
    for (let i = 0; i < 4; i++) {
      words[at + 4 + i] = i < length ? view.getInt32(f.srcOff + i * 4) : 0;
      words[at + 8 + i] = i < length ? view.getInt32(f.dstOff + i * 4) : 0;
    }
    words[at + 12] = vlanWord(f);
    words[at + 13] = tunnelId;
    words[at + 14] = f.ipProto;
  }

  /** Looks for the first fragment of this later one. @returns true when found; `ports` then holds its ports */
  find(view: DataView, f: PacketFields, tunnelType: number, tunnelId: number): boolean {
    const at = this.#entry(view, f, tunnelType, tunnelId);
    const words = this.#words;
    if (words[at] !== scope(f, tunnelType) || words[at + 1] !== f.ipId) return false;
    if (words[at + 12] !== vlanWord(f) || words[at + 13] !== tunnelId) return false;
    if (Math.abs(((f.tsSec | 0) - words[at + 3]!) | 0) > LIFETIME_SEC) return false; // modulo 2^32: past 2038, too
    const length = f.ipVersion === 6 ? 4 : 1;
    for (let i = 0; i < 4; i++) {
      if (words[at + 4 + i] !== (i < length ? view.getInt32(f.srcOff + i * 4) : 0)) return false;
      if (words[at + 8 + i] !== (i < length ? view.getInt32(f.dstOff + i * 4) : 0)) return false;
    }
    this.ports = words[at + 2]!;
    this.proto = words[at + 14]!;
    return true;
  }

  #entry(view: DataView, f: PacketFields, tunnelType: number, tunnelId: number): number {
    let h = mix(this.#seed, scope(f, tunnelType));
    h = mix(h, tunnelId);
    h = mix(h, f.ipId);
    h = mix(h, vlanWord(f));
    const length = f.ipVersion === 6 ? 16 : 4;
    for (let i = 0; i < length; i += 4) {
      h = mix(h, view.getInt32(f.srcOff + i));
      h = mix(h, view.getInt32(f.dstOff + i));
    }
    return (finish(h) & (ENTRIES - 1)) * WORDS;
  }
}

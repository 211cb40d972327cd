import { ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6 } from '../../decoders/ethertype.ts';
import { LinkType } from '../../decoders/link-types.ts';
import { decodePacket } from '../../decoders/packet.ts';
import type { PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import { VLAN_TAG_LEN } from '../../decoders/vlan.ts';
import type { TunnelMode } from '../config.ts';
import type { FlowClock } from '../flow/clock.ts';
import { finish, mix } from '../flow/hash.ts';
import { AHEAD_MAX, type FlowsAhead } from '../flow/ahead.ts';
import type { FlowTable } from '../flow/table.ts';
import { Meter } from './meter.ts';
import type { LookAhead, PacketSink } from './packet-source.ts';
import { TunnelMeter } from './tunnel-meter.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { ETHERNET } = LinkType;
const { Ok } = Status;
const TYPE_IP = ETH_P_IP;
const TYPE_IPV6 = ETH_P_IPV6;
const TYPE_TAG = ETH_P_8021Q;
const TYPE_OUTER_TAG = ETH_P_8021AD;
const TAG_LEN = VLAN_TAG_LEN;

/** Octets of an Ethernet frame: its type, and from there the source addresses of IPv4 and IPv6, and where the destinations end. */
const TYPE_OFF = 12;
const SRC4_OFF = 14;
const END4 = 22;
const SRC6_OFF = 10;
const END6 = 42;
/** More tags than these are looked at by the decoder. */
const TAGS_MAX = 2;

/** Which part of the packets a thread takes. */
export interface Shard {
  /** From 0. */
  index: number;
  count: number;
}

/**
 * The part of the packets that one of several threads meters; each of them is given all. The outermost addresses say whose a
 * packet is, and no port does: so fragments, both directions, and what comes inside a tunnel stay together, and every table
 * finds what it would find if it were the only one. What has no IP header is the first thread's, and so every packet is counted
 * once.
 *
 * The packets of others move the clock of this thread's table as well: flows end when they would have ended in one table.
 */
export class ShardMeter implements PacketSink, LookAhead {
  readonly fields: PacketFields;
  /** This one, where our own packets are to be looked at. */
  readonly ahead: LookAhead | null;
  /** Packets so far, of all threads. */
  seen = 0;
  /** The meter of this thread. */
  readonly own: Meter | TunnelMeter;
  /** This thread. */
  readonly index: number;
  readonly #count: number;
  readonly clock: FlowClock;
  /** Takes what is not ours, and counts for nobody. */
  readonly #passing: Meter | TunnelMeter;
  /** A look at our own packets; null where there is none. */
  readonly ownAhead: FlowsAhead | null;
  /** Whose the packets of the group are that were looked at; -1: not known. */
  readonly #shards = new Int8Array(AHEAD_MAX);
  #group = 0;
  #next = 0;

  /** @param own the meter of this thread, which puts packets into `table` @param tunnels as `own` */
  constructor(own: Meter | TunnelMeter, table: FlowTable, shard: Shard, tunnels: TunnelMode) {
    this.fields = own.fields;
    this.own = own;
    this.ownAhead = own instanceof Meter ? own.ahead : null;
    this.ahead = this.ownAhead === null ? null : this;
    this.index = shard.index;
    this.#count = shard.count;
    this.clock = table.clock;
    const pass = (_: DataView, f: PacketFields): number => {
      if (f.tsSec !== table.clock.now) table.clock.packet(f, table.live);
      return -1;
    };
    const places = { packet: pass, innerPacket: pass, flowSeq: (): number => -1 };
    this.#passing = tunnels === 'outer' ? new Meter(places) : new TunnelMeter(places, tunnels);
  }

  /** Makes room for a capture point. */
  reserve(captureIndex: number): void {
    this.#passing.counters.reserve(captureIndex);
  }

  begin(): boolean {
    this.#group = 0;
    this.#next = 0;
    return this.ownAhead!.begin();
  }

  see(view: DataView, off: number, end: number, linkType: number, captureIndex: number): void {
    const shard = this.#shardOfUsual(view, off, end - off, linkType);
    this.#shards[this.#group++] = shard;
    if (shard === this.index) this.ownAhead!.see(view, off, end, linkType, captureIndex);
  }

  fetch(): void {
    this.ownAhead!.fetch();
  }

  packet(view: DataView, off: number, capLen: number): void {
    const f = this.fields;
    this.seen++;
    let shard =
      this.#next < this.#group
        ? this.#shards[this.#next++]!
        : this.#shardOfUsual(view, off, capLen, f.linkType);
    if (shard < 0) shard = this.#shardOf(view, off, capLen, f);
    if (shard === this.index) this.own.packet(view, off, capLen);
    else if (f.tsSec !== this.clock.now) this.pass(view, off, capLen, f);
  }

  /** Takes a packet of another thread. Only what is decoded moves the clock, so it is decoded here: once in a second of the packets' time, in most files. */
  pass(view: DataView, off: number, capLen: number, f: PacketFields): void {
    const to = this.#passing.fields;
    to.linkType = f.linkType;
    to.captureIndex = f.captureIndex;
    to.tsSec = f.tsSec;
    to.tsNsec = f.tsNsec;
    to.wireLen = f.wireLen;
    to.pktType = f.pktType;
    to.strippedTci = f.strippedTci;
    to.strippedTpid = f.strippedTpid;
    this.#passing.packet(view, off, capLen);
  }

  /** @returns -1 for what is not IP over Ethernet with two tags at most */
  #shardOfUsual(view: DataView, off: number, capLen: number, linkType: number): number {
    if (linkType !== ETHERNET || capLen < TYPE_OFF + END4) return -1;
    const end = off + capLen;
    let at = off + TYPE_OFF;
    let type = view.getUint16(at);
    for (let tags = 0; type === TYPE_TAG || type === TYPE_OUTER_TAG; tags++) {
      at += TAG_LEN;
      if (tags === TAGS_MAX || end - at < END4) return -1;
      type = view.getUint16(at);
    }
    if (type === TYPE_IP)
      return this.#shard(finish(view.getInt32(at + SRC4_OFF)) + finish(view.getInt32(at + SRC4_OFF + 4)));
    return type === TYPE_IPV6 && end - at >= END6 ? this.#shard6(view, at + SRC6_OFF) : -1;
  }

  /** Whose a packet of a file is. */
  whose(view: DataView, off: number, capLen: number, wireLen: number, linkType: number): number {
    const shard = this.#shardOfUsual(view, off, capLen, linkType);
    if (shard >= 0) return shard;
    const f = this.fields;
    f.linkType = linkType;
    f.wireLen = wireLen;
    f.strippedTci = -1;
    f.strippedTpid = 0;
    return this.#shardOf(view, off, capLen, f);
  }

  #shardOf(view: DataView, off: number, capLen: number, f: PacketFields): number {
    if (decodePacket(view, off, off + capLen, f) !== Ok || f.ipVersion === 0) return 0;
    if (f.ipVersion === 6) return this.#shard6(view, f.srcOff);
    return this.#shard(finish(view.getInt32(f.srcOff)) + finish(view.getInt32(f.dstOff)));
  }

  /** @param src where the source address stands; the destination follows. RFC 8200 §3 */
  #shard6(view: DataView, src: number): number {
    let from = 0;
    let to = 0;
    for (let i = 0; i < 16; i += 4) {
      from = mix(from, view.getInt32(src + i));
      to = mix(to, view.getInt32(src + 16 + i));
    }
    return this.#shard(finish(from) + finish(to));
  }

  /** @param sum of a hash of each address: the same in both directions */
  #shard(sum: number): number {
    return ((finish(sum) >>> 8) * this.#count) >>> 24;
  }
}

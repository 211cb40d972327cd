/**
 * Layout of one flow in the table's slab: 60 32-bit words (240 octets), seen through an Int32Array, a Float64Array and a
 * Uint8Array over one ArrayBuffer. An index entry costs 8 octets more, and its share of the trouble table (trouble.ts) and of
 * the probes (tcp-timestamps.ts) less than 8, so a flow costs 256 octets all in.
 *
 * What the usual packet touches are two cache lines, the near part: it is 128 octets, and the slab begins at a page. The rest,
 * the far part, is at the other end of the slab, which the parts fill towards each other.
 *
 * Both directions are stored by canonical endpoint, not by role: side 0 is what endpoint `lo` sent, side 1 what `hi`
 * sent, where `lo` is the numerically smaller (address, port). Who is the originator is one bit, so correcting it later
 * moves nothing.
 */
const NEAR_SHIFT = 5;
export const NEAR_WORDS = 1 << NEAR_SHIFT;
export const FAR_WORDS = 28;
// A copy, because V8 reads an exported constant from memory each time it is used and folds a local one.
const FAR_LENGTH = FAR_WORDS;
export const SLOT_WORDS = NEAR_WORDS + FAR_WORDS;
export const SLOT_BYTES = SLOT_WORDS * 4;

/** As in the index, slots have 24 bits. */
const SLOT_MASK = 0xffffff;

/**
 * The first word of a slot's near part. By the mask the compiler knows that nothing overflows: else it tests the sum of the
 * base with each offset.
 */
export function nearOf(slot: number): number {
  return (slot & SLOT_MASK) << NEAR_SHIFT;
}

/** The first word of a slot's far part. @param words the slab @param base the first word of its near part */
export function farOf(words: Int32Array, base: number): number {
  return words.length - ((base >>> NEAR_SHIFT) + 1) * FAR_LENGTH;
}

/** Word offsets of the near part (Int32Array). `…0` is side 0, side 1 follows in the next word. */
export const W = {
  /** captureIndex (16) | proto (8) << 16 | KEY_* bits << 24 | TunnelType (4) << KEY_TUNNEL_SHIFT. */
  key: 0,
  /** outer VLAN id (12) | inner (12) << 12 | number of tags, at most 2, << 24. */
  vlan: 1,
  /** port of lo (16) << 16 | port of hi. */
  ports: 2,
  /** BIT_* and the two endpoint states. */
  bits: 3,
  /** The first word of each address, as it stands in the header: all of it for IPv4. The others are at `F.tails`. */
  addrLo: 4,
  addrHi: 5,
  // 6..7: D.startSec
  /** Time of the latest packet, relative: whole seconds after `D.startSec` (int32), and nanoseconds in its second. */
  lastDelta: 8,
  lastNsec: 9,
  /** The low 32 bits of the four counters of each side; the 16 above them are in `F.wide0`. See counters.ts. */
  packets0: 10,
  bytes0: 12,
  ipBytes0: 14,
  payload0: 16,
  /** TCP: sequence number expected next from each side (int32), and the acknowledgment number it sent last. */
  seqNext0: 18,
  lastAck0: 20,
  /** TCP: time at which `seqNext0` moved last, see tickOf; once that side sent a RST, the sequence number of it. */
  nextTick0: 22,
  /** TCP: window that the side sent last, unscaled (16) | time of its last segment in units of 256 us (16) << 16. */
  window0: 24,
  /** TCP: see TCP_* below. */
  tcp: 26,
  /** tcpFlags0 | tcpFlags1 << 8 | dscp0 << 16 | dscp1 << 24: the DSCP of the first packet. */
  flags: 27,
  /** ttlMin0 | ttlMax0 << 8 | ttlMin1 << 16 | ttlMax1 << 24. */
  ttl: 28,
  /** Route generation at which each side was tagged: side 0 (16) | side 1 << 16; 0 is "never". */
  routeGen: 29,
  /** History: length (5) | bits of letters that are there << 5. See history.ts. */
  historyMeta: 30,
  /** TCP: shortest time to an ACK of each side's data, see noteLeast; until BIT.rttKnown, with BIT.synTime, the SYN's nanoseconds. */
  ackRtt: 31,
} as const;

/** Word offsets of the far part, see farOf. */
export const F = {
  /** TCP: events counted here while they are few, see trouble.ts (16) | high 16 bits of the flow's number << 16. */
  few: 0,
  /**
   * TCP: round trip as packRtt has it; until BIT.rttKnown, with BIT.synTime, the SYN's seconds after `D.startSec`. With neither
   * bit, the shortest time to the echo of a timestamp of each side, see noteLeast.
   */
  rtt: 1,
  /** TCP: largest unscaled window of a segment without SYN (16) | MSS option (16) << 16. */
  maxWindow0: 2,
  /** min0 (6) | max0 (6) << 6 | min1 << 12 | max1 << 18 of the DSCPs that are not the first one | window scales << 24. */
  dscp: 4,
  /** Next slot (number + 1) in the same wheel bucket, or in the free list. */
  next: 5,
  /** Seconds after `D.startSec` at which the record is written again though the flow lives. */
  checkpointDelta: 6,
  startNsec: 7,
  /** Two words a side: packets (16) | bytes << 16, IP bytes | payload << 16, each the bits from 32 up. */
  wide0: 8,
  /** Decision number of each side. */
  route0: 12,
  /** The second to fourth word of an IPv6 address: of lo, then of hi. */
  tails: 14,
  /**
   * IPv4 identification of the first packet of side 0 (16) | side 1 << 16. Only of IPv4, whose addresses leave the word free: neither
   * the hash nor the comparison of keys looks at it.
   */
  ipId: 14,
  /** 24 letters of 5 bits, 6 a word. */
  history: 20,
  /** MAC of lo, then of hi: 12 octets. */
  mac: 24,
  /** Low 32 bits of the number of the flow within its capture thread. */
  flowSeq: 27,
} as const;

/** Words of an address behind its first. */
export const TAIL_WORDS = 3;

/** Double offsets (Float64Array). */
export const D = {
  /** Whole seconds since the epoch of the first packet. */
  startSec: 3,
} as const;

/** Parts of `W.tcp`: number of the flow's entry in the trouble table (0: none), and 2 bits a side each: */
export const TCP_TROUBLE = 0xfffff;
/** acknowledgments in a row that repeated the one before, at most 3; */
export const TCP_DUP_SHIFT = 20;
/** what the side's latest segment was, see Mark; */
export const TCP_MARK_SHIFT = 24;
/** keep-alives, while they are few. */
export const TCP_KEEP_SHIFT = 28;

/** Window scale of each side in `F.dscp`; 15: the side sent no SYN with the option. */
export const SCALE_SHIFT = 24;
export const SCALE_NONE = 15;
/** What `F.dscp` begins as: no DSCP but the first one, no window scale. */
export const DSCP_BEGIN = 0xff03f03f | 0;

/** Bits of `W.key` above the protocol. */
export const KEY_IPV6 = 1 << 24;
/** ICMP type without a counterpart: one way, so the direction is part of the key. */
export const KEY_ONE_WAY = 1 << 26;
export const KEY_ONE_WAY_FROM_HI = 1 << 27;
/** TunnelType of what the packet came in; 0 is the outermost IP header. */
export const KEY_TUNNEL_SHIFT = 28;

/** Bits of `W.bits`. */
export const BIT = {
  /** The slot holds a flow. */
  live: 1 << 0,
  /** hi is the originator. */
  origIsHi: 1 << 1,
  /** A record of this flow was handed to storage before. */
  written: 1 << 2,
  /** A SYN without ACK decided the originator. */
  origBySyn: 1 << 3,
  rttKnown: 1 << 4,
  /** `F.rtt` and `W.ackRtt` hold the time of the SYN, until `rttKnown`. */
  synTime: 1 << 5,
  hasMac: 1 << 6,
  /** The first SYN+ACK after the SYN was seen: the next ACK of the originator ends the round trip. */
  synAck: 1 << 7,
  /** Side s has a known next sequence number: bit 8 and 9. */
  seqKnown0: 1 << 8,
  /** Side s left holes in sequence space that may still be filled: bit 10 and 11. */
  hole0: 1 << 10,
  /** Something changed since the last record. */
  dirty: 1 << 12,
  /** Side s sent FIN and then RST: bit 13 and 14. */
  resetAfterFin0: 1 << 13,
  /** A SYN+ACK named its receiver as the originator. */
  origBySynAck: 1 << 15,
  // 16..21: the endpoint states below
  /** The route decision of side s changed since its first packet: bit 22 and 23. */
  routeChanged0: 1 << 22,
  /** An event of this flow found no room in the trouble table: its counts are incomplete. */
  untracked: 1 << 24,
  /** The last hole of side s is several, of which only the sum is known: bit 25 and 26. */
  holes0: 1 << 25,
  /** Side s was established when it closed: bit 27 and 28. */
  cleanClose0: 1 << 27,
} as const;

/** Endpoint states, 3 bits a side from bit 16 of `W.bits`. As Zeek's TCP_ENDPOINT_*. */
export const Endpoint = {
  Inactive: 0,
  SynSent: 1,
  SynAckSent: 2,
  Partial: 3,
  Established: 4,
  Closed: 5,
  Reset: 6,
} as const;
export type Endpoint = (typeof Endpoint)[keyof typeof Endpoint];

export const ENDPOINT_SHIFT = 16;
export const ENDPOINT_BITS = 3;

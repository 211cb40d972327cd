/**
 * Layout of one flow in the table's slab: 62 32-bit words (248 octets), seen through an Int32Array, a Float64Array and a
 * Uint8Array over one ArrayBuffer. An index entry costs 8 octets more, so a flow costs 256 octets all in.
 *
 * Both directions are stored by canonical endpoint, not by role: side 0 is what endpoint `lo` sent, side 1 what `hi`
 * sent, where `lo` is the numerically smaller (address, port). Who is the originator is one bit, so correcting it later
 * moves nothing.
 *
 * The first 16 words are one cache line: the whole key, the state, and what every packet touches.
 */
export const SLOT_WORDS = 62;
export const SLOT_DOUBLES = SLOT_WORDS / 2;
export const SLOT_BYTES = SLOT_WORDS * 4;

/** Word offsets (Int32Array). `…0` is side 0, side 1 follows in the next word. */
export const W = {
  /** captureIndex (16) | proto (8) << 16 | KEY_* bits << 24 | TunnelType (4) << KEY_TUNNEL_SHIFT. */
  key: 0,
  /** outer VLAN id (12) | inner (12) << 12 | number of tags, at most 2, << 24. */
  vlan: 1,
  /** port of lo (16) << 16 | port of hi. */
  ports: 2,
  /** BIT_* and the two endpoint states. */
  bits: 3,
  /** Addresses as the big-endian words of the header; IPv4 uses the first word, the rest are 0. */
  addrLo: 4,
  addrHi: 8,
  /** Time of the latest packet, relative: whole seconds after `D.startSec` (int32), and nanoseconds in its second. */
  lastDelta: 12,
  lastNsec: 13,
  /** Next slot (number + 1) in the same wheel bucket, or in the free list. */
  next: 14,
  /** Seconds after `D.startSec` at which the record is written again though the flow lives. */
  checkpointDelta: 15,
  // 16..31: the doubles below
  /** MAC of lo, then of hi: 12 octets. */
  mac: 32,
  startNsec: 35,
  retransmits0: 36,
  outOfOrder0: 38,
  zeroWindows0: 40,
  // 42..45: doubles
  /** Sequence number expected next from each side (int32). */
  seqNext0: 46,
  /** ttlMin0 | ttlMax0 << 8 | ttlMin1 << 16 | ttlMax1 << 24. */
  ttl: 48,
  /** tcpFlags0 | tcpFlags1 << 8 | dscp0 << 16 | dscp1 << 24. */
  flags: 49,
  /** Decision number of each side. */
  route0: 50,
  /** Route generation at which each side was tagged: side 0 (16) | side 1 << 16; 0 is "never". */
  routeGen: 52,
  /** History: length (8) | HISTORY_ONCE bits << 8. */
  historyMeta: 53,
  /** 24 ASCII octets. */
  history: 54,
  // 60..61: double
} as const;

/** Double offsets (Float64Array). */
export const D = {
  packets0: 8,
  bytes0: 10,
  ipBytes0: 12,
  payload0: 14,
  /** Number of the flow within its capture thread. */
  flowSeq: 21,
  /** Round trip in nanoseconds once BIT.rttKnown; before that words 44 and 45 hold the SYN's delta and nanoseconds. */
  rtt: 22,
  /** Whole seconds since the epoch of the first packet. */
  startSec: 30,
} as const;

/** Words that hold the time of the SYN until the round trip is known; they share their place with `D.rtt`. */
export const W_SYN_DELTA = 44;
export const W_SYN_NSEC = 45;

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
  /** Words 44 and 45 hold the time of the SYN. */
  synTime: 1 << 5,
  hasMac: 1 << 6,
  /** The first SYN+ACK after the SYN was seen: the next ACK of the originator ends the round trip. */
  synAck: 1 << 7,
  /** Side s has a known next sequence number: bit 8 and 9. */
  seqKnown0: 1 << 8,
  /** Side s left a hole in sequence space: bit 10 and 11. */
  hole0: 1 << 10,
  /** Something changed since the last record. */
  dirty: 1 << 12,
  /** Side s sent FIN and then RST: bit 13 and 14. */
  resetAfterFin0: 1 << 13,
  // 16..21: the endpoint states below
  /** The route decision of side s changed since its first packet: bit 22 and 23. */
  routeChanged0: 1 << 22,
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

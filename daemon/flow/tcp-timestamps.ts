import { type PacketFields, TcpFlag } from '../../decoders/packet-fields.ts';
import { TCP_HEADER_MIN } from '../../decoders/tcp.ts';
import { decodeTcpOptions, TcpOptions } from '../../decoders/tcp-options.ts';
import { F, farOf, nearOf } from './slot.ts';
import { noteLeast, TICK_NS, tickOf } from './ticks.ts';

/** Words of an entry; `…0` is side 0, side 1 follows. */
const E = {
  /** Low 32 bits of the flow's number, plus one; 0: none. */
  owner: 0,
  /** Tick at which the flow took the entry, its low bits replaced by SEEN0 and ARMED0. */
  state: 1,
  /** The latest timestamp that the side sent. */
  latest0: 2,
  /** The timestamp whose echo is waited for, and the tick of the first segment that had it. */
  value0: 4,
  tick0: 6,
} as const;
const ENTRY_WORDS = 8;
/** Side s was seen to send a timestamp: bit 0 and 1. It has one whose echo is waited for: bit 2 and 3. */
const SEEN0 = 1 << 0;
const ARMED0 = 1 << 2;
const STATE_BITS = 0xf;

/** Flows that share an entry's memory: 32 octets in 128, a quarter of one each. */
const FLOWS_PER_ENTRY = 128;
const ENTRIES_MIN = 64;
/** Ticks for which a flow has an entry for itself: one second, and another one before flows that have been measured. */
const HOLD = 1e9 / TICK_NS;

/** NOP, NOP, kind 8, length 10, and how long a header with only these is. RFC 7323 appendix A. */
const USUAL_LAYOUT = 0x0101080a;
const USUAL_HEADER_LEN = TCP_HEADER_MIN + 12;

const options = new TcpOptions();

/**
 * Round trips by TCP timestamps (RFC 7323 §3), for flows whose handshake was not seen: the time from the first segment
 * with a new timestamp of a side to the first segment of its peer that echoes it. A segment that is sent again has a timestamp of its
 * own, so that an echo is never taken for that of another one (Karn). One timestamp a side is waited for at a time; what
 * waits stands in a small table, in which flows take turns where there are more of them than entries. The
 * shortest times stand in F.rtt of the slot, which such a flow does not need. Allocates nothing.
 */
export class TimestampProbes {
  readonly words: Int32Array;
  readonly #mask: number;

  /** @param maxFlows of the flow table */
  constructor(maxFlows: number) {
    let entries = ENTRIES_MIN;
    while (entries * 2 * FLOWS_PER_ENTRY <= maxFlows) entries *= 2;
    this.words = new Int32Array(entries * ENTRY_WORDS);
    this.#mask = entries - 1;
  }

  /**
   * Takes a segment of a flow without BIT.rttKnown and BIT.synTime.
   * @param slots the flow table's slab
   * @param side  the sender
   * @param f     a packet whose TCP header was read in full
   */
  segment(slots: Int32Array, slot: number, side: number, view: DataView, f: PacketFields): void {
    const off = f.l4Off + TCP_HEADER_MIN;
    let value = 0;
    let echo = 0;
    if (
      f.tcpHeaderLen === USUAL_HEADER_LEN &&
      f.l4End - f.l4Off >= USUAL_HEADER_LEN &&
      view.getInt32(off) === USUAL_LAYOUT
    ) {
      value = view.getInt32(off + 4);
      echo = view.getInt32(off + 8);
    } else {
      decodeTcpOptions(view, off, f.l4Off + f.tcpHeaderLen, f.l4End, options);
      if (!options.hasTimestamps) return;
      value = options.tsVal;
      echo = options.tsEcr;
    }
    const now = tickOf(f);
    const base = nearOf(slot);
    const far = farOf(slots, base);
    const hold = slots[far + F.rtt] === 0 ? HOLD : 2 * HOLD;
    const entry = this.#entry(slots[far + F.flowSeq]!, slot, now, hold);
    if (entry < 0) return;
    const { words } = this;
    const peer = 1 - side;
    let state = words[entry + E.state]!;
    // Without ACK the echo means nothing (RFC 7323 §3.2).
    if ((state & (ARMED0 << peer)) !== 0 && (f.tcpFlags & TcpFlag.ACK) !== 0) {
      const past = (echo - words[entry + E.value0 + peer]!) | 0;
      if (past === 0) noteLeast(slots, far + F.rtt, peer, (now - words[entry + E.tick0 + peer]!) | 0);
      // One that was passed over is not echoed any more: its segment was lost, or acknowledged together with another one.
      if (past >= 0) state &= ~(ARMED0 << peer);
    }
    const isFirst = (state & (SEEN0 << side)) === 0;
    if (isFirst || ((value - words[entry + E.latest0 + side]!) | 0) > 0) {
      words[entry + E.latest0 + side] = value;
      // The first one may have been in segments before the capture began.
      if (!isFirst && (state & (ARMED0 << side)) === 0) {
        words[entry + E.value0 + side] = value;
        words[entry + E.tick0 + side] = now;
        state |= ARMED0 << side;
      }
      state |= SEEN0 << side;
    }
    words[entry + E.state] = state;
  }

  /**
   * The entry of a flow; -1: another one has it.
   * @param seq low 32 bits of the flow's number @param hold ticks for which another one keeps it
   */
  #entry(seq: number, slot: number, now: number, hold: number): number {
    const { words } = this;
    const entry = (slot & this.#mask) * ENTRY_WORDS;
    const owner = (seq + 1) | 0;
    if (words[entry + E.owner] === owner) return entry;
    if (words[entry + E.owner] !== 0) {
      const age = (now - (words[entry + E.state]! & ~STATE_BITS)) | 0;
      if (age >= 0 && age < hold) return -1;
    }
    words[entry + E.owner] = owner;
    words[entry + E.state] = now & ~STATE_BITS;
    return entry;
  }
}

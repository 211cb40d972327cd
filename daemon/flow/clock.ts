import type { PacketFields } from '../../decoders/packet-fields.ts';
import type { Census } from './census.ts';
import type { Slab } from './record.ts';
import { D, nearOf, W } from './slot.ts';
import type { TimerWheel } from './wheel.ts';

/** Seconds by which packets must be behind the latest time before they can mean that the clock was set back. */
export const CLOCK_STEP = 60;
/** And how many of them in a row, at least: one packet with an absurd time in the future must not stop all timeouts. */
const CLOCK_STEP_RUN = 64;

/**
 * The time of a flow table: that of its packets, offline as well as live, where ticks go on when no packet comes.
 * Forward at once. Back only when what comes stays behind, and then not more often than once for as many packets as
 * there are flows: a file whose packets alternate between two years must not cost a visit to every flow each time.
 */
export class FlowClock {
  readonly #wheel: TimerWheel;
  readonly #visit: (slot: number) => void;
  /** Packets and ticks since the time last moved forward that were behind it by more than CLOCK_STEP. */
  #behind = 0;
  /** Of several tables that share one stream of packets: what they hold together. null: there is one. */
  #census: Census | null = null;
  /** With a census: packets behind the latest time after which it is asked. */
  #patience = CLOCK_STEP_RUN;

  /** @param visit see TimerWheel.advance */
  constructor(wheel: TimerWheel, visit: (slot: number) => void) {
    this.#wheel = wheel;
    this.#visit = visit;
  }

  /**
   * Moves time to that of a packet. One without a time (0, as a pcapng Simple Packet Block, among packets that have one) is
   * of the present: it gets the second at which the clock stands, and the caller may know better (dateAsLatest).
   * @param live flows held now
   * @returns true when the packet has no time
   */
  packet(f: PacketFields, live: number): boolean {
    if (f.tsSec === 0 && f.tsNsec === 0 && this.#wheel.now > CLOCK_STEP) {
      f.tsSec = this.#wheel.now;
      return true;
    }
    this.move(f.tsSec, live);
    return false;
  }

  /**
   * From now on the flows of other tables count as well: each is told of all packets, and takes the time back at the same one.
   * Before the first packet.
   */
  share(census: Census): void {
    this.#census = census;
  }

  /** The second at which it stands; -Infinity before the first packet. */
  get now(): number {
    return this.#wheel.now;
  }

  /** Moves time to `sec` (epoch seconds). @param live flows held now */
  move(sec: number, live: number): void {
    if (sec > this.#wheel.now) {
      this.#catchUp();
      this.#wheel.advance(sec, this.#visit);
    } else if (sec < this.#wheel.now - CLOCK_STEP && ++this.#behind > this.#longest(live)) {
      this.#catchUp();
      this.#wheel.rewind(sec);
    }
  }

  #catchUp(): void {
    this.#behind = 0;
    this.#patience = CLOCK_STEP_RUN;
  }

  /** Packets in a row that may be behind. */
  #longest(live: number): number {
    if (this.#census === null) return Math.max(live, CLOCK_STEP_RUN);
    // While time stands no flow is over, so there are as many as then, at least: until as many packets have come, nobody has to
    // be asked. All tables ask at the same packet.
    if (this.#behind > this.#patience) this.#patience = Math.max(this.#census.take(live), CLOCK_STEP_RUN);
    return this.#patience;
  }

  /** Forgets the time and all slots: the next packet may be of any. */
  reset(): void {
    this.#catchUp();
    this.#wheel.reset();
  }
}

/** Gives a packet without a time that of the latest packet of its flow, unless the clock is past it. */
export function dateAsLatest({ words, doubles }: Slab, slot: number, f: PacketFields): void {
  const last = doubles[(nearOf(slot) >>> 1) + D.startSec]! + words[nearOf(slot) + W.lastDelta]!;
  if (last < f.tsSec) return;
  f.tsSec = last;
  f.tsNsec = words[nearOf(slot) + W.lastNsec]!;
}

import type { PacketFields } from '../../decoders/packet-fields.ts';
import type { Slab } from './record.ts';
import { D, SLOT_DOUBLES, SLOT_WORDS, W } from './slot.ts';
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

  /** Moves time to `sec` (epoch seconds). @param live flows held now */
  move(sec: number, live: number): void {
    if (sec > this.#wheel.now) {
      this.#behind = 0;
      this.#wheel.advance(sec, this.#visit);
    } else if (sec < this.#wheel.now - CLOCK_STEP && ++this.#behind > Math.max(live, CLOCK_STEP_RUN)) {
      this.#behind = 0;
      this.#wheel.rewind(sec);
    }
  }

  /** Forgets the time and all slots: the next packet may be of any. */
  reset(): void {
    this.#behind = 0;
    this.#wheel.reset();
  }
}

/** Gives a packet without a time that of the latest packet of its flow, unless the clock is past it. */
export function dateAsLatest({ words, doubles }: Slab, slot: number, f: PacketFields): void {
  const last = doubles[slot * SLOT_DOUBLES + D.startSec]! + words[slot * SLOT_WORDS + W.lastDelta]!;
  if (last < f.tsSec) return;
  f.tsSec = last;
  f.tsNsec = words[slot * SLOT_WORDS + W.lastNsec]!;
}

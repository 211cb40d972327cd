import type { LivePacket } from '../../daemon/control/messages.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';

/**
 * From a packet's time until it is shown. Rings of different interfaces are read up to 20 ms apart, and a packet on its way through
 * a host is in several: after this time all of them are here, and they can be told in the order in which it passed.
 */
export const HOLD_MS = 33;
/** When more wait, they come so fast that nobody follows each one: they are shown at once. */
const WAITING_MAX = 4096;

/** A packet that waits, with the routes of its message. */
export interface WaitingPacket {
  packet: LivePacket;
  routes: readonly RouteDecision[];
  /** Milliseconds since the epoch: when it goes at the latest. */
  dueMs: number;
}

/** Holds packets for a moment, and gives them in the order of their times. */
export class PacketOrder {
  #waiting: WaitingPacket[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  /** True when no more should be taken before some were given. */
  get isFull(): boolean {
    return this.#waiting.length > WAITING_MAX;
  }

  /** Takes packets. @param nowMs milliseconds since the epoch, on the clock of the packets */
  push(packets: readonly LivePacket[], routes: readonly RouteDecision[], nowMs: number): void {
    for (const packet of packets) {
      // A clock that was set back must not hold a packet for long.
      const dueMs = Math.min(packet.timeS * 1000 + packet.timeNs / 1e6, nowMs) + HOLD_MS;
      this.#waiting.push({ packet, routes, dueMs });
    }
    // Stable: packets of the same time stay as they came.
    this.#waiting.sort((a, b) => a.packet.timeS - b.packet.timeS || a.packet.timeNs - b.packet.timeNs);
  }

  /** When the next one is due, in milliseconds since the epoch; Infinity: none waits. */
  get dueMs(): number {
    let due = Infinity;
    for (const each of this.#waiting) due = Math.min(due, each.dueMs);
    return due;
  }

  /** Gives what is due, and what is earlier than that. */
  take(nowMs: number): WaitingPacket[] {
    if (this.isFull) return this.takeAll();
    const last = this.#waiting.findLastIndex(({ dueMs }) => dueMs <= nowMs);
    return this.#waiting.splice(0, last + 1);
  }

  /** Gives everything. */
  takeAll(): WaitingPacket[] {
    const all = this.#waiting;
    this.#waiting = [];
    return all;
  }
}

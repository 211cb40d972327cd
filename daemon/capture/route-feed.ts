import { RING_RETIRE_MS } from '../kernel/packet-socket.ts';
import { RouteEngine } from '../routes/engine.ts';
import type { RouteUpdate } from '../routes/update.ts';
import type { RouteTagger } from './route-tag.ts';

/**
 * Packets of before a change may lie in a ring for some time after it was told: an update waits for the first packet of its
 * time or later, or this long. A block that is not full comes after RING_RETIRE_MS, and a busy thread a little later.
 */
const GRACE_MS = 3 * RING_RETIRE_MS;

/** Words of operations between two looks at the packets: some 1,000 routes, well under a millisecond. */
const TURN_WORDS = 4096;

interface Feed {
  engine: RouteEngine;
  /** False while the first tables are read in. */
  inForce: boolean;
  updates: RouteUpdate[];
  /** Word of the first update's operations at which to go on; -1: it has not been begun. */
  at: number;
}

/**
 * Takes updates of routes into the engines of their namespaces a piece at a time, so that packets of a thread never wait
 * for a table of a million routes.
 */
export class RouteFeed {
  readonly #tagger: RouteTagger;
  readonly #feeds = new Map<string, Feed>();

  constructor(tagger: RouteTagger) {
    this.#tagger = tagger;
    tagger.onDue = (atMs) => this.due(atMs);
  }

  /** Takes an update; `work` carries it out. */
  push(netnsId: string, update: RouteUpdate): void {
    const feed = this.#feeds.get(netnsId);
    if (feed !== undefined && !(update.isFull && feed.updates.length === 0)) {
      feed.updates.push(update);
      this.#wait();
      return;
    }
    // A full one stands for itself: what is in force stays so until the new tables are whole.
    const engine = new RouteEngine({ ...update.context!, routes: [] });
    this.#feeds.set(netnsId, { engine, inForce: false, updates: [update], at: -1 });
  }

  /** True until the first tables of a namespace are in force. */
  isLoading(netnsId: string): boolean {
    return this.#feeds.get(netnsId)?.inForce === false;
  }

  /** Forgets a namespace that is gone. */
  remove(netnsId: string): void {
    this.#feeds.delete(netnsId);
    this.#tagger.removeRoutes(netnsId);
  }

  /**
   * Carries out a piece of what waits and is due.
   * @param nowMs wall clock, milliseconds since the epoch
   * @returns true when there is more to do now
   */
  work(nowMs: number): boolean {
    for (const [netnsId, feed] of this.#feeds) {
      const update = feed.updates[0];
      if (update === undefined) continue;
      // A clock that was set back must not hold it for ever.
      const waitedMs = nowMs - update.atMs;
      if (feed.inForce && feed.at === -1 && waitedMs < GRACE_MS && waitedMs > -GRACE_MS) continue;
      this.#turn(netnsId, feed, update);
      return true;
    }
    return false;
  }

  /** Puts in force what was told up to a packet's time. @param atMs of the packet */
  due(atMs: number): void {
    for (const [netnsId, feed] of this.#feeds)
      for (let update = feed.updates[0]; update !== undefined; update = feed.updates[0]) {
        // A large update goes on a piece at a time, see `work`.
        if (!feed.inForce || feed.at !== -1 || update.atMs > atMs || update.ops.length > TURN_WORDS) break;
        this.#turn(netnsId, feed, update);
      }
    this.#wait();
  }

  /** Tells the tagger from when on packets may be decided otherwise. */
  #wait(): void {
    let atMs = Infinity;
    for (const { inForce, updates } of this.#feeds.values())
      if (inForce && updates[0] !== undefined && updates[0].ops.length <= TURN_WORDS)
        atMs = Math.min(atMs, updates[0].atMs);
    this.#tagger.expect(atMs);
  }

  #turn(netnsId: string, feed: Feed, update: RouteUpdate): void {
    if (feed.at === -1) {
      feed.engine.apply(update, false);
      feed.at = 0;
      this.#tagger.changesSince(netnsId, update.atMs);
      if (update.context !== null && feed.inForce) this.#tagger.changeAll(netnsId);
    }
    const from = feed.at;
    const wasStrict = feed.engine.hasCustomLocalRoutes;
    feed.at = feed.engine.applyOps(update.ops, from, Math.min(from + TURN_WORDS, update.ops.length));
    if (feed.inForce) this.#tagger.changeRoutes(netnsId, update.ops, from, feed.at);
    if (feed.inForce && feed.engine.hasCustomLocalRoutes !== wasStrict) this.#tagger.changeAll(netnsId);
    if (feed.at < update.ops.length) return;
    feed.updates.shift();
    feed.at = -1;
    this.#wait();
    if (feed.inForce) return;
    feed.inForce = true;
    this.#tagger.setRoutes(netnsId, feed.engine);
  }
}

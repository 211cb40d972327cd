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
  /** Null before the first update is begun. */
  engine: RouteEngine | null;
  /** False while an update that is all of the tables is taken into an engine of its own: what was in force stays so. */
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
    let feed = this.#feeds.get(netnsId);
    if (feed === undefined) {
      // Told of a namespace that was removed meanwhile: there is nothing that it changes.
      if (!update.isFull) return;
      feed = { engine: null, inForce: false, updates: [], at: -1 };
      this.#feeds.set(netnsId, feed);
    }
    feed.updates.push(update);
    this.#tagger.setBehind(netnsId, true);
    this.#wait();
  }

  /** True until the tables of a namespace are in force and whole. */
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
      // The others come first the next time.
      this.#feeds.delete(netnsId);
      this.#feeds.set(netnsId, feed);
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
    if (feed.at === -1) this.#begin(netnsId, feed, update);
    const engine = feed.engine!;
    const from = feed.at;
    const wasStrict = engine.hasCustomLocalRoutes;
    feed.at = engine.applyOps(update.ops, from, Math.min(from + TURN_WORDS, update.ops.length));
    if (feed.inForce) {
      this.#tagger.changeRoutes(netnsId, update.ops, from, feed.at);
      // Decisions that may change though no route to their addresses did: see Subtrees.
      if (engine.hasCustomLocalRoutes !== wasStrict || engine.hasSourceRoutes)
        this.#tagger.changeAll(netnsId);
    }
    if (feed.at < update.ops.length) return;
    feed.updates.shift();
    feed.at = -1;
    if (!feed.inForce) this.#tagger.setRoutes(netnsId, engine);
    feed.inForce = true;
    this.#tagger.setBehind(netnsId, feed.updates.length > 0);
    this.#wait();
  }

  #begin(netnsId: string, feed: Feed, update: RouteUpdate): void {
    feed.at = 0;
    if (update.isFull) {
      feed.engine = new RouteEngine({ ...update.context!, routes: [] });
      feed.inForce = false;
    }
    feed.engine!.apply(update, false);
    if (!feed.inForce) return;
    this.#tagger.changesSince(netnsId, update.atMs);
    if (update.context !== null) this.#tagger.changeAll(netnsId);
  }
}

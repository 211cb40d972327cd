import { RouteEngine } from '../routes/engine.ts';
import type { RouteUpdate } from '../routes/update.ts';
import type { RouteTagger } from './route-tag.ts';

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
  }

  /** Takes an update; `work` carries it out. */
  push(netnsId: string, update: RouteUpdate): void {
    const feed = this.#feeds.get(netnsId);
    if (feed !== undefined && !(update.isFull && feed.updates.length === 0)) {
      feed.updates.push(update);
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

  /** Carries out a piece of what waits. @returns true when there is more */
  work(): boolean {
    for (const [netnsId, feed] of this.#feeds) {
      const update = feed.updates[0];
      if (update === undefined) continue;
      this.#turn(netnsId, feed, update);
      return true;
    }
    return false;
  }

  #turn(netnsId: string, feed: Feed, update: RouteUpdate): void {
    if (feed.at === -1) {
      feed.engine.apply(update, false);
      feed.at = 0;
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
    if (feed.inForce) return;
    feed.inForce = true;
    this.#tagger.setRoutes(netnsId, feed.engine);
  }
}

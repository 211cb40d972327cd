import type { RouteRequest } from './messages.ts';

type RouteUpdateRequest = Extract<RouteRequest, { type: 'routeUpdate' }>;

/** In the place of updates of a namespace that are lost. */
export interface RouteGap {
  type: 'routeGap';
  netns: string;
  netnsId: string;
  /** Time of the first one. */
  atNs: bigint;
  /** How many. */
  lost: number;
}

/**
 * Bounds the route updates that wait for a database that takes nothing. What does not fit is lost and counted, and so is
 * what came after it of the same namespace until an update that stands for itself: applied to the wrong tables, a change
 * would show routes that never were.
 */
export class RouteBacklog {
  readonly #maxBytes: number;
  #bytes = 0;
  /** By netnsId, where something was lost: the gap that waits, null when it has been written. */
  readonly #gaps = new Map<string, RouteGap | null>();

  /** @param maxBytes octets of `data` that may wait; a single larger update is taken when nothing waits */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @returns what is to be written: the update, or a gap; null when it was added to a gap that waits already */
  admit(update: RouteUpdateRequest): RouteUpdateRequest | RouteGap | null {
    const { netns, netnsId, atNs, isFull, data } = update;
    const gap = this.#gaps.get(netnsId);
    const fits = this.#bytes === 0 || this.#bytes + data.byteLength <= this.#maxBytes;
    if (fits && (isFull || gap === undefined)) {
      this.#gaps.delete(netnsId);
      this.#bytes += data.byteLength;
      return update;
    }
    if (gap) {
      gap.lost++;
      return null;
    }
    const fresh: RouteGap = { type: 'routeGap', netns, netnsId, atNs, lost: 1 };
    this.#gaps.set(netnsId, fresh);
    return fresh;
  }

  /** Everything that was admitted is written. */
  written(): void {
    this.#bytes = 0;
    for (const netnsId of this.#gaps.keys()) this.#gaps.set(netnsId, null);
  }
}

import type {
  CaptureCounters,
  CaptureInfo,
  RouteAuditCounts,
  RouteMirrorCounts,
  ThreadLoad,
} from '../../storage/messages.ts';
import type { CountedCapture } from '../capture/capture-messages.ts';
import type { RouteCountsRequest } from '../mirror/messages.ts';

/** How long the last counts of a capture or namespace that is gone are still shown: some scrapes. */
const GRACE_MS = 5 * 60_000;
/** Of those that are gone, at most so many: the oldest go first. */
const GONE_MAX = 1000;

/** What was counted of a capture point. */
export interface CaptureSample {
  readonly netns: string;
  readonly interface: string;
  counters: CaptureCounters | null;
}

/** What was counted of a namespace. */
export interface RouteSampleCounts {
  readonly netns: string;
  mirror: RouteMirrorCounts | null;
  audit: RouteAuditCounts | null;
}

/**
 * The latest counts of everything that is captured, for whoever is asked for them. Those of what has ended stay for some
 * minutes, so that its last losses are seen, and then go: names of namespaces come from whoever makes them.
 */
export class MetricsStore {
  /** null: none was told yet. */
  load: ThreadLoad | null = null;
  /** The database takes nothing at the moment. */
  isInTrouble = false;
  readonly #captures = new Leaving<number, CaptureSample>();
  readonly #routes = new Leaving<string, RouteSampleCounts>();

  /** Of captures that are open or have ended lately. @param nowMs as performance.now() */
  captures(nowMs = performance.now()): CaptureSample[] {
    return this.#captures.values(nowMs);
  }

  /** Of namespaces whose routes are followed, or were lately. */
  routes(nowMs = performance.now()): RouteSampleCounts[] {
    return this.#routes.values(nowMs);
  }

  /** Captures that have not ended. */
  get openCaptures(): number {
    return this.#captures.size;
  }

  /** What the capture thread tells once a second. */
  setAll(all: readonly CountedCapture[], load: ThreadLoad): void {
    for (const { captureIndex, counters } of all) this.setCounters(captureIndex, counters);
    this.load = load;
  }

  /** A capture begins. */
  addCapture({ index, netns, interface: name }: CaptureInfo): void {
    this.#captures.set(index, { netns: netns ?? '', interface: name ?? '', counters: null });
  }

  /** Takes what a capture has counted since it began; of one that is unknown nothing is taken. */
  setCounters(captureIndex: number, counters: CaptureCounters): void {
    const capture = this.#captures.get(captureIndex);
    if (capture !== undefined) capture.counters = counters;
  }

  /** A capture is over. @param counters its last; left out: it never was open */
  endCapture(captureIndex: number, counters?: CaptureCounters, nowMs = performance.now()): void {
    if (counters !== undefined) this.setCounters(captureIndex, counters);
    // One that never counted anything is not missed: it may have been tried again and again.
    const isMissed = this.#captures.get(captureIndex)?.counters != null;
    if (isMissed) this.#captures.leave(captureIndex, nowMs);
    else this.#captures.delete(captureIndex);
  }

  /** Takes what was counted of a namespace's routes. */
  setRoutes(counts: RouteCountsRequest): void {
    const { netns, netnsId } = counts;
    const known = this.#routes.get(netnsId);
    const routes = known ?? { netns, mirror: null, audit: null };
    if (known === undefined) this.#routes.set(netnsId, routes);
    if (counts.type === 'routeMirror') routes.mirror = counts;
    else routes.audit = counts;
  }

  /** The routes of a namespace are followed no more. */
  endRoutes(netnsId: string, nowMs = performance.now()): void {
    this.#routes.leave(netnsId, nowMs);
  }
}

/** A map whose entries stay for a while after they have been told to leave. */
class Leaving<K, V> {
  readonly #present = new Map<K, V>();
  /** In the order in which they left. */
  #gone: { value: V; atMs: number }[] = [];

  get(key: K): V | undefined {
    return this.#present.get(key);
  }

  set(key: K, value: V): void {
    this.#present.set(key, value);
  }

  /** Those that have not left. */
  get size(): number {
    return this.#present.size;
  }

  delete(key: K): void {
    this.#present.delete(key);
  }

  leave(key: K, nowMs: number): void {
    const value = this.#present.get(key);
    if (value === undefined) return;
    this.#present.delete(key);
    this.#gone.push({ value, atMs: nowMs });
    if (this.#gone.length > GONE_MAX) this.#gone.shift();
  }

  values(nowMs: number): V[] {
    this.#gone = this.#gone.filter(({ atMs }) => nowMs - atMs < GRACE_MS);
    return [...this.#gone.map(({ value }) => value), ...this.#present.values()];
  }
}

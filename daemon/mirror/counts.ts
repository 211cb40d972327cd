import type { RouteAudit } from './audit.ts';
import type { RouteCountsRequest } from './messages.ts';
import type { Mirrored } from './mirrored.ts';

/** Counts that changed are written this often. */
const WRITE_MS = 1000;

/** Tells what was counted of each namespace's mirror and audit. */
export class RouteCounts {
  readonly #tell: (request: RouteCountsRequest) => void;
  /** By netnsId: what was sent last, as text. */
  readonly #sent = new Map<string, string>();
  #nextMs = 0;

  /** @param tell takes counts that are others than before */
  constructor(tell: (request: RouteCountsRequest) => void) {
    this.#tell = tell;
  }

  /** Writes what is due. @param nowMs performance.now() */
  tick(nowMs: number, entries: Iterable<Mirrored>, audit: RouteAudit): void {
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + WRITE_MS;
    for (const entry of entries) this.write(entry, audit);
  }

  /** Writes the last counts of a namespace that is gone. */
  end(entry: Mirrored, audit: RouteAudit): void {
    this.write(entry, audit);
    this.#sent.delete(entry.netnsId);
  }

  /** Writes the counts of a namespace now, if they are other than before. */
  write({ netns, netnsId, mirror }: Mirrored, audit: RouteAudit): void {
    const { resyncs, reloads, applied, interrupted } = mirror;
    const requests: RouteCountsRequest[] = [
      { type: 'routeMirror', netns, netnsId, resyncs, reloads, applied, interrupted },
      { type: 'routeAudit', netns, netnsId, ...audit.counts(netnsId) },
    ];
    const text = JSON.stringify(requests);
    if (this.#sent.get(netnsId) === text) return;
    this.#sent.set(netnsId, text);
    for (const request of requests) this.#tell(request);
  }
}

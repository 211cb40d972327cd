import type { MessagePort } from 'node:worker_threads';
import type { RouteRequest } from '../../storage/messages.ts';
import type { RouteMirror } from '../routes/mirror.ts';
import type { RouteUpdate } from '../routes/update.ts';
import { encodeUpdate } from '../routes/update-codec.ts';

/** A table is written whole again when the changes since take more octets than it did, and this many … */
const CHANGES_MIN = 1 << 20;
/** … and, should storage have lost a change meanwhile, after this time, or as long as one octet a time would take. */
const FULL_MS = 600_000;
const FULL_MS_PER_OCTET = 0.5;

/** Sends the history of each namespace's tables to storage: whole at first, then what changes. */
export class RouteJournal {
  readonly #port: MessagePort;
  /** By netnsId: octets of the last whole table and of the changes since, and when it is written again in any case. */
  readonly #sizes = new Map<string, { full: number; changes: number; againMs: number }>();

  constructor(port: MessagePort) {
    this.#port = port;
  }

  /** Notes an update. @param mirror that it comes from, for the whole table */
  add(netns: string, netnsId: string, update: RouteUpdate, mirror: RouteMirror): void {
    const size = this.#sizes.get(netnsId);
    if (update.isFull || size === undefined) {
      this.#write(netns, netnsId, update.isFull ? update : mirror.full(), true);
      return;
    }
    size.changes += this.#write(netns, netnsId, update, false);
    if (size.changes > Math.max(size.full, CHANGES_MIN) || update.atMs > size.againMs)
      this.#write(netns, netnsId, mirror.full(), true);
  }

  /** The namespace is gone. */
  remove(netnsId: string): void {
    this.#sizes.delete(netnsId);
  }

  #write(netns: string, netnsId: string, update: RouteUpdate, isFull: boolean): number {
    const data = encodeUpdate(update);
    if (isFull) {
      const againMs = update.atMs + Math.max(FULL_MS, data.length * FULL_MS_PER_OCTET);
      this.#sizes.set(netnsId, { full: data.length, changes: 0, againMs });
    }
    const atNs = BigInt(Math.round(update.atMs * 1000)) * 1000n;
    const request: RouteRequest = { type: 'routeUpdate', netns, netnsId, atNs, isFull, data };
    this.#port.postMessage(request);
    return data.length;
  }
}

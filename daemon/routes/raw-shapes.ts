import type { RouteKey } from '../netlink/route-key.ts';

/** Messages remembered at most; then all are forgotten. Attributes that are part of no shape may make any number of them. */
const MESSAGES_MAX = 1 << 16;

/**
 * Numbers of shapes by the octets that a route message has beside its prefix: in a large table nearly every message is
 * one whose shape was made before, and is not parsed.
 */
export class RawShapes {
  readonly #byHash = new Map<number, { key: Int32Array; shape: number }[]>();
  #size = 0;

  /** The shape of an equal message, or -1. */
  get(key: RouteKey): number {
    for (const entry of this.#byHash.get(key.hash) ?? [])
      if (entry.key.length === key.keyLen && isSame(entry.key, key.key)) return entry.shape;
    return -1;
  }

  /** Remembers the shape of a message that `get` did not know. */
  set(key: RouteKey, shape: number): void {
    if (this.#size === MESSAGES_MAX) this.clear();
    this.#size++;
    const entry = { key: key.key.slice(0, key.keyLen), shape };
    const others = this.#byHash.get(key.hash);
    if (others === undefined) this.#byHash.set(key.hash, [entry]);
    else others.push(entry);
  }

  /** Forgets everything: names, nexthop objects or numbers of shapes are others now. */
  clear(): void {
    this.#byHash.clear();
    this.#size = 0;
  }
}

function isSame(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

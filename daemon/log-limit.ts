/** Of one kind and object, at most so many in so long. */
const LIMIT = 30;
const WINDOW_MS = 60_000;
/** Kinds and objects that are remembered, at most; beyond it the oldest is forgotten, as if its time were over. */
const KEYS_MAX = 10_000;

interface Window {
  sinceMs: number;
  count: number;
  heldBack: number;
}

/**
 * Holds back what is told too often: an interface that flaps, a table that is wrong for every packet, must not fill the disk
 * with log lines.
 */
export class LogLimit {
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #nowMs: () => number;
  /** In the order of their begin. */
  readonly #windows = new Map<string, Window>();

  /** @param nowMs a clock that only goes forward, in milliseconds */
  constructor(limit = LIMIT, windowMs = WINDOW_MS, nowMs: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#nowMs = nowMs;
  }

  /**
   * Asks whether a line may be told.
   * @param key what it is, and of what
   * @returns how many of the same were held back before this one; null when this one is, too
   */
  admit(key: string): number | null {
    const nowMs = this.#nowMs();
    let window = this.#windows.get(key);
    let heldBack = 0;
    if (window === undefined || nowMs - window.sinceMs >= this.#windowMs) {
      heldBack = window?.heldBack ?? 0;
      window = { sinceMs: nowMs, count: 0, heldBack: 0 };
      this.#windows.delete(key);
      this.#windows.set(key, window);
      if (this.#windows.size > KEYS_MAX) this.#forgetOldest();
    }
    if (window.count === this.#limit) {
      window.heldBack++;
      return null;
    }
    window.count++;
    return heldBack;
  }

  /** Forgets a key that will not come again. */
  forget(key: string): void {
    this.#windows.delete(key);
  }

  /** Takes those out whose time is over. @returns what of them was held back and not told yet, by key */
  expired(): Map<string, number> {
    const nowMs = this.#nowMs();
    const over = new Map<string, number>();
    for (const [key, { sinceMs, heldBack }] of this.#windows) {
      if (nowMs - sinceMs < this.#windowMs) break;
      this.#windows.delete(key);
      if (heldBack > 0) over.set(key, heldBack);
    }
    return over;
  }

  #forgetOldest(): void {
    const [oldest] = this.#windows.keys();
    if (oldest !== undefined) this.#windows.delete(oldest);
  }
}

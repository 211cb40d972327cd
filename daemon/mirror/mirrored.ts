import type { RouteMirror } from '../routes/mirror.ts';
import type { RouteUpdate } from '../routes/update.ts';

/**
 * Changes are gathered this long before they are told: `ip route replace` in a loop, or a routing daemon that starts, makes
 * thousands in a row. The first one after a rest is told at once.
 */
const GATHER_MS = 20;
/** A mirror whose socket or dump failed is loaded anew after this time. */
const RETRY_MS = 1000;
/**
 * The kernel tells that a link changed before it has walked the routes over it (__dev_notify_flags), and says nothing
 * after: what was read anew because of that is read once more after this time.
 */
const SECOND_LOOK_MS = 1000;
/** Settings that change without a word are looked at this often, and less often where there are many namespaces. */
const SETTINGS_MS = 1000;
const SETTINGS_EACH_MS = 50;
/** The namespaces of a host that has few of them are looked at together: one look is at a multiple of this. */
const TOGETHER_MS = 500;

/** One namespace of the mirror thread: when to read, and when to tell. Times are performance.now(). */
export class Mirrored {
  readonly netns: string;
  readonly netnsId: string;
  readonly mirror: RouteMirror;
  pollIndex = -1;
  #sendAtMs = Infinity;
  #reloadAtMs = Infinity;
  #lookAgainAtMs = Infinity;
  #settingsAtMs = Infinity;
  /** Until then nothing is told: a table that takes long to read is not read all the time. */
  #restUntilMs = 0;
  readonly #told: (update: RouteUpdate) => void;

  /** @param told takes each update */
  constructor(netns: string, netnsId: string, mirror: RouteMirror, told: (update: RouteUpdate) => void) {
    this.netns = netns;
    this.netnsId = netnsId;
    this.mirror = mirror;
    this.#told = told;
  }

  /** A broken socket would report its error at once and for ever: it is not polled until it is loaded anew. */
  get isBroken(): boolean {
    return this.#reloadAtMs !== Infinity;
  }

  /** When `turn` has something to do though nothing was told. */
  get dueAtMs(): number {
    return Math.min(this.#sendAtMs, this.#reloadAtMs, this.#lookAgainAtMs, this.#settingsAtMs);
  }

  /** Reads everything, and tells it. @returns why not, or null */
  load(nowMs: number): string | null {
    this.#reloadAtMs = Infinity;
    return this.#attempt(() => {
      this.mirror.load();
      this.#send(nowMs);
      this.#settingsAtMs = nextLook(performance.now(), 1);
    });
  }

  /**
   * Takes in what was told, and tells what is due.
   * @param isReady    the socket has something
   * @param namespaces that are mirrored
   * @returns why it failed, or null
   */
  turn(nowMs: number, isReady: boolean, namespaces: number): string | null {
    if (nowMs >= this.#reloadAtMs) {
      // Whatever was told while the socket failed is lost.
      this.mirror.resyncs++;
      return this.load(nowMs);
    }
    if (this.isBroken) return null;
    return this.#attempt(() => {
      if (nowMs >= this.#lookAgainAtMs) {
        this.#lookAgainAtMs = Infinity;
        this.mirror.suspect();
        this.#sendAtMs = Math.min(this.#sendAtMs, nowMs);
      }
      if (nowMs >= this.#settingsAtMs) {
        this.#settingsAtMs = nextLook(nowMs, namespaces);
        if (this.mirror.poll()) this.#sendAtMs = Math.min(this.#sendAtMs, nowMs);
      }
      if (isReady) this.mirror.drain();
      this.notice(nowMs);
      if (nowMs >= this.#sendAtMs) this.#send(nowMs);
    });
  }

  /** The mirror may have been told something while the kernel was asked. */
  notice(nowMs: number): void {
    if (this.mirror.hasChanged && this.#sendAtMs === Infinity)
      this.#sendAtMs = Math.max(this.#restUntilMs, this.mirror.isStale ? nowMs + GATHER_MS : nowMs);
  }

  #send(nowMs: number): void {
    this.#sendAtMs = Infinity;
    const wasStale = this.mirror.isStale;
    const update = this.mirror.take();
    const endMs = performance.now();
    this.#restUntilMs = endMs + Math.max(GATHER_MS, endMs - nowMs);
    if (wasStale && this.#lookAgainAtMs === Infinity && update !== null)
      this.#lookAgainAtMs = endMs + Math.max(SECOND_LOOK_MS, 10 * (endMs - nowMs));
    // What came in the meantime has been told to nobody.
    if (this.mirror.drain()) this.#sendAtMs = this.#restUntilMs;
    if (update !== null) this.#told(update);
  }

  #attempt(step: () => void): string | null {
    try {
      step();
      return null;
    } catch (error) {
      this.#sendAtMs = Infinity;
      this.#reloadAtMs = performance.now() + RETRY_MS;
      return (error as Error).message;
    }
  }
}

function nextLook(nowMs: number, namespaces: number): number {
  const eachMs = SETTINGS_EACH_MS * namespaces;
  // Many at once would keep the thread from what others are told meanwhile.
  if (eachMs > SETTINGS_MS) return nowMs + eachMs;
  return Math.floor((nowMs + SETTINGS_MS) / TOGETHER_MS) * TOGETHER_MS;
}

import { type FSWatcher, statSync, watch } from 'node:fs';
import { type FoundNetns, NetnsDiscovery } from './discovery.ts';

const RUN_NETNS = '/run/netns';
/** Looks anyway this often: for processes, for paths, for /run/netns that is not there yet. */
const RESCAN_MS = 500;
/** And where /run/netns says what changes there: for events that were lost, within the second that all of this may take. */
const RESCAN_WATCHED_MS = 900;
/**
 * After an event it looks at once and again: `ip netns add` makes the file first and mounts the namespace on it a
 * moment later, and the mount makes no event.
 */
const AFTER_EVENT_MS = [0, 20, 100, 500];
/** When a namespace that was left out as too new is looked at again. */
const SETTLED_MS = 120;

/** What a NetnsWatcher calls. */
export interface NetnsWatcherHooks {
  /**
   * What changed since the last call. A name that was re-created is in both: another identity.
   * Removed namespaces must be let go at once: whatever is held of them keeps them, and their veth pairs, alive.
   */
  changed(added: FoundNetns[], removed: FoundNetns[]): void;
  /** A look that was due by time is over. */
  looked(): void;
  /** Looking failed; the watcher goes on. */
  error(error: Error): void;
}

/** Follows which of the selected namespaces exist. It holds none of them open. */
export class NetnsWatcher {
  discovery: NetnsDiscovery;
  /** Of namespaces that are wanted beside those. */
  #extra: NetnsDiscovery | null = null;
  /** Ids of what `discovery` found at the last look. */
  #chosen: ReadonlySet<string> = new Set();
  readonly #hooks: NetnsWatcherHooks;
  #timer: NodeJS.Timeout;
  /** Looks to come, by their delay. */
  readonly #soon = new Map<number, NodeJS.Timeout>();
  #present = new Map<string, FoundNetns>();
  readonly #again = new Set<string>();
  #watcher: FSWatcher | null = null;
  #watchedInode = 0n;
  #open = true;

  /**
   * The first look is taken by `scan`, which the caller calls when it is ready.
   * @param selectors see NetnsDiscovery
   * @throws SelectorError
   */
  constructor(selectors: readonly string[], hooks: NetnsWatcherHooks) {
    this.discovery = new NetnsDiscovery(selectors);
    this.#hooks = hooks;
    this.#timer = this.#lookIn(RESCAN_MS);
  }

  /** Follows these as well, in place of what was added before, from the next look on. @throws SelectorError */
  add(selectors: readonly string[]): void {
    this.#extra = selectors.length === 0 ? null : new NetnsDiscovery(selectors);
  }

  /** Whether the selectors of the constructor chose a namespace at the last look, not only those of `add`. */
  isChosen(netnsId: string): boolean {
    return this.#chosen.has(netnsId);
  }

  /**
   * Follows these from now on; looks now and reports the difference. For "newly" what is there now is not new.
   * @param selectors see NetnsDiscovery
   * @throws SelectorError
   */
  select(selectors: readonly string[]): void {
    this.discovery = new NetnsDiscovery(selectors);
    this.scan();
  }

  /** Looks now and reports the difference. */
  scan(): void {
    if (!this.#open) return;
    try {
      this.#watch();
      const chosen = this.discovery.find();
      this.#chosen = new Set(chosen.map(({ id }) => id));
      // Of two with the same id the last one counts: it is known by the name that the options give it.
      const found = [...(this.#extra?.find() ?? []), ...chosen];
      const now = new Map(found.map((netns) => [netns.id, netns]));
      const before = this.#present;
      // A namespace that got another name is another entry for the user, too.
      const same = (netns: FoundNetns, others: Map<string, FoundNetns>): boolean =>
        others.get(netns.id)?.name === netns.name;
      const added = [...now.values()].filter((netns) => !same(netns, before) || this.#again.has(netns.id));
      const removed = [...before.values()].filter((netns) => !same(netns, now));
      this.#present = now;
      this.#again.clear();
      if (this.discovery.isUnsettled || this.#extra?.isUnsettled) this.#scanSoon(SETTLED_MS);
      if (added.length > 0 || removed.length > 0) this.#hooks.changed(added, removed);
      for (const error of [...this.discovery.errors, ...(this.#extra?.errors ?? [])])
        this.#hooks.error(error);
    } catch (error) {
      this.#hooks.error(error as Error);
    }
  }

  /** A namespace could not be opened: the next look reports it as added once more, or as removed. */
  again(netnsId: string): void {
    this.#again.add(netnsId);
    this.#scanSoon(RESCAN_MS);
  }

  /** Idempotent. */
  close(): void {
    this.#open = false;
    clearTimeout(this.#timer);
    for (const timer of this.#soon.values()) clearTimeout(timer);
    this.#watcher?.close();
    this.#watcher = null;
  }

  #lookIn(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.scan();
      this.#hooks.looked();
      const isTold = this.#watcher !== null && this.discovery.isTold && this.#extra?.isTold !== false;
      if (this.#open) this.#timer = this.#lookIn(isTold ? RESCAN_WATCHED_MS : RESCAN_MS);
    }, delayMs);
  }

  /** (Re-)places the inotify watch: the folder may come later, or be replaced by another. */
  #watch(): void {
    const inode = statSync(RUN_NETNS, { bigint: true, throwIfNoEntry: false })?.ino ?? 0n;
    if (inode === this.#watchedInode) return;
    this.#watcher?.close();
    this.#watcher = null;
    this.#watchedInode = 0n;
    if (inode === 0n) return;
    this.#watcher = watch(RUN_NETNS, () => this.#scanSoon(...AFTER_EVENT_MS));
    this.#watcher.on('error', (error) => this.#hooks.error(error));
    this.#watchedInode = inode;
  }

  /** One look is enough for all that ask for it until then. */
  #scanSoon(...delaysMs: number[]): void {
    for (const ms of delaysMs) {
      if (this.#soon.has(ms)) continue;
      const scan = (): void => {
        this.#soon.delete(ms);
        this.scan();
      };
      this.#soon.set(ms, setTimeout(scan, ms));
    }
  }
}

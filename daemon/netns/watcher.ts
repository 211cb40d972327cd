import { type FSWatcher, statSync, watch } from 'node:fs';
import { type FoundNetns, findNetns } from './discovery.ts';

const RUN_NETNS = '/run/netns';
/** Looks anyway this often: for /run/netns that is not there yet, for paths outside of it, for events that were lost. */
const RESCAN_MS = 500;
/**
 * After an event it looks at once and again: `ip netns add` makes the file first and mounts the namespace on it a
 * moment later, and the mount makes no event.
 */
const AFTER_EVENT_MS = [0, 20, 100];

/** What a NetnsWatcher calls. */
export interface NetnsWatcherHooks {
  /**
   * What changed since the last call. A name that was re-created is in both: another identity.
   * Removed namespaces must be let go at once: whatever is held of them keeps them, and their veth pairs, alive.
   */
  changed(added: FoundNetns[], removed: FoundNetns[]): void;
  /** Looking failed; the watcher goes on. */
  error(error: Error): void;
}

/** Follows which of the selected namespaces exist. It holds none of them open. */
export class NetnsWatcher {
  readonly #selectors: readonly string[];
  readonly #hooks: NetnsWatcherHooks;
  readonly #timer: NodeJS.Timeout;
  readonly #soon = new Set<NodeJS.Timeout>();
  #present = new Map<string, FoundNetns>();
  #watcher: FSWatcher | null = null;
  #watchedInode = 0n;
  #open = true;

  /** @param selectors see findNetns. The first look is taken by `scan`, which the caller calls when it is ready. */
  constructor(selectors: readonly string[], hooks: NetnsWatcherHooks) {
    this.#selectors = selectors;
    this.#hooks = hooks;
    this.#timer = setInterval(() => this.scan(), RESCAN_MS);
  }

  /** Looks now and reports the difference. */
  scan(): void {
    if (!this.#open) return;
    try {
      this.#watch();
      const now = new Map(findNetns(this.#selectors).map((netns) => [netns.id, netns]));
      const before = this.#present;
      // A namespace that got another name is another entry for the user, too.
      const same = (netns: FoundNetns, others: Map<string, FoundNetns>): boolean =>
        others.get(netns.id)?.name === netns.name;
      const added = [...now.values()].filter((netns) => !same(netns, before));
      const removed = [...before.values()].filter((netns) => !same(netns, now));
      this.#present = now;
      if (added.length > 0 || removed.length > 0) this.#hooks.changed(added, removed);
    } catch (error) {
      this.#hooks.error(error as Error);
    }
  }

  /** Idempotent. */
  close(): void {
    this.#open = false;
    clearInterval(this.#timer);
    for (const timer of this.#soon) clearTimeout(timer);
    this.#watcher?.close();
    this.#watcher = null;
  }

  /** (Re-)places the inotify watch: the folder may come later, or be replaced by another. */
  #watch(): void {
    const inode = statSync(RUN_NETNS, { bigint: true, throwIfNoEntry: false })?.ino ?? 0n;
    if (inode === this.#watchedInode) return;
    this.#watcher?.close();
    this.#watcher = null;
    this.#watchedInode = 0n;
    if (inode === 0n) return;
    this.#watcher = watch(RUN_NETNS, () => this.#scanSoon());
    this.#watcher.on('error', (error) => this.#hooks.error(error));
    this.#watchedInode = inode;
  }

  #scanSoon(): void {
    for (const ms of AFTER_EVENT_MS) {
      const timer = setTimeout(() => {
        this.#soon.delete(timer);
        this.scan();
      }, ms);
      this.#soon.add(timer);
    }
  }
}

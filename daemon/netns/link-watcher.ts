import { SyscallError } from '../kernel/errors.ts';
import { FdWatch } from '../kernel/fd-watch.ts';
import { type Interface, listInterfaces } from '../kernel/interfaces.ts';
import { type NetlinkSocket, openNetlinkSocket } from '../kernel/netlink-socket.ts';
import { type NetnsHandle, openNetns, StaleNetnsError, withNetns } from '../kernel/netns.ts';
import type { FoundNetns } from './discovery.ts';

/** linux/rtnetlink.h */
const RTNLGRP_LINK = 1;

/** What a LinkWatcher calls. */
export interface LinkWatcherHooks {
  /** The list of interfaces may have changed; `links` is up to date. */
  changed(): void;
  /** Looking failed; the watcher goes on. */
  error(error: Error): void;
}

/** A name, path or process that belongs to another namespace by now. */
export class NetnsReplacedError extends Error {
  readonly code = 'ENETNSREPLACED';

  constructor(name: string) {
    super(`${name}: was replaced by another namespace`);
    this.name = 'NetnsReplacedError';
  }
}

/**
 * Follows the interfaces of one namespace. It holds the namespace open, and so must be closed as soon as the namespace
 * is removed. Notifications of the kernel only say when to look: the list is then read anew, so that a lost
 * notification costs a moment and never a wrong list.
 */
export class LinkWatcher {
  readonly netns: FoundNetns;
  readonly handle: NetnsHandle;
  /** By ifindex. */
  links: ReadonlyMap<number, Interface> = new Map();
  readonly #hooks: LinkWatcherHooks;
  readonly #socket: NetlinkSocket;
  readonly #watch: FdWatch;
  #open = true;

  /**
   * @throws SyscallError, StaleNetnsError when the namespace is gone or may not be entered; NetnsReplacedError
   */
  constructor(netns: FoundNetns, hooks: LinkWatcherHooks) {
    this.netns = netns;
    this.#hooks = hooks;
    this.handle = openNetns(netns.name, netns.path);
    try {
      if (this.handle.id !== netns.id) throw new NetnsReplacedError(netns.name);
      this.#socket = openNetlinkSocket(this.handle, { groups: [RTNLGRP_LINK] });
    } catch (error) {
      this.handle.close();
      throw error;
    }
    this.#watch = new FdWatch(this.#socket.fd, () => this.#readable());
    try {
      this.rescan();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Reads the list now; does not call `changed`. @throws SyscallError */
  rescan(): void {
    const list = withNetns(this.handle, listInterfaces);
    this.links = new Map(list.map((link) => [link.ifIndex, link]));
  }

  /** Lets the namespace go. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#watch.close();
    this.#socket.close();
    this.handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #readable(): void {
    try {
      while (this.#socket.receive() !== 'empty');
      this.rescan();
    } catch (error) {
      this.#hooks.error(error as Error);
      return;
    }
    this.#hooks.changed();
  }
}

/** The namespace, or the process that it was found by, went away between the look and the opening. */
export function isNetnsGone(error: unknown): boolean {
  if (error instanceof StaleNetnsError || error instanceof NetnsReplacedError) return true;
  return error instanceof SyscallError && (error.code === 'ENOENT' || error.code === 'ESRCH');
}

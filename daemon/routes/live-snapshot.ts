import { closeSync } from 'node:fs';
import { withResource } from '../kernel/dispose.ts';
import { type NetlinkSocket, openNetlinkSocket } from '../kernel/netlink-socket.ts';
import { type NetnsHandle, openNetns } from '../kernel/netns.ts';
import { NetlinkClient } from '../netlink/dump.ts';
import { dumpGroups4 } from '../netlink/multicast.ts';
import { probedRoutes, probeMemory } from '../netlink/probe.ts';
import { dumpRouting } from '../netlink/rtnetlink.ts';
import { openAllSettings, readAllSettings } from './all-settings.ts';
import { assembleSnapshot, takenNow } from './assemble.ts';
import type { RouteSnapshot } from './snapshot.ts';

/** An open namespace whose routing can be read, and whose kernel can be asked. Close it soon: it keeps the namespace. */
export class LiveRoutes {
  readonly client: NetlinkClient;
  readonly #handle: NetnsHandle;
  readonly #socket: NetlinkSocket;

  /**
   * @param netns as `openNetns`: "host", a name of ip-netns(8), or a path
   * @param path  its file, when it is known by another name
   * @throws SyscallError, StaleNetnsError
   */
  constructor(netns: string, path?: string) {
    this.#handle = openNetns(netns, path);
    try {
      this.#socket = openNetlinkSocket(this.#handle);
    } catch (error) {
      this.#handle.close();
      throw error;
    }
    this.client = new NetlinkClient(this.#socket);
  }

  /** Identity of the namespace, "dev:inode". */
  get netnsId(): string {
    return this.#handle.id;
  }

  /**
   * Reads everything.
   * @throws NetlinkError, SyscallError
   */
  read(): RouteSnapshot {
    const { name } = this.#handle;
    const dump = dumpRouting(this.client, name);
    dump.memory = probeMemory(this.client, dump, probedRoutes(dump.routes), name);
    const snapshot = assembleSnapshot(dump, name, takenNow());
    const fds = openAllSettings(this.#handle);
    try {
      Object.assign(snapshot.sysctls, readAllSettings(fds));
    } finally {
      for (const fd of fds) closeSync(fd);
    }
    const groups = dumpGroups4(this.client, name);
    if (groups !== null) snapshot.groups = groups;
    return snapshot;
  }

  /** Idempotent. */
  close(): void {
    this.#socket.close();
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Reads the routing of a namespace once, with no daemon; see LiveRoutes.
 * @throws SyscallError, StaleNetnsError, NetlinkError
 */
export function liveSnapshot(netns: string, path?: string): RouteSnapshot {
  return withResource(new LiveRoutes(netns, path), (live) => live.read());
}

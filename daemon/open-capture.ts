import { openSync } from 'node:fs';
import type { CaptureInfo } from '../storage/messages.ts';
import { type DaemonOptions, nextRingMib, SNAPLEN_DEFAULT } from './config.ts';
import type { EngineCommand } from './engine-messages.ts';
import { ARPHRD_ETHER } from './kernel/constants.ts';
import { IFF_LOOPBACK } from './kernel/netlink-constants.ts';
import { withResource } from './kernel/dispose.ts';
import type { Interface } from './kernel/interfaces.ts';
import { compileSocketFilter } from './kernel/libpcap.ts';
import { HOST_NETNS, openNetns, withNetns } from './kernel/netns.ts';
import {
  type LinkLayer,
  linkLayerOf,
  RING_BLOCKS_MIN,
  ringGeometry,
  snapLenFilter,
} from './kernel/packet-socket.ts';
import { openPacketSocketsWithin } from './kernel/packet-fanout.ts';
import type { LinkWatcher } from './netns/link-watcher.ts';

/** A capture that was opened for the engine. */
export interface OpenedCapture {
  info: CaptureInfo;
  command: EngineCommand;
  /** Go with the command. */
  fds: number[];
  /** Memory that the kernel holds for it. */
  ringMib: number;
  layer: LinkLayer;
}

/** Opens captures in their namespaces, as the options say. */
export class CaptureOpener {
  readonly #options: DaemonOptions;
  /** By expression and link type: compiled once. */
  readonly #filters = new Map<string, Uint8Array | null>();
  readonly #hostId = withResource(openNetns(HOST_NETNS), ({ id }) => id);

  /** @throws PcapError when the filter is wrong: nothing has been started yet then */
  constructor(options: DaemonOptions) {
    this.#options = options;
    const ethernet = linkLayerOf(ARPHRD_ETHER);
    this.#program(options.filter, ethernet);
    this.#program(this.#filterIn(this.#hostId), ethernet);
  }

  /**
   * Opens an interface: a packet socket inside the namespace (with `fanout` several), or for libpcap the namespace itself, where the engine
   * opens the device.
   * @param index   number of the capture in the engine
   * @param usedMib memory of all open rings
   * @param gapReason see CaptureInfo
   * @throws SyscallError, PcapError
   */
  open(
    links: LinkWatcher,
    link: Interface,
    index: number,
    usedMib: number,
    gapReason?: string,
  ): OpenedCapture {
    const { backend, snapLen, ringMib: wantedMib, ringTotalMib, fanout } = this.#options;
    const { name: netns, id: netnsId } = links.netns;
    const layer = linkLayerOf(link.arpType);
    const filter = this.#filterIn(netnsId);
    const info: CaptureInfo = {
      index,
      netns,
      netnsId,
      interface: link.name,
      ifIndex: link.ifIndex,
      linkType: layer.linkType,
      source: backend,
      file: null,
      filter,
      ...(gapReason === undefined ? {} : { gapReason }),
    };
    if (backend === 'libpcap') {
      const bufferBytes = wantedMib * 2 ** 20;
      const fd = openSync(`/proc/self/fd/${links.handle.fd}`, 'r');
      return {
        info,
        command: { type: 'libpcap', capture: info, snapLen, bufferBytes },
        fds: [fd],
        ringMib: wantedMib,
        layer,
      };
    }
    const options = {
      ifIndex: link.ifIndex,
      link: layer,
      ring: ringGeometry(nextRingMib(wantedMib, usedMib, ringTotalMib) / fanout),
      filter: this.#program(filter, layer),
      object: `${link.name} in ${netns}`,
    };
    const { fds, ring } = withNetns(links.handle, () =>
      openPacketSocketsWithin(options, fanout, RING_BLOCKS_MIN),
    );
    const loopback = (link.flags & IFF_LOOPBACK) !== 0;
    return {
      info,
      command: { type: 'ring', capture: info, ring, cooked: layer.cooked, loopback },
      fds,
      ringMib: (fanout * ring.blockSize * ring.blockCount) / 2 ** 20,
      layer,
    };
  }

  /** What a capture in that namespace is filtered by: the expression, and compiled; null for every packet. @throws PcapError */
  filterOf(netnsId: string, layer: LinkLayer): { filter: string | null; program: Uint8Array | null } {
    const filter = this.#filterIn(netnsId);
    return { filter, program: this.#program(filter, layer) };
  }

  /** The user's filter, and in the host's namespace not the daemon's own traffic. */
  #filterIn(netnsId: string): string | null {
    const { filter, exclude } = this.#options;
    if (exclude === null || netnsId !== this.#hostId) return filter;
    const others = `not (${exclude})`;
    // In front: a `vlan` in the user's filter moves the offsets of all that stands behind it. pcap-filter(7)
    return filter === null ? others : `${others} and (${filter})`;
  }

  /** The compiled filter for a link layer, or null for every packet, whole. @throws PcapError */
  #program(filter: string | null, layer: LinkLayer): Uint8Array | null {
    const key = `${layer.linkType} ${filter}`;
    const known = this.#filters.get(key);
    if (known !== undefined) return known;
    const { snapLen } = this.#options;
    let program: Uint8Array | null = null;
    if (filter !== null) program = compileSocketFilter(filter, layer, snapLen);
    else if (snapLen < SNAPLEN_DEFAULT) program = snapLenFilter(snapLen);
    this.#filters.set(key, program);
    return program;
  }
}

import { openSync } from 'node:fs';
import type { CaptureInfo } from '../storage/messages.ts';
import { type DaemonOptions, nextRingMib, SNAPLEN_DEFAULT } from './config.ts';
import type { EngineCommand } from './engine-messages.ts';
import { ARPHRD_ETHER, IFF_LOOPBACK } from './kernel/constants.ts';
import type { Interface } from './kernel/interfaces.ts';
import { compileSocketFilter } from './kernel/libpcap.ts';
import { withNetns } from './kernel/netns.ts';
import {
  type LinkLayer,
  linkLayerOf,
  openPacketSocketWithin,
  RING_BLOCKS_MIN,
  ringGeometry,
  snapLenFilter,
} from './kernel/packet-socket.ts';
import type { LinkWatcher } from './netns/link-watcher.ts';

/** A capture that was opened for the engine. */
export interface OpenedCapture {
  info: CaptureInfo;
  command: EngineCommand;
  /** Goes with the command. */
  fd: number;
  /** Memory that the kernel holds for it. */
  ringMib: number;
}

/** Opens captures in their namespaces, as the options say. */
export class CaptureOpener {
  readonly #options: DaemonOptions;
  /** By link type: compiled once. */
  readonly #filters = new Map<number, Uint8Array | null>();

  /** @throws PcapError when the filter is wrong: nothing has been started yet then */
  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#filterFor(linkLayerOf(ARPHRD_ETHER));
  }

  /**
   * Opens an interface: a packet socket inside the namespace, or for libpcap the namespace itself, where the engine
   * opens the device.
   * @param index   number of the capture in the engine
   * @param usedMib memory of all open rings
   * @throws SyscallError, PcapError
   */
  open(links: LinkWatcher, link: Interface, index: number, usedMib: number): OpenedCapture {
    const { backend, filter, snapLen, ringMib: wantedMib, ringTotalMib } = this.#options;
    const { name: netns, id: netnsId } = links.netns;
    const layer = linkLayerOf(link.arpType);
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
    };
    if (backend === 'libpcap') {
      const bufferBytes = wantedMib * 2 ** 20;
      const fd = openSync(`/proc/self/fd/${links.handle.fd}`, 'r');
      return {
        info,
        command: { type: 'libpcap', capture: info, snapLen, bufferBytes },
        fd,
        ringMib: wantedMib,
      };
    }
    const options = {
      ifIndex: link.ifIndex,
      link: layer,
      ring: ringGeometry(nextRingMib(wantedMib, usedMib, ringTotalMib)),
      filter: this.#filterFor(layer),
      object: `${link.name} in ${netns}`,
    };
    const { fd, ring } = withNetns(links.handle, () => openPacketSocketWithin(options, RING_BLOCKS_MIN));
    const loopback = (link.flags & IFF_LOOPBACK) !== 0;
    return {
      info,
      command: { type: 'ring', capture: info, ring, cooked: layer.cooked, loopback },
      fd,
      ringMib: (ring.blockSize * ring.blockCount) / 2 ** 20,
    };
  }

  /** The compiled filter for a link layer, or null for every packet, whole. @throws PcapError */
  #filterFor(layer: LinkLayer): Uint8Array | null {
    const known = this.#filters.get(layer.linkType);
    if (known !== undefined) return known;
    const { filter, snapLen } = this.#options;
    let program: Uint8Array | null = null;
    if (filter !== null) program = compileSocketFilter(filter, layer, snapLen);
    else if (snapLen < SNAPLEN_DEFAULT) program = snapLenFilter(snapLen);
    this.#filters.set(layer.linkType, program);
    return program;
  }
}

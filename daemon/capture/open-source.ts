import type { CaptureInfo } from '../../storage/messages.ts';
import { withResource } from '../kernel/dispose.ts';
import { close } from '../kernel/libc.ts';
import { PcapHandle } from '../kernel/libpcap.ts';
import { openNetns, withNetns } from '../kernel/netns.ts';
import { RING_RETIRE_MS } from '../kernel/packet-socket.ts';
import type { CaptureOpen } from './capture-messages.ts';
import type { LiveSource } from './packet-source.ts';
import { PcapSource } from './pcap-source.ts';
import { RingSource } from './ring-source.ts';

/**
 * Opens the source that an `add` message describes, in the thread that will drain it. Whatever happens, the message's
 * descriptor is taken care of.
 * @param closeFd see RingSource
 * @returns the source, and the link type it really has (libpcap finds it only now)
 * @throws SyscallError, PcapError
 */
export function openSource(
  capture: CaptureInfo,
  open: CaptureOpen,
  closeFd: (fd: number) => void,
): { source: LiveSource; linkType: number } {
  const object = `${capture.interface} in ${capture.netns}`;
  if (open.kind === 'ring') {
    try {
      const options = {
        captureIndex: capture.index,
        linkType: capture.linkType,
        cooked: open.cooked,
        loopback: open.loopback,
        ring: open.ring,
        object,
      };
      const source = new RingSource(open.fd, options, closeFd);
      return { source, linkType: capture.linkType };
    } catch (error) {
      close(open.fd);
      throw error;
    }
  }
  try {
    const openHandle = (): PcapHandle =>
      new PcapHandle({
        device: capture.interface ?? 'any',
        snapLen: open.snapLen,
        bufferBytes: open.bufferBytes,
        timeoutMs: RING_RETIRE_MS,
        filter: capture.filter,
      });
    const handle = withResource(openNetns(`/proc/self/fd/${open.netnsFd}`), (netns) =>
      withNetns(netns, openHandle),
    );
    return { source: new PcapSource(handle, capture.index), linkType: handle.linkType };
  } finally {
    close(open.netnsFd);
  }
}

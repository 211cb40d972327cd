import type { CaptureInfo } from '../../storage/messages.ts';
import { replaceFilter } from '../kernel/packet-socket.ts';
import type { CaptureOpen } from './capture-messages.ts';

/**
 * Gives another filter to a capture that waits to be opened: its sockets have been filling their rings already.
 * @param opens how each of its threads will open it
 * @param program struct sock_filter[], or null: every packet
 * @throws SyscallError; the old filter is in force then
 */
export function changeFilter(
  capture: CaptureInfo,
  opens: readonly CaptureOpen[],
  filter: string | null,
  program: Uint8Array | null,
): void {
  // libpcap's is not open yet, and compiles the text itself.
  for (const open of opens)
    if (open.kind === 'ring') replaceFilter(open.fd, program, `${capture.interface} in ${capture.netns}`);
  capture.filter = filter;
}

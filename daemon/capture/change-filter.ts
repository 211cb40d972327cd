import { replaceFilter } from '../kernel/packet-socket.ts';
import type { CaptureRequest } from './capture-messages.ts';

/**
 * Gives another filter to a capture that waits to be opened: its socket has been filling its ring already.
 * @param program struct sock_filter[], or null: every packet
 * @throws SyscallError; the old filter is in force then
 */
export function changeFilter(
  { capture, open }: Extract<CaptureRequest, { type: 'add' }>,
  filter: string | null,
  program: Uint8Array | null,
): void {
  // libpcap's is not open yet, and compiles the text itself.
  if (open.kind === 'ring') replaceFilter(open.fd, program, `${capture.interface} in ${capture.netns}`);
  capture.filter = filter;
}

import { AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM } from './constants.ts';
import { SyscallError } from './errors.ts';
import { check, close, errno, libc } from './libc.ts';
import { unixAddress } from './unix-address.ts';

const socketCall = libc.func('int socket(int domain, int type, int protocol)');
const sendtoCall = libc.func(
  'long sendto(int fd, const void *buf, size_t len, int flags, const void *to, uint32_t tolen)',
);

const encoder = new TextEncoder();

/**
 * Sends a datagram to a socket of this host, and forgets the socket again: what sd_notify(3) does.
 * @param path of the receiver; one that begins with "@" is in the abstract namespace, as $NOTIFY_SOCKET has it
 * @param text what to send
 * @throws SyscallError; Error when the path is longer than an address may be
 */
export function sendDatagram(path: string, text: string): void {
  const address = unixAddress(path);
  const fd = check(socketCall(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket', 'AF_UNIX');
  try {
    const octets = encoder.encode(text);
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const sent = sendtoCall(fd, octets, octets.length, flags, address, address.length);
    if (sent === -1) throw new SyscallError('sendto', path, errno());
  } finally {
    close(fd);
  }
}

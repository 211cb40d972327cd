import {
  AF_UNIX,
  EAGAIN,
  ECONNREFUSED,
  ENOENT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from './constants.ts';
import { SyscallError } from './errors.ts';
import { check, close, errno, libc } from './libc.ts';
import { bindSocket, openSocket } from './socket.ts';
import { unixAddress } from './unix-address.ts';

const listenCall = libc.func('int listen(int fd, int backlog)');
const connectCall = libc.func('int connect(int fd, const void *addr, uint32_t len)');

/** Clients that wait to be accepted, while the engine is being started, say. */
const BACKLOG = 64;

/**
 * Binds a unix stream socket to a path; nobody can connect before `listenUnix`, so that its file can get its rights first.
 * @param path absolute
 * @returns the descriptor, not blocking, close-on-exec; the caller closes it
 * @throws SyscallError (EADDRINUSE: the file exists); Error for a path that is too long
 */
export function bindUnix(path: string): number {
  const address = unixAddress(path);
  const fd = openSocket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, path);
  try {
    bindSocket(fd, address, path);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** listen(2). @throws SyscallError */
export function listenUnix(fd: number, path: string): void {
  check(listenCall(fd, BACKLOG), 'listen', path);
}

/**
 * Whether somebody listens on a unix stream socket, found out by connecting.
 * @returns false when nobody does (ECONNREFUSED), or when there is no such file
 * @throws SyscallError for anything else; Error for a path that is too long
 */
export function isUnixAnswered(path: string): boolean {
  const address = unixAddress(path);
  const fd = openSocket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, path);
  try {
    if (connectCall(fd, address, address.length) === 0) return true;
    const code = errno();
    if (code === ECONNREFUSED || code === ENOENT) return false;
    // Its backlog is full: somebody is there, and busy.
    if (code === EAGAIN) return true;
    throw new SyscallError('connect', path, code);
  } finally {
    close(fd);
  }
}

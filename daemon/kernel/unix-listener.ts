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

const listenCall = libc.func('int listen(int fd, int backlog)');
const connectCall = libc.func('int connect(int fd, const void *addr, uint32_t len)');
const fcntlCall = libc.func('int fcntl(int fd, int command, int arg)');

/** fcntl(2). linux/fcntl.h */
const F_DUPFD_CLOEXEC = 1030;
/** struct sockaddr_un: sun_family u16 0, sun_path 2..109 with its final 0. linux/un.h */
const SUN_PATH_OFF = 2;
const SUN_PATH_MAX = 108;
/** Clients that wait to be accepted, while the engine is being started, say. */
const BACKLOG = 64;

/**
 * Binds a unix stream socket to a path; nobody can connect before `listenUnix`, so that its file can get its rights first.
 * @param path absolute; at most 107 octets
 * @returns the descriptor, not blocking, close-on-exec; the caller closes it
 * @throws SyscallError (EADDRINUSE: the file exists); RangeError for a path that is too long
 */
export function bindUnix(path: string): number {
  const address = sockaddrOf(path);
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
 * @throws SyscallError for anything else; RangeError for a path that is too long
 */
export function isUnixAnswered(path: string): boolean {
  const address = sockaddrOf(path);
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

/** Another descriptor of the same open file, close-on-exec; the caller closes it. @throws SyscallError */
export function duplicate(fd: number): number {
  return check(fcntlCall(fd, F_DUPFD_CLOEXEC, 0), 'fcntl', 'F_DUPFD_CLOEXEC');
}

function sockaddrOf(path: string): Uint8Array {
  const octets = Buffer.from(path);
  if (octets.length >= SUN_PATH_MAX)
    throw new RangeError(
      `${path}: path of a socket with ${octets.length} octets; at most ${SUN_PATH_MAX - 1}`,
    );
  const address = new Uint8Array(SUN_PATH_OFF + octets.length + 1);
  // Host order.
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX;
  address.set(octets, SUN_PATH_OFF);
  return address;
}

import { SO_ERROR, SOL_SOCKET } from './constants.ts';
import { check, libc } from './libc.ts';

const socketCall = libc.func('int socket(int domain, int type, int protocol)');
const bindCall = libc.func('int bind(int fd, const void *addr, uint32_t len)');
const setsockoptCall = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, uint32_t len)',
);
const getsockoptCall = libc.func(
  'int getsockopt(int fd, int level, int name, void *value, _Inout_ uint32_t *len)',
);
const getsocknameCall = libc.func('int getsockname(int fd, void *addr, _Inout_ uint32_t *len)');

/**
 * socket(2).
 * @param object what the socket is for, for the error message
 * @returns the descriptor; the caller closes it
 * @throws SyscallError
 */
export function openSocket(domain: number, type: number, protocol: number, object: string): number {
  return check(socketCall(domain, type, protocol), 'socket', object);
}

/** bind(2) to a sockaddr as the kernel lays it out. @throws SyscallError */
export function bindSocket(fd: number, sockaddr: Uint8Array, object: string): void {
  check(bindCall(fd, sockaddr, sockaddr.length), 'bind', object);
}

/** setsockopt(2) with an option value as the kernel lays it out. @throws SyscallError */
export function setSocketOption(
  fd: number,
  level: number,
  name: number,
  value: Uint8Array,
  object: string,
): void {
  check(setsockoptCall(fd, level, name, value, value.length), 'setsockopt', object);
}

/** setsockopt(2) with an int. @throws SyscallError */
export function setSocketOptionInt(
  fd: number,
  level: number,
  name: number,
  value: number,
  object: string,
): void {
  check(setsockoptCall(fd, level, name, new Int32Array([value]), 4), 'setsockopt', object);
}

/**
 * getsockopt(2) into `value`.
 * @param value receives the option, native byte order
 * @returns octets that the kernel wrote
 * @throws SyscallError
 */
export function getSocketOption(
  fd: number,
  level: number,
  name: number,
  value: ArrayBufferView,
  object: string,
): number {
  const length = [value.byteLength];
  check(getsockoptCall(fd, level, name, value, length), 'getsockopt', object);
  return length[0]!;
}

const pendingError = new Int32Array(1);

/**
 * Takes the socket's pending error (SO_ERROR, socket(7)); reading clears it, so poll stops reporting POLLERR.
 * @returns a positive errno, or 0 for none
 */
export function takeSocketError(fd: number, object: string): number {
  getSocketOption(fd, SOL_SOCKET, SO_ERROR, pendingError, object);
  return pendingError[0]!;
}

/** getsockname(2) into `sockaddr`, as the kernel lays it out. @throws SyscallError */
export function getSocketName(fd: number, sockaddr: Uint8Array, object: string): void {
  const length = [sockaddr.length];
  check(getsocknameCall(fd, sockaddr, length), 'getsockname', object);
}

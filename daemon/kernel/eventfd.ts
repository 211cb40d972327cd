import { EAGAIN } from './constants.ts';
import { SyscallError } from './errors.ts';
import { check, errno, libc } from './libc.ts';

const eventfdCall = libc.func('int eventfd(unsigned int initval, int flags)');
const readCall = libc.func('long read(int fd, void *buf, size_t count)');
const writeCall = libc.func('long write(int fd, const void *buf, size_t count)');

/** Flags of eventfd(2). sys/eventfd.h */
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

const ONE = new BigUint64Array([1n]);
const count = new BigUint64Array(1);

/**
 * Opens an eventfd(2), not blocking, close-on-exec. The number is valid in every thread of the process: one thread
 * polls it, the others call `signalEvent`.
 * @returns the descriptor; the caller closes it
 * @throws SyscallError
 */
export function openEvent(): number {
  return check(eventfdCall(0, EFD_NONBLOCK | EFD_CLOEXEC), 'eventfd', 'thread wake-up');
}

/** Makes the eventfd readable: wakes whoever polls it. A full counter (EAGAIN) wakes just as well. */
export function signalEvent(fd: number): void {
  if (writeCall(fd, ONE, 8) === 8) return;
  const code = errno();
  if (code !== EAGAIN) throw new SyscallError('write', 'eventfd', code);
}

/** Takes all signals of the eventfd. @returns true when there was one */
export function takeEvent(fd: number): boolean {
  if (readCall(fd, count, 8) === 8) return true;
  const code = errno();
  if (code !== EAGAIN) throw new SyscallError('read', 'eventfd', code);
  return false;
}

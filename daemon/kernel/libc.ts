import koffi from 'koffi';
import { SyscallError } from './errors.ts';

/**
 * The C library, loaded once a thread. Functions are declared here or beside their only user in this folder; nobody
 * outside daemon/kernel imports koffi. glibc's name is tried first, then musl's.
 */
export const libc = loadLibc();

function loadLibc(): ReturnType<typeof koffi.load> {
  try {
    return koffi.load('libc.so.6');
  } catch {
    return koffi.load('libc.so');
  }
}

/**
 * errno of the last call of this thread. Read it on the very next line: any fs call of Node overwrites it.
 */
export function errno(): number {
  return koffi.errno();
}

/**
 * Turns a -1 result into a SyscallError; anything else is passed through.
 * @param result what the call returned
 */
export function check(result: number, operation: string, object: string): number {
  if (result === -1) throw new SyscallError(operation, object, koffi.errno());
  return result;
}

const closeFd = libc.func('int close(int fd)');

/** Closes a descriptor that came from this folder. EINTR counts as closed (close(2), Linux). */
export function close(fd: number): void {
  closeFd(fd);
}

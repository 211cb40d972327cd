import { getSystemErrorMessage, getSystemErrorName } from 'node:util';

/** What an errno that users meet usually means here, and what to do. */
const ADVICE: Record<string, string> = {
  EPERM: 'needs root, or CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW',
  EACCES: 'needs root, or CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW',
  ENODEV: 'no such interface, or it is gone',
  ENOENT: 'it does not exist, or it is gone',
  ENOBUFS: 'the kernel ran out of buffer space; try smaller ring or socket buffers',
  ENOMEM: 'not enough memory; try a smaller ring',
  EMFILE: 'too many open descriptors; raise `ulimit -n`',
};

/**
 * A system call that failed. The message is "operation object: ERRNO text (advice)"; `code` is the errno's name, as in
 * Node's own errors.
 */
export class SyscallError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly operation: string;

  /**
   * @param operation the call, as in section 2 of the manual ("setns", "bind")
   * @param object    what it was called on ("/run/netns/a", "veth0 in a")
   * @param errno     positive errno value
   */
  constructor(operation: string, object: string, errno: number) {
    const code = errno > 0 ? getSystemErrorName(-errno) : 'EUNKNOWN';
    const text = errno > 0 ? getSystemErrorMessage(-errno) : 'unknown error';
    const advice = ADVICE[code];
    super(`${operation} ${object}: ${code}, ${text}${advice ? ` (${advice})` : ''}`);
    this.name = 'SyscallError';
    this.code = code;
    this.errno = errno;
    this.operation = operation;
  }
}

import { closeSync, openSync, readdirSync, statfsSync, statSync, writeSync } from 'node:fs';
import { SyscallError } from './errors.ts';
import { errno, libc } from './libc.ts';

const setnsCall = libc.func('int setns(int fd, int nstype)');

/** linux/sched.h */
const CLONE_NEWNET = 0x40000000;
/** linux/magic.h: what statfs says of a namespace file. */
const NSFS_MAGIC = 0x6e736673;
/** Where ip-netns(8) keeps the names. */
const RUN_NETNS = '/run/netns';

/** Name of the namespace that the process started in. */
export const HOST_NETNS = 'host';

/**
 * An open network namespace. While it is open the namespace lives, also after `ip netns del`: close it soon.
 */
export class NetnsHandle {
  /** As the user knows it: a name of ip-netns(8), "host", or a path. */
  readonly name: string;
  readonly path: string;
  /** Identity, "dev:inode" of the nsfs file: a namespace re-created under the same name is another. */
  readonly id: string;
  readonly fd: number;
  #open = true;

  /**
   * @param name see `openNetns`
   * @param path its file
   * @throws SyscallError (ENOENT, EACCES); StaleNetnsError when the file is no namespace any more
   */
  constructor(name: string, path: string) {
    this.name = name;
    this.path = path;
    this.fd = openNamespaceFile(path);
    this.id = identity(`/proc/self/fd/${this.fd}`);
  }

  /** Lets the namespace go. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens a namespace.
 * @param name "host" (the namespace the process started in), a path ("/proc/4711/ns/net"), or a name of ip-netns(8)
 * @param path its file, when it is known by a name that is none of these
 * @throws SyscallError, StaleNetnsError
 */
export function openNetns(name: string, path: string = netnsPath(name)): NetnsHandle {
  return new NetnsHandle(name, path);
}

/** The file of a namespace: `name` itself when it is a path. */
export function netnsPath(name: string): string {
  // Through the descriptor, so that it is the thread's own namespace also when asked from within `withNetns`.
  if (name === HOST_NETNS) return `/proc/self/fd/${home()}`;
  return name.includes('/') ? name : `${RUN_NETNS}/${name}`;
}

/** A name in /run/netns. `stale` says why it is no namespace (its file outlived the mount, or may not be read). */
export interface NetnsEntry {
  name: string;
  path: string;
  /** Identity as in `NetnsHandle`, or null when stale. */
  id: string | null;
  stale: string | null;
}

/**
 * The names of ip-netns(8), sorted; files that are no namespace are flagged and not left out.
 * @throws Error of node:fs when /run/netns cannot be read; a missing folder is an empty list
 */
export function listNetns(): NetnsEntry[] {
  let names: string[];
  try {
    names = readdirSync(RUN_NETNS);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names.sort().map((name) => {
    const path = `${RUN_NETNS}/${name}`;
    try {
      if (statfsSync(path).type !== NSFS_MAGIC) throw new StaleNetnsError(path);
      return { name, path, id: identity(path), stale: null };
    } catch (error) {
      return { name, path, id: null, stale: said(error, path) };
    }
  });
}

function said(error: unknown, path: string): string {
  if (error instanceof StaleNetnsError) return error.message;
  return new SyscallError('open', path, -((error as NodeJS.ErrnoException).errno ?? 0)).message;
}

/**
 * Identity of the namespace that a file stands for, as in `NetnsHandle`, without opening it: nothing holds it, not for a
 * moment. Null when there is no such file or it is no namespace.
 * @throws SyscallError when it may not be looked at
 */
export function netnsFileId(path: string): string | null {
  try {
    return statfsSync(path).type === NSFS_MAGIC ? identity(path) : null;
  } catch (error) {
    const { code, errno } = error as NodeJS.ErrnoException;
    // ESRCH: the process behind /proc/PID/ns/net is gone.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ESRCH') return null;
    throw new SyscallError('stat', path, -(errno ?? 0));
  }
}

/** Descriptor of the namespace this thread was started in; opened once and kept, since it is the way back. */
let homeFd = -1;
/** Descriptor and identity of the namespace this thread is in now: `withNetns` may be nested. */
let currentFd = -1;
let currentId = '';

function home(): number {
  if (homeFd === -1) {
    homeFd = openNamespaceFile('/proc/thread-self/ns/net');
    currentFd = homeFd;
    currentId = identity(`/proc/self/fd/${homeFd}`);
  }
  return homeFd;
}

function identity(path: string): string {
  const stat = statSync(path, { bigint: true });
  return `${stat.dev}:${stat.ino}`;
}

/**
 * Runs `fn` with the calling thread inside the namespace and comes back. setns(2) moves this thread alone, so `fn` must
 * be synchronous; sockets that it opens stay in the namespace. A thread that cannot come back would do its work in the
 * wrong namespace: it ends at once, with status 1 and the reason on stderr.
 * @throws SyscallError when the namespace cannot be entered; TypeError when `fn` returned a promise; whatever `fn` throws
 */
export function withNetns<T>(netns: NetnsHandle, fn: () => T): T {
  home();
  // setns(2) asks for CAP_SYS_ADMIN also where it would change nothing; to look at one's own namespace needs none.
  if (netns.id === currentId) return synchronous(fn());
  const backFd = currentFd;
  const backId = currentId;
  if (setnsCall(netns.fd, CLONE_NEWNET) === -1) throw new SyscallError('setns', netns.path, errno());
  currentFd = netns.fd;
  currentId = netns.id;
  let result: T;
  try {
    result = fn();
  } finally {
    currentFd = backFd;
    currentId = backId;
    if (setnsCall(backFd, CLONE_NEWNET) === -1) {
      const error = new SyscallError('setns', `back from ${netns.path}`, errno());
      writeSync(2, `nstap: ${error.message}\n`);
      process.exit(1);
    }
  }
  return synchronous(result);
}

function synchronous<T>(result: T): T {
  if (result instanceof Promise)
    throw new TypeError('withNetns: fn must be synchronous, it returned a promise');
  return result;
}

function openNamespaceFile(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw new SyscallError('open', path, -((error as NodeJS.ErrnoException).errno ?? 0));
  }
  // A name whose mount is gone is an ordinary empty file: setns would say EINVAL, but only when it is entered.
  if (statfsSync(`/proc/self/fd/${fd}`).type !== NSFS_MAGIC) {
    closeSync(fd);
    throw new StaleNetnsError(path);
  }
  return fd;
}

/** A file that should be a namespace and is not; ip-netns(8) leaves them behind when their mount is gone. */
export class StaleNetnsError extends Error {
  readonly code = 'ESTALENETNS';

  constructor(path: string) {
    super(`open ${path}: no network namespace (a stale file; \`ip netns del\` removes it)`);
    this.name = 'StaleNetnsError';
  }
}

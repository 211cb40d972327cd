import { closeSync, constants, openSync } from 'node:fs';
import { SyscallError } from './errors.ts';
import { errno, libc } from './libc.ts';

const syscall3 = libc.func('syscall', 'long', ['long', 'void *', 'ulong', 'ulong']);
const syscallAdd = libc.func('syscall', 'long', ['long', 'long', 'ulong', 'void *', 'ulong']);
const syscallSelf = libc.func('syscall', 'long', ['long', 'long', 'ulong']);

/** System calls, the same numbers on every architecture. asm-generic/unistd.h */
const SYS_LANDLOCK_CREATE_RULESET = 444;
const SYS_LANDLOCK_ADD_RULE = 445;
const SYS_LANDLOCK_RESTRICT_SELF = 446;

/** linux/landlock.h */
const LANDLOCK_CREATE_RULESET_VERSION = 1;
const LANDLOCK_RULE_PATH_BENEATH = 1;
const LANDLOCK_RULE_NET_PORT = 2;
const LANDLOCK_ACCESS_NET_BIND_TCP = 1n;
const LANDLOCK_ACCESS_NET_CONNECT_TCP = 2n;
const LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 1n;
const LANDLOCK_SCOPE_SIGNAL = 2n;

/** WRITE_FILE. */
const WRITE_FILE = 1n << 1n;
/** WRITE_FILE, REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM: since ABI 1. */
const CHANGES = WRITE_FILE | 0x1ff0n;
/** REFER since ABI 2, TRUNCATE since ABI 3. */
const REFER = 1n << 13n;
const TRUNCATE = 1n << 14n;
/** For tools that open it to write: every process may. */
const NULL_DEVICE = '/dev/null';

/** O_PATH, which node:fs does not name. asm-generic/fcntl.h */
const O_PATH = 0o10000000;

/** What a process may still do after `restrictSelf`. */
export interface Allowed {
  /** Folders in which files may be made, changed and removed. */
  writable: readonly string[];
  /** TCP ports that may be bound. */
  bindPorts: readonly number[];
}

/** The version of Landlock's interface that this kernel has; 0: none, or switched off. landlock(7) */
export function landlockAbi(): number {
  return Math.max(0, Number(syscall3(SYS_LANDLOCK_CREATE_RULESET, null, 0, LANDLOCK_CREATE_RULESET_VERSION)));
}

/**
 * Takes from the calling thread, and from what it starts later, the right to change files elsewhere than in `writable`; from
 * ABI 4 on to connect by TCP and to bind other ports; from ABI 6 on to reach processes that are not below it by signals and
 * abstract sockets. Reading stays as it is: modules are loaded late. So does execve(2): a program that is started is held by
 * the same rules. Needs PR_SET_NO_NEW_PRIVS. landlock(7)
 * @returns the ABI that was used; 0 when the kernel has none: nothing has changed then
 * @throws SyscallError; Error of node:fs when a folder cannot be opened
 */
export function restrictSelf({ writable, bindPorts }: Allowed): number {
  const abi = landlockAbi();
  if (abi === 0) return 0;
  const changes = CHANGES | (abi >= 2 ? REFER : 0n) | (abi >= 3 ? TRUNCATE : 0n);
  // struct landlock_ruleset_attr { u64 handled_access_fs, handled_access_net (ABI 4), scoped (ABI 6) }
  const attributes = new BigUint64Array([
    changes,
    LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP,
    LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL,
  ]);
  const size = 8 * (abi >= 6 ? 3 : abi >= 4 ? 2 : 1);
  const ruleset = checked(
    syscall3(SYS_LANDLOCK_CREATE_RULESET, attributes, size, 0),
    'landlock_create_ruleset',
    `ABI ${abi}`,
  );
  try {
    for (const folder of writable) allowBeneath(ruleset, folder, changes);
    allowBeneath(ruleset, NULL_DEVICE, WRITE_FILE | (changes & TRUNCATE));
    if (abi >= 4) {
      for (const port of bindPorts) {
        // struct landlock_net_port_attr { u64 allowed_access, port }, host byte order
        const rule = new BigUint64Array([LANDLOCK_ACCESS_NET_BIND_TCP, BigInt(port)]);
        checked(
          syscallAdd(SYS_LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_NET_PORT, rule, 0),
          'landlock_add_rule',
          `port ${port}`,
        );
      }
    }
    checked(syscallSelf(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0), 'landlock_restrict_self', `ABI ${abi}`);
  } finally {
    closeSync(ruleset);
  }
  return abi;
}

function allowBeneath(ruleset: number, path: string, access: bigint): void {
  const fd = openSync(path, O_PATH | constants.O_RDONLY);
  try {
    // struct landlock_path_beneath_attr { u64 allowed_access; s32 parent_fd } packed
    const rule = new DataView(new ArrayBuffer(12));
    rule.setBigUint64(0, access, true);
    rule.setInt32(8, fd, true);
    const octets = new Uint8Array(rule.buffer);
    checked(
      syscallAdd(SYS_LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, octets, 0),
      'landlock_add_rule',
      path,
    );
  } finally {
    closeSync(fd);
  }
}

function checked(result: number, operation: string, object: string): number {
  if (result < 0) throw new SyscallError(operation, object, errno());
  return result;
}

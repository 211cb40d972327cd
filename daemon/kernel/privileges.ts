import { readFileSync } from 'node:fs';
import { check, libc } from './libc.ts';

const prctlCall = libc.func('int prctl(int option, ulong arg2, ulong arg3, ulong arg4, ulong arg5)');
const capsetCall = libc.func('int capset(void *header, const void *data)');
const setgroupsCall = libc.func('int setgroups(size_t size, const void *list)');
const setresgidCall = libc.func('int setresgid(uint32_t r, uint32_t e, uint32_t s)');
const setresuidCall = libc.func('int setresuid(uint32_t r, uint32_t e, uint32_t s)');

/** linux/prctl.h */
const PR_SET_KEEPCAPS = 8;
const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;

/** Capability numbers. linux/capability.h */
export const CAP_NET_ADMIN = 12;
export const CAP_NET_RAW = 13;
export const CAP_SYS_ADMIN = 21;
const CAP_SETPCAP = 8;
/** Highest number that the kernel may know; asking beyond what it knows gives EINVAL. */
const CAP_MAX = 63;

/** struct __user_cap_header_struct.version: 64-bit sets. linux/capability.h */
const LINUX_CAPABILITY_VERSION_3 = 0x20080522;

/**
 * PR_SET_NO_NEW_PRIVS: execve can give nothing to this process any more, neither by set-uid nor by file capabilities.
 * It holds for this thread and those it starts, so it is called first thing in the main thread. prctl(2)
 */
export function setNoNewPrivs(): void {
  check(prctlCall(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'prctl', 'PR_SET_NO_NEW_PRIVS');
}

/** The effective capabilities of the calling thread, bit n for capability n. proc_pid_status(5) */
export function effectiveCapabilities(): bigint {
  const status = readFileSync('/proc/thread-self/status', 'latin1');
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(status);
  if (line === null) throw new Error('/proc/thread-self/status: no CapEff line');
  return BigInt(`0x${line[1]}`);
}

/**
 * Empties the capability bounding set as far as the thread may (it needs CAP_SETPCAP; without it there is nothing to
 * gain by execve either, once no_new_privs is set).
 * @param held the effective set, from effectiveCapabilities
 */
export function dropBoundingSet(held: bigint): void {
  if ((held & (1n << BigInt(CAP_SETPCAP))) === 0n) return;
  for (let cap = 0; cap <= CAP_MAX; cap++) {
    if (prctlCall(PR_CAPBSET_READ, cap, 0, 0, 0) !== 1) continue;
    check(prctlCall(PR_CAPBSET_DROP, cap, 0, 0, 0), 'prctl', `PR_CAPBSET_DROP ${cap}`);
  }
}

/**
 * Sets permitted and effective capabilities of the calling thread to exactly `keep`, inheritable to none. Threads
 * started later inherit them; threads that exist already do not change. capset(2)
 * @param keep capability numbers; each must be permitted now
 */
export function setCapabilities(keep: readonly number[]): void {
  const header = new Uint32Array([LINUX_CAPABILITY_VERSION_3, 0]);
  // struct __user_cap_data_struct { effective, permitted, inheritable }, twice: numbers 0-31, 32-63.
  const data = new Uint32Array(6);
  for (const cap of keep) {
    const base = cap < 32 ? 0 : 3;
    data[base] = data[base]! | (1 << (cap & 31));
    data[base + 1] = data[base + 1]! | (1 << (cap & 31));
  }
  check(capsetCall(header, data), 'capset', keep.length === 0 ? 'none' : keep.join(','));
}

/**
 * Gives up user, groups and all capabilities but `keep`, for good, in the order in which that is possible. glibc changes
 * the user in every thread of the process; the capabilities kept are the calling thread's, and those of threads that it
 * starts later.
 * @throws SyscallError; the process should end then
 */
export function becomeUser(uid: number, gid: number, keep: readonly number[]): void {
  if (keep.length > 0) check(prctlCall(PR_SET_KEEPCAPS, 1, 0, 0, 0), 'prctl', 'PR_SET_KEEPCAPS');
  check(setgroupsCall(0, null), 'setgroups', 'none');
  check(setresgidCall(gid, gid, gid), 'setresgid', String(gid));
  check(setresuidCall(uid, uid, uid), 'setresuid', String(uid));
  setCapabilities(keep);
}

import { closeSync, openSync, readSync } from 'node:fs';
import { type NetnsHandle, withNetns } from '../kernel/netns.ts';
import type { SnapshotSysctls } from './snapshot.ts';

/** Settings of "all" that RTM_GETNETCONF does not have, and their files in /proc/sys/net/ipv4/conf/all. ip-sysctl.rst */
const FILES = {
  acceptLocalAll: 'accept_local',
  routeLocalnetAll: 'route_localnet',
  srcValidMarkAll: 'src_valid_mark',
  sendRedirectsAll: 'send_redirects',
} as const satisfies Partial<Record<keyof SnapshotSysctls, string>>;

type Name = keyof typeof FILES;
const NAMES = Object.keys(FILES) as Name[];

/** One each; null where it cannot be read. */
export type AllSettings = Record<Name, boolean | null>;

/**
 * Opens the files inside a namespace: /proc/sys/net shows the namespace of whoever opens a file, for as long as it is open,
 * also to a process elsewhere that the descriptor is passed to, and does not keep the namespace.
 * @returns descriptors for `readAllSettings`, the caller's to close; none where /proc is not mounted or closed to us
 * @throws SyscallError when the namespace cannot be entered
 */
export function openAllSettings(netns: NetnsHandle): number[] {
  return withNetns(netns, () => {
    const fds: number[] = [];
    try {
      for (const name of NAMES) fds.push(openSync(`/proc/sys/net/ipv4/conf/all/${FILES[name]}`, 'r'));
    } catch (error) {
      for (const fd of fds.splice(0)) closeSync(fd);
      if (!isAbsent(error)) throw error;
    }
    return fds;
  });
}

/** Reads what the files say now. @param fds of `openAllSettings` */
export function readAllSettings(fds: readonly number[]): AllSettings {
  return Object.fromEntries(NAMES.map((name, i) => [name, readFlag(fds[i])])) as AllSettings;
}

const text = Buffer.alloc(16);

function readFlag(fd: number | undefined): boolean | null {
  if (fd === undefined) return null;
  try {
    const length = readSync(fd, text, 0, text.length, 0);
    return text.toString('latin1', 0, length).trim() !== '0';
  } catch (error) {
    if (!isAbsent(error)) throw error;
    return null;
  }
}

/** ENOENT is also said of a file whose namespace is gone. */
function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'EACCES';
}

import { close } from '../kernel/libc.ts';
import { openNetlinkFd } from '../kernel/netlink-socket.ts';
import type { NetnsHandle } from '../kernel/netns.ts';
import { openAllSettings } from '../routes/all-settings.ts';
import { OPTIONAL_ROUTE_GROUPS, ROUTE_GROUPS } from '../routes/notification.ts';

/**
 * Opens in a namespace what a mirror of its routing needs, for this process or another without privileges.
 * @returns a NETLINK_ROUTE socket in the groups ROUTE_GROUPS, then the files of openAllSettings; the caller's to close
 * @throws SyscallError
 */
export function openMirrorFds(netns: NetnsHandle): number[] {
  const settings = openAllSettings(netns);
  try {
    return [
      openNetlinkFd(netns, { groups: ROUTE_GROUPS, optionalGroups: OPTIONAL_ROUTE_GROUPS }),
      ...settings,
    ];
  } catch (error) {
    for (const fd of settings) close(fd);
    throw error;
  }
}

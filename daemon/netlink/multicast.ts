import { AF_INET } from '../kernel/constants.ts';
import * as k from '../kernel/netlink-constants.ts';
import type { SnapshotGroup } from '../routes/snapshot.ts';
import type { NetlinkClient } from './dump.ts';
import { NetlinkError } from './errors.ts';
import { IP_VERSIONS, openAttributes, readAddress } from './family.ts';

/** struct ifaddrmsg: family u8 0, prefixlen u8 1, flags u8 2, scope u8 3, index u32 4. linux/if_addr.h */
const IFADDRMSG_LEN = 8;

/**
 * The IPv4 multicast groups that the interfaces of the socket's namespace are in. RTM_GETMULTICAST
 * @param object the namespace, for error messages
 * @returns null where the kernel does not tell: before Linux 6.15 it knows the request for IPv6 alone
 * @throws SyscallError
 */
export function dumpGroups4(client: NetlinkClient, object: string): SnapshotGroup[] | null {
  const body = new Uint8Array(IFADDRMSG_LEN);
  body[0] = AF_INET;
  try {
    const request = { type: k.RTM_GETMULTICAST, name: 'RTM_GETMULTICAST', object, body };
    const groups = client.dump(request, parseGroup).items;
    // An older kernel answers with a dump of something else, or of nothing; every interface that is up is in 224.0.0.1.
    return groups.length === 0 ? null : groups;
  } catch (error) {
    if (error instanceof NetlinkError) return null;
    throw error;
  }
}

/** One RTM_GETMULTICAST; null when it holds no IPv4 group. @throws NetlinkFormatError */
export function parseGroup(view: DataView, off: number, end: number): SnapshotGroup | null {
  const attributes = openAttributes(view, off, end, IFADDRMSG_LEN, 'ifaddrmsg');
  const family = IP_VERSIONS.get(view.getUint8(off));
  if (family !== 4) return null;
  const ifIndex = view.getUint32(off + 4, k.LITTLE_ENDIAN);
  while (attributes.next())
    if (attributes.type === k.IFA_MULTICAST)
      return { family, ifIndex, address: readAddress(attributes, family) };
  return null;
}

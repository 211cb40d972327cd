import type { SnapshotLink } from '../../daemon/routes/snapshot.ts';

/** An interface of a snapshot as the kernel tells a plain one that is up with a carrier: `lo`, or Ethernet without a master. */
export function snapshotLink(ifIndex: number, name: string, more: Partial<SnapshotLink> = {}): SnapshotLink {
  return {
    ifIndex,
    name,
    flags: name === 'lo' ? 0x10049 : 0x11043,
    arpType: name === 'lo' ? 772 : 1,
    mtu: 1500,
    address: null,
    master: 0,
    kind: null,
    slaveKind: null,
    link: null,
    linkNetnsId: null,
    operState: 'up',
    ...more,
  };
}

import { IFF_LOOPBACK } from '../kernel/netlink-constants.ts';
import type { SnapshotInterfaceSysctls, SnapshotLink } from './snapshot.ts';
import type { RouteContext } from './update.ts';

/** Text of `ip route` has names and no indexes; names get numbers from here, above any the kernel gives soon. */
const FIRST_SYNTHETIC = 0x40000000;
/** The kernel's index of `lo` in every namespace. include/net/flow.h LOOPBACK_IFINDEX */
export const LOOPBACK_IFINDEX = 1;

/** Interfaces of a snapshot by number and by name, also those that only routes mention. */
export class LinkTable {
  readonly #byIndex = new Map<number, SnapshotLink>();
  readonly #indexes = new Map<string, number>();
  readonly #names = new Map<number, string>();
  readonly #sysctls = new Map<number, SnapshotInterfaceSysctls>();
  #next = FIRST_SYNTHETIC;
  /** True when an interface that is not here does not exist. */
  readonly isComplete: boolean;

  constructor(snapshot: Pick<RouteContext, 'links' | 'sysctls' | 'linksIncomplete'>) {
    this.isComplete = snapshot.links.length > 0 && snapshot.linksIncomplete !== true;
    for (const link of snapshot.links) {
      this.#byIndex.set(link.ifIndex, link);
      this.#indexes.set(link.name, link.ifIndex);
      this.#names.set(link.ifIndex, link.name);
    }
    if (!this.#names.has(LOOPBACK_IFINDEX)) {
      this.#indexes.set('lo', LOOPBACK_IFINDEX);
      this.#names.set(LOOPBACK_IFINDEX, 'lo');
    }
    for (const entry of snapshot.sysctls.interfaces) this.#sysctls.set(entry.ifIndex, entry);
  }

  /** The link as the snapshot has it, or undefined. */
  link(ifIndex: number): SnapshotLink | undefined {
    return this.#byIndex.get(ifIndex);
  }

  /** Per-interface settings, or undefined when the snapshot has none. */
  sysctls(ifIndex: number): SnapshotInterfaceSysctls | undefined {
    return this.#sysctls.get(ifIndex);
  }

  /** The index of a name, or 0 when nothing mentions it. */
  indexOf(name: string): number {
    return this.#indexes.get(name) ?? 0;
  }

  /** The index of a name; a name that nothing mentioned before gets a number of its own. */
  addName(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    const index = this.#next++;
    this.#indexes.set(name, index);
    this.#names.set(index, name);
    return index;
  }

  /** The name, or null. */
  nameOf(ifIndex: number): string | null {
    return this.#names.get(ifIndex) ?? null;
  }

  isLoopback(ifIndex: number): boolean {
    const link = this.#byIndex.get(ifIndex);
    return link === undefined ? ifIndex === LOOPBACK_IFINDEX : (link.flags & IFF_LOOPBACK) !== 0;
  }

  /** True for a port of a bridge or Open vSwitch: its packets are switched, not routed. */
  isBridgePort(ifIndex: number): boolean {
    const link = this.#byIndex.get(ifIndex);
    if (link === undefined || link.master === 0) return false;
    const kind = link.slaveKind ?? this.#byIndex.get(link.master)?.kind;
    return kind === 'bridge' || kind === 'openvswitch';
  }

  /**
   * The interface that routing sees for a packet captured on `ifIndex`: the bond or team for one of its ports.
   */
  routedIndex(ifIndex: number): number {
    const link = this.#byIndex.get(ifIndex);
    if (link === undefined || link.master === 0) return ifIndex;
    const kind = link.slaveKind ?? this.#byIndex.get(link.master)?.kind;
    return kind === 'bond' || kind === 'team' ? link.master : ifIndex;
  }

  /** The VRF that an interface is a port of, or the VRF itself; 0 for none. */
  l3Master(ifIndex: number): number {
    const link = this.#byIndex.get(ifIndex);
    if (link === undefined) return 0;
    if (link.kind === 'vrf') return ifIndex;
    return link.master !== 0 && this.#byIndex.get(link.master)?.kind === 'vrf' ? link.master : 0;
  }

  /** True for a VRF device itself. */
  isVrf(ifIndex: number): boolean {
    return this.#byIndex.get(ifIndex)?.kind === 'vrf';
  }

  /** True when a packet that leaves by `routed` is rightly seen leaving by `seen`: the same, a lower device, or a port. */
  carries(routed: number, seen: number): boolean {
    if (routed === seen) return true;
    const lower = this.#byIndex.get(seen);
    if (lower !== undefined && lower.master === routed && !this.isBridgePort(seen)) return true;
    const upper = this.#byIndex.get(routed);
    // veth and tunnels name a peer or an underlay here, whose packets are others.
    return (
      upper !== undefined &&
      upper.link === seen &&
      upper.linkNetnsId === null &&
      (upper.kind === 'vlan' || upper.kind === 'macvlan' || upper.kind === 'ipvlan')
    );
  }
}

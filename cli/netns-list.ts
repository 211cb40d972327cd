import type { ControlClient } from '../daemon/control/client.ts';
import type { LiveInterface, LiveNetns } from '../daemon/control/messages.ts';
import { IFF_UP } from '../daemon/kernel/netlink-constants.ts';
import { listNetns } from '../daemon/kernel/netns.ts';
import type { LinkDetail } from '../daemon/netlink/link-detail.ts';
import type { LinkInfo } from '../daemon/netlink/link-info.ts';
import { NetnsDiscovery } from '../daemon/netns/discovery.ts';
import { type FarEnd, FarEnds, type SurveyedNetns, surveyNetns } from '../daemon/netns/survey.ts';
import { type Tenants, tenantsOf } from '../daemon/netns/tenants.ts';

/** A namespace as `nstap netns` shows it. */
export interface ListedNetns {
  name: string;
  /** "dev:inode" of its nsfs file, or null when it cannot be opened. */
  id: string | null;
  /** Why it cannot be read (a stale file, no rights), or null. */
  error: string | null;
  /** Its container ("docker:0123456789ab"), or its first process ("pid:4711:nginx"); null for the host, or without a process. */
  label: string | null;
  /** Processes in it, as far as this user may see them. */
  processes: number;
  /** Containers and programs of its first 64 processes; empty for the host. */
  containers: Tenants['containers'];
  programs: Tenants['programs'];
  /** Whether the daemon captures in it; null: no daemon was asked. */
  captured: boolean | null;
  /** Why the daemon does not, else null. */
  reason: string | null;
  interfaces: ListedInterface[];
}

/** An interface as `nstap netns` and `nstap interfaces` show it. Where only the daemon knows it, what it does not tell is null. */
export interface ListedInterface {
  name: string;
  if_index: number;
  /** Kind of the link ("veth", "bridge", …), or null. */
  kind: string | null;
  /** Whether it is set up (IFF_UP). */
  up: boolean;
  /** "up", "down", "lowerlayerdown", "unknown", … */
  oper_state: string | null;
  mtu: number | null;
  mac: string | null;
  /** "address/length". */
  addresses: string[];
  /** Bridge, bond or VRF that it is a port of, or null. */
  master: string | null;
  /** The other end of a pair (veth, netkit, vxcan). */
  peer: FarInterface | null;
  /** The device below (of a VLAN, macvlan, vxlan, tunnel, …) where there is one, or where the outer packets of a tunnel are. */
  lower: FarInterface | null;
  /** What its kind has: id, remote, local, port, mode, table, type, …; see `LinkInfo`. */
  info: LinkInfo;
  /** As the kernel counts, since it was made. */
  counters: KernelCounters | null;
  /** Whether the daemon captures it; null: no daemon was asked. */
  captured: boolean | null;
  /** Why the daemon does not, else null. */
  reason: string | null;
}

export interface KernelCounters {
  rx_packets: number;
  rx_bytes: number;
  rx_dropped: number;
  tx_packets: number;
  tx_bytes: number;
  tx_dropped: number;
}

/** An interface somewhere. */
export interface FarInterface {
  /** null: in a namespace without a name. */
  netns: string | null;
  /** null: not to be seen from here, or none in particular. */
  interface: string | null;
  /** In its own namespace; null: none in particular. */
  if_index: number | null;
}

/** What a daemon says of namespaces. */
export interface ToldNetns {
  netns: LiveNetns[];
  interfaces: LiveInterface[];
}

/** Namespaces, and what this user could not see. */
export interface NetnsListing {
  list: ListedNetns[];
  /** Processes whose namespace may not be looked at. */
  unreadableProcesses: number;
}

/** Asks a daemon for what `listNamespaces` takes. @throws ControlError */
export async function askNetns(client: ControlClient): Promise<ToldNetns> {
  return { netns: await client.netns(), interfaces: await client.interfaces() };
}

/**
 * The host's namespace, those of ip-netns(8) and those of processes, as the daemon finds them; one that cannot be read says why.
 * @param told what the daemon says; null: none was asked
 */
export function listNamespaces(told: ToldNetns | null): NetnsListing {
  const discovery = new NetnsDiscovery(['all']);
  const surveyed = surveyNetns(discovery.find());
  const ends = new FarEnds(surveyed);
  const list = surveyed.map((netns, i) => {
    const far = ends.of(netns);
    const { name, id, label, processes } = netns.found;
    const tenants = i === 0 ? { containers: [], programs: [] } : tenantsOf(processes);
    return {
      name,
      id: netns.error !== null && isGone(netns.error) ? null : id,
      error: netns.error?.message ?? null,
      label,
      processes: processes.length,
      ...tenants,
      captured: null,
      reason: null,
      interfaces: netns.links.map((link) => describe(link, netns, far.get(link.ifIndex) ?? null)),
    };
  });
  const all: ListedNetns[] = [...list, ...staleNames()];
  if (told !== null) addTold(all, told);
  return { list: all, unreadableProcesses: discovery.unreadable };
}

/** A file that could be opened has an identity, also where the namespace may not be entered. */
function isGone(error: Error): boolean {
  return (error as { code?: unknown }).code === 'ENOENT';
}

function staleNames(): ListedNetns[] {
  return listNetns().flatMap(({ name, stale: error }) =>
    error === null ? [] : [unseen({ name, id: null, error })],
  );
}

function unseen(known: Pick<ListedNetns, 'name' | 'id' | 'error'>): ListedNetns {
  const nobody = { label: null, processes: 0, containers: [], programs: [] };
  return { ...known, ...nobody, captured: null, reason: null, interfaces: [] };
}

function describe(link: LinkDetail, own: SurveyedNetns, far: FarEnd | null): ListedInterface {
  return {
    name: link.name,
    if_index: link.ifIndex,
    kind: link.kind,
    up: (link.flags & IFF_UP) !== 0,
    oper_state: link.operState,
    mtu: link.mtu,
    mac: link.address,
    addresses: own.addresses
      .filter(({ ifIndex }) => ifIndex === link.ifIndex)
      .map(({ address, prefixLen }) => `${address}/${prefixLen}`),
    master: own.links.find(({ ifIndex }) => ifIndex === link.master)?.name ?? null,
    peer: far !== null && link.peerIndex !== null ? farInterface(far) : null,
    lower: far !== null && link.peerIndex === null ? farInterface(far) : null,
    info: link.info,
    counters: link.counters === null ? null : kernelCounters(link.counters),
    captured: null,
    reason: null,
  };
}

function kernelCounters(c: NonNullable<LinkDetail['counters']>): KernelCounters {
  return {
    rx_packets: c.rxPackets,
    rx_bytes: c.rxBytes,
    rx_dropped: c.rxDropped,
    tx_packets: c.txPackets,
    tx_bytes: c.txBytes,
    tx_dropped: c.txDropped,
  };
}

function farInterface({ netns, ifIndex, link }: FarEnd): FarInterface {
  return {
    netns: netns?.found.name ?? null,
    interface: link?.name ?? null,
    if_index: ifIndex === 0 ? null : ifIndex,
  };
}

/** Puts what the daemon says beside what the kernel says; what only the daemon may see becomes entries of their own. */
function addTold(list: ListedNetns[], told: ToldNetns): void {
  const byId = new Map(list.flatMap((netns) => (netns.id === null ? [] : [[netns.id, netns] as const])));
  for (const netns of list) {
    if (netns.id === null) continue;
    netns.captured = false;
    netns.reason = NOT_SELECTED;
    for (const entry of netns.interfaces) [entry.captured, entry.reason] = [false, NOT_SELECTED];
  }
  for (const { netns: name, netnsId: id, captured, reason } of told.netns) {
    let netns = byId.get(id);
    if (netns === undefined) {
      netns = unseen({ name, id, error: 'not to be seen by this user: what the daemon says of it' });
      byId.set(id, netns);
      list.push(netns);
    }
    netns.captured = captured > 0;
    netns.reason = reason === '' ? null : reason;
  }
  for (const row of told.interfaces) {
    const netns = byId.get(row.netnsId);
    if (row.interface === '' || netns === undefined) continue;
    let entry = netns.interfaces.find(({ if_index }) => if_index === row.ifIndex);
    if (entry === undefined) {
      entry = toldInterface(row);
      netns.interfaces.push(entry);
    }
    entry.captured = row.captured;
    entry.reason = row.captured ? null : row.reason;
  }
  nameFarEnds(list);
}

const NOT_SELECTED = 'namespace not selected';

function toldInterface({ interface: name, ifIndex, up }: LiveInterface): ListedInterface {
  const unknown = { kind: null, oper_state: null, mtu: null, mac: null, master: null, peer: null };
  return {
    ...unknown,
    name,
    if_index: ifIndex,
    up,
    addresses: [],
    lower: null,
    info: {},
    counters: null,
    captured: null,
    reason: null,
  };
}

/** Interfaces of namespaces that this user may not enter have the names that the daemon told. */
function nameFarEnds(list: readonly ListedNetns[]): void {
  const names = new Map<string, string>();
  for (const { name, interfaces } of list)
    for (const entry of interfaces) names.set(`${name}\0${entry.if_index}`, entry.name);
  for (const { interfaces } of list)
    for (const { peer, lower } of interfaces)
      for (const far of [peer, lower])
        if (far !== null && far.interface === null)
          far.interface = names.get(`${far.netns}\0${far.if_index}`) ?? null;
}

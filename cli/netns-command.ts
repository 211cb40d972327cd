import { IFF_UP } from '../daemon/kernel/netlink-constants.ts';
import { listNetns } from '../daemon/kernel/netns.ts';
import { findNetns } from '../daemon/netns/discovery.ts';
import { LiveRoutes } from '../daemon/routes/live-snapshot.ts';
import type { RouteSnapshot, SnapshotLink } from '../daemon/routes/snapshot.ts';
import { formatNetnsList } from './format/netns-list.ts';
import { writeLines } from './output.ts';

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
  interfaces: ListedInterface[];
}

/** An interface as `nstap netns` shows it. */
export interface ListedInterface {
  name: string;
  if_index: number;
  /** Kind of the link ("veth", "bridge", …), or null. */
  kind: string | null;
  /** Whether it is set up (IFF_UP). */
  up: boolean;
  /** "up", "down", "lowerlayerdown", "unknown", … */
  oper_state: string;
  mtu: number;
  mac: string | null;
  /** "address/length". */
  addresses: string[];
  /** Bridge, bond or VRF that it is a port of, or null. */
  master: string | null;
  /** The other end of a veth pair; `netns` is null when that is in a namespace without a name. */
  peer: { netns: string | null; interface: string | null } | null;
}

interface OpenNetns {
  listed: ListedNetns;
  live: LiveRoutes;
  snapshot: RouteSnapshot;
}

/** Runs `nstap netns`. @returns exit status: 1 when no namespace could be read */
export async function netnsCommand(json: boolean): Promise<number> {
  const list = listNamespaces();
  await writeLines([json ? `${JSON.stringify(list)}\n` : formatNetnsList(list)]);
  return list.some(({ error }) => error === null) ? 0 : 1;
}

/** The host's namespace, those of ip-netns(8) and those of processes, as the daemon finds them; one that cannot be read says why. */
export function listNamespaces(): ListedNetns[] {
  const list: ListedNetns[] = [];
  const opened: OpenNetns[] = [];
  try {
    for (const { name, path, label, processes } of findNetns(['all'])) {
      const listed: ListedNetns = {
        name,
        id: null,
        error: null,
        label,
        processes: processes.length,
        interfaces: [],
      };
      list.push(listed);
      try {
        const live = new LiveRoutes(name, path);
        listed.id = live.netnsId;
        opened.push({ listed, live, snapshot: readOrClose(live) });
      } catch (cause) {
        // It went away meanwhile, or needs rights: the others are shown all the same.
        listed.error = (cause as Error).message;
      }
    }
    for (const { name, stale: error } of listNetns())
      if (error !== null) list.push({ name, id: null, error, label: null, processes: 0, interfaces: [] });
    for (const entry of opened)
      entry.listed.interfaces = entry.snapshot.links.map((link) => describe(link, entry, opened));
    return list;
  } finally {
    for (const { live } of opened) live.close();
  }
}

function readOrClose(live: LiveRoutes): RouteSnapshot {
  try {
    return live.read();
  } catch (error) {
    live.close();
    throw error;
  }
}

function describe(link: SnapshotLink, own: OpenNetns, all: readonly OpenNetns[]): ListedInterface {
  const { links, addresses } = own.snapshot;
  return {
    name: link.name,
    if_index: link.ifIndex,
    kind: link.kind,
    up: (link.flags & IFF_UP) !== 0,
    oper_state: link.operState,
    mtu: link.mtu,
    mac: link.address,
    addresses: addresses
      .filter(({ ifIndex }) => ifIndex === link.ifIndex)
      .map(({ address, prefixLen }) => `${address}/${prefixLen}`),
    master: links.find(({ ifIndex }) => ifIndex === link.master)?.name ?? null,
    peer: link.kind === 'veth' && link.link !== null ? peerOf(link, own, all) : null,
  };
}

/** IFLA_LINK is the peer's index, in the namespace that IFLA_LINK_NETNSID names by an id of our namespace's own. */
function peerOf(link: SnapshotLink, own: OpenNetns, all: readonly OpenNetns[]): ListedInterface['peer'] {
  const home =
    link.linkNetnsId === null ? own : all.find((other) => own.live.idOf(other.live) === link.linkNetnsId);
  if (home === undefined) return { netns: null, interface: null };
  const peer = home.snapshot.links.find(({ ifIndex }) => ifIndex === link.link);
  return { netns: home.listed.name, interface: peer?.name ?? null };
}

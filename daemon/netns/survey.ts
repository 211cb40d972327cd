import { openNetlinkSocket } from '../kernel/netlink-socket.ts';
import { withResource } from '../kernel/dispose.ts';
import { openNetns } from '../kernel/netns.ts';
import { NetlinkClient } from '../netlink/dump.ts';
import { dumpLinks, type LinkDetail, type LinkListing } from '../netlink/link-detail.ts';
import { getNetnsId } from '../netlink/rtnetlink.ts';
import type { FoundNetns } from './discovery.ts';

/** A namespace with what is in it. */
export interface SurveyedNetns extends LinkListing {
  found: FoundNetns;
  /** Why it could not be looked into (it went away, no rights), or null: then it has no links. */
  error: Error | null;
}

/** Where the other end of a pair, or the device below, is. */
export interface FarEnd {
  /** null: in none of the namespaces that were found; somebody else holds it. */
  netns: SurveyedNetns | null;
  ifIndex: number;
  /** null where that namespace could not be looked into. */
  link: LinkDetail | null;
}

/**
 * Looks into namespaces, one after the other, and holds none of them open meanwhile or afterwards: any number of them takes
 * three descriptors.
 */
export function surveyNetns(all: readonly FoundNetns[]): SurveyedNetns[] {
  return all.map((found) => {
    try {
      return { found, error: null, ...inNetns(found, dumpLinks) };
    } catch (error) {
      return { found, error: error as Error, links: [], addresses: [] };
    }
  });
}

function inNetns<T>(found: FoundNetns, ask: (client: NetlinkClient, object: string) => T): T {
  return withResource(openNetns(found.name, found.path), (handle) => {
    if (handle.id !== found.id) throw new GoneError(found.name);
    return withResource(openNetlinkSocket(handle), (socket) => ask(new NetlinkClient(socket), found.name));
  });
}

/** It went away while it was looked at. */
class GoneError extends Error {
  readonly code = 'ENOENT';

  constructor(name: string) {
    super(`open ${name}: it went away meanwhile, and another namespace has its name`);
    this.name = 'GoneError';
  }
}

/** Finds the far ends of links across namespaces. */
export class FarEnds {
  readonly #all: readonly SurveyedNetns[];
  /** By "ifindex/ifindex of the peer": of a pair, the two name each other. */
  readonly #pairs = new Map<string, SurveyedNetns[]>();
  /** What a namespace calls others by IFLA_LINK_NETNSID, as far as it was asked. */
  readonly #ids = new Map<SurveyedNetns, Map<number, SurveyedNetns | null>>();

  constructor(all: readonly SurveyedNetns[]) {
    this.#all = all;
    for (const netns of all)
      for (const { ifIndex, peerIndex } of netns.links) {
        if (peerIndex === null) continue;
        const key = `${ifIndex}/${peerIndex}`;
        const known = this.#pairs.get(key);
        if (known === undefined) this.#pairs.set(key, [netns]);
        else known.push(netns);
      }
  }

  /**
   * The far ends of the links of one namespace, by ifindex, as the kernel knows them now: it is asked which namespace is meant
   * (RTM_GETNSID), since numbers of interfaces are not unique across namespaces.
   * @returns an entry for each link that has a peer or a lower device, or that a tunnel's outer packets leave elsewhere
   */
  of(own: SurveyedNetns): Map<number, FarEnd> {
    const ends = new Map<number, FarEnd>();
    const asked = own.links.filter(({ linkNetnsId }) => linkNetnsId !== null && linkNetnsId >= 0);
    if (asked.some(({ linkNetnsId }) => this.#ids.get(own)?.has(linkNetnsId!) !== true))
      this.#ask(own, asked);
    for (const link of own.links) {
      const ifIndex = link.peerIndex ?? link.lowerIndex;
      if (ifIndex === null && link.linkNetnsId === null) continue;
      const netns = link.linkNetnsId === null ? own : (this.#ids.get(own)?.get(link.linkNetnsId) ?? null);
      const far = netns?.links.find((other) => other.ifIndex === ifIndex) ?? null;
      ends.set(link.ifIndex, { netns, ifIndex: ifIndex ?? 0, link: far });
    }
    return ends;
  }

  #ask(own: SurveyedNetns, links: readonly LinkDetail[]): void {
    const ids = new Map<number, SurveyedNetns | null>();
    this.#ids.set(own, ids);
    const wanted = new Set(links.map(({ linkNetnsId }) => linkNetnsId!));
    const tried = new Set<SurveyedNetns>();
    try {
      inNetns(own.found, (client) => {
        const tryOne = (other: SurveyedNetns): void => {
          if (tried.has(other)) return;
          tried.add(other);
          const id = idOf(client, other);
          if (id !== null && wanted.delete(id)) ids.set(id, other);
        };
        for (const link of links)
          if (wanted.has(link.linkNetnsId!))
            for (const other of this.#pairs.get(`${link.peerIndex}/${link.ifIndex}`) ?? []) tryOne(other);
        // Those whose other end is no pair, or cannot be looked into, are found by asking for all.
        for (const other of this.#all) if (wanted.size > 0) tryOne(other);
      });
    } catch (error) {
      // It has gone since its links were read: nothing more is known of it.
      if (own.error === null) own.error = error as Error;
    }
    for (const id of wanted) ids.set(id, null);
  }
}

/** null: the two have never been in touch, or the other one is not there (any more) or closed to this user. */
function idOf(client: NetlinkClient, other: SurveyedNetns): number | null {
  let handle: ReturnType<typeof openNetns>;
  try {
    handle = openNetns(other.found.name, other.found.path);
  } catch {
    return null;
  }
  return withResource(handle, ({ id, fd, name }) =>
    id === other.found.id ? getNetnsId(client, fd, name) : null,
  );
}

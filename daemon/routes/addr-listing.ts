import { IFF_MASTER, IFF_NOARP } from './link-words.ts';
import { LOOPBACK_IFINDEX } from './links.ts';
import type { SnapshotAddress, SnapshotLink } from './snapshot.ts';

/** The interfaces and addresses that an output of `ip addr` lists. */
export interface AddrListing {
  links: SnapshotLink[];
  addresses: SnapshotAddress[];
  /** False when there may be further interfaces: `ip -4 addr`, `ip addr show dev eth0`. */
  isComplete: boolean;
}

/** An interface as it is read: what `ip` says by name is looked up when all of them are known. */
export interface ListedLink {
  link: SnapshotLink;
  master: string | null;
  /** The name behind the @, or null. */
  lower: string | null;
  /** Its own line was there ("link/ether …"), which lists with addresses of one family leave out. */
  isWhole: boolean;
}

/** `ip` gives the other namespace's name, not its number: a number that none has. NETNSA_NSID_NOT_ASSIGNED */
export const UNKNOWN_NETNS_ID = -1;

/** Puts a listing together, also of several outputs behind each other. */
export class ListingBuilder {
  readonly #links = new Map<string, ListedLink>();
  readonly #addresses: SnapshotAddress[] = [];
  readonly #seen = new Set<string>();

  /**
   * The interface of that name, made when it was not there before.
   * @param ifIndex null in a brief listing, which has no numbers: it gets the next one that is free
   * @returns null when that name stood before with another number, or the number with another name: two hosts in one file
   */
  link(ifIndex: number | null, name: string): ListedLink | null {
    const known = this.#links.get(name);
    if (known !== undefined) return ifIndex === null || known.link.ifIndex === ifIndex ? known : null;
    for (const { link } of this.#links.values()) if (link.ifIndex === ifIndex) return null;
    const listed: ListedLink = {
      link: emptyLink(ifIndex ?? this.#freeIndex(name), name),
      master: null,
      lower: null,
      isWhole: false,
    };
    this.#links.set(name, listed);
    return listed;
  }

  /** Adds an address; one that was there already (`ip addr` behind `ip -4 addr`) counts once. */
  address(address: SnapshotAddress): void {
    const key = `${address.ifIndex} ${address.address}/${address.prefixLen} ${address.peer ?? ''}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#addresses.push(address);
  }

  /** What was listed, with names looked up. */
  finish(): AddrListing {
    const all = [...this.#links.values()];
    for (const { link, master, lower } of all) {
      link.master = master === null ? 0 : this.#indexOf(master);
      if (lower === null) continue;
      const other = /^if(\d+)$/.exec(lower);
      if (lower === 'NONE') link.link = 0;
      else if (!this.#links.has(lower) && other !== null) {
        link.link = Number(other[1]);
        link.linkNetnsId ??= UNKNOWN_NETNS_ID;
      } else link.link = this.#indexOf(lower) || null;
    }
    if (all.every(({ link }) => link.kind === null && link.slaveKind === null)) inferKinds(all);
    return {
      links: all.map(({ link }) => link),
      addresses: this.#addresses,
      isComplete:
        all.every(({ isWhole }) => isWhole) && all.some(({ link }) => link.ifIndex === LOOPBACK_IFINDEX),
    };
  }

  #indexOf(name: string): number {
    return this.#links.get(name)?.link.ifIndex ?? 0;
  }

  #freeIndex(name: string): number {
    if (name === 'lo') return LOOPBACK_IFINDEX;
    const used = new Set([...this.#links.values()].map(({ link }) => link.ifIndex));
    let index = LOOPBACK_IFINDEX + 1;
    while (used.has(index)) index++;
    return index;
  }
}

function emptyLink(ifIndex: number, name: string): SnapshotLink {
  return {
    ifIndex,
    name,
    flags: 0,
    arpType: 0,
    mtu: 0,
    address: null,
    master: 0,
    kind: null,
    slaveKind: null,
    link: null,
    linkNetnsId: null,
    operState: 'unknown',
  };
}

/**
 * Without -d no kind is listed, but who has ports is a bridge unless its flags say otherwise: MASTER is a bond's, with NOARP
 * a VRF's (net/core/dev.c, drivers/net/vrf.c). That a team would be taken for a bridge is the price.
 */
function inferKinds(all: readonly ListedLink[]): void {
  const masters = new Set(all.map(({ link }) => link.master));
  for (const { link } of all) {
    if (!masters.has(link.ifIndex)) continue;
    if ((link.flags & IFF_MASTER) === 0) link.kind = 'bridge';
    else link.kind = (link.flags & IFF_NOARP) === 0 ? 'bond' : 'vrf';
  }
}

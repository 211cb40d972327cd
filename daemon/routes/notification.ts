import * as k from '../kernel/netlink-constants.ts';
import { type LinkMessage, parseAddressMessage, parseLink } from '../netlink/link.ts';
import type { ContextDump } from '../netlink/rtnetlink.ts';

/** Multicast groups that the socket of a mirror must be in (`openNetlinkFd`). */
export const ROUTE_GROUPS: readonly number[] = [
  k.RTNLGRP_LINK,
  k.RTNLGRP_IPV4_IFADDR,
  k.RTNLGRP_IPV4_ROUTE,
  k.RTNLGRP_IPV4_RULE,
  k.RTNLGRP_IPV6_IFADDR,
  k.RTNLGRP_IPV6_ROUTE,
  k.RTNLGRP_IPV6_RULE,
  k.RTNLGRP_IPV4_NETCONF,
  k.RTNLGRP_IPV6_NETCONF,
  k.RTNLGRP_NEXTHOP,
];

/** The same, which kernels before Linux 6.15 do not have: of multicast groups that interfaces are in. */
export const OPTIONAL_ROUTE_GROUPS: readonly number[] = [k.RTNLGRP_IPV4_MCADDR];

/** What a notification means for a mirror. */
export const Effect = {
  /** Nothing that was not known. */
  None: 0,
  /** One route: it is in the message. */
  Route: 1,
  /** Rules, settings, names or groups are others. */
  Context: 2,
  /** Rules are others, and with them what the kernel remembers of rules. */
  Rules: 3,
  /** Routes may be others too, and no message will say which. */
  Routes: 4,
} as const;
export type Effect = (typeof Effect)[keyof typeof Effect];

/** Flags of an interface with which its routes come and go. */
const LINK_STATE = k.IFF_UP | k.IFF_LOWER_UP | k.IFF_RUNNING;

/**
 * What an rtnetlink notification at [off, end) means.
 * @param known what was known before, or null
 * @throws NetlinkFormatError
 */
export function effectOf(
  type: number,
  view: DataView,
  off: number,
  end: number,
  known: ContextDump | null,
): Effect {
  switch (type) {
    case k.RTM_NEWROUTE:
    case k.RTM_DELROUTE:
      return Effect.Route;
    case k.RTM_NEWRULE:
    case k.RTM_DELRULE:
      return Effect.Rules;
    case k.RTM_NEWNETCONF:
    case k.RTM_DELNETCONF:
    case k.RTM_NEWMULTICAST:
    case k.RTM_DELMULTICAST:
      return Effect.Context;
    case k.RTM_NEWLINK:
      return known !== null && !changesRoutes(known.links, parseLink(view, off, end))
        ? Effect.Context
        : Effect.Routes;
    case k.RTM_NEWADDR:
      // Told again whenever a lifetime is renewed.
      return known !== null && isKnownAddress(known, view, off, end) ? Effect.None : Effect.Routes;
    default:
      return Effect.Routes;
  }
}

/** True when a link's state is other than before, so that routes may have come or gone; a new link has none yet. */
function changesRoutes(links: readonly LinkMessage[], link: LinkMessage): boolean {
  const known = links.find(({ ifIndex }) => ifIndex === link.ifIndex);
  if (known === undefined) return (link.flags & k.IFF_UP) !== 0;
  return (
    ((known.flags ^ link.flags) & LINK_STATE) !== 0 ||
    known.master !== link.master ||
    known.operState !== link.operState
  );
}

function isKnownAddress({ addresses }: ContextDump, view: DataView, off: number, end: number): boolean {
  const address = JSON.stringify(parseAddressMessage(view, off, end));
  return addresses.some((known) => JSON.stringify(known) === address);
}

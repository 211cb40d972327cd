import * as k from '../kernel/netlink-constants.ts';

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

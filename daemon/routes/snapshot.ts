/**
 * What the kernel knows about routing in one network namespace at one moment, as plain data: it can be cloned to another
 * thread, written to a file, built from netlink or from the text of `ip`. Addresses are strings in canonical form (RFC
 * 5952 for IPv6), prefixes "address/length"; names are `ip`'s.
 */
export interface RouteSnapshot {
  format: 'nstap-routes-1';
  netns: string | null;
  /** RFC 3339 with nanoseconds, or null when the source does not say. */
  takenAt: string | null;
  /** Where it came from: live kernel, text of `ip route`/`ip rule`, or their JSON. Text knows no links and sysctls. */
  source: 'kernel' | 'ip-text' | 'ip-json';
  links: SnapshotLink[];
  addresses: SnapshotAddress[];
  rules: SnapshotRule[];
  routes: SnapshotRoute[];
  sysctls: SnapshotSysctls;
  /** There may be interfaces that `links` lacks: it comes from `ip -4 addr`, or from a list of some. Absent means no. */
  linksIncomplete?: boolean;
  /** Multicast groups that the interfaces are in; absent when not known. */
  groups?: SnapshotGroup[];
}

/** An interface is in a multicast group. */
export interface SnapshotGroup {
  family: 4 | 6;
  ifIndex: number;
  address: string;
}

export interface SnapshotLink {
  ifIndex: number;
  name: string;
  /** IFF_* of linux/if.h. */
  flags: number;
  /** ARPHRD_* of linux/if_arp.h. */
  arpType: number;
  mtu: number;
  /** Hardware address "aa:bb:…", or null. */
  address: string | null;
  /** ifindex of the bridge, bond or VRF this is a port of; 0 for none. */
  master: number;
  /** Kind of the link ("veth", "bridge", "vrf", …) and of its master ("bridge", "vrf", …), or null. */
  kind: string | null;
  slaveKind: string | null;
  /** ifindex of the peer or lower device (IFLA_LINK) and the namespace id it is in (IFLA_LINK_NETNSID), or null. */
  link: number | null;
  linkNetnsId: number | null;
  /** "up", "down", "lowerlayerdown", "unknown", … (IFLA_OPERSTATE). */
  operState: string;
  /** Interface group (IFLA_GROUP), for rules with `suppress_ifgroup`; absent when not known. */
  group?: number;
  /** Table of a VRF device (IFLA_VRF_TABLE); absent for any other kind. */
  vrfTable?: number;
}

export interface SnapshotAddress {
  family: 4 | 6;
  ifIndex: number;
  /** Without length. */
  address: string;
  prefixLen: number;
  broadcast: string | null;
  scope: string;
  /** What text and JSON of `ip addr` say beyond that; absent where they do not, and from the kernel. */
  peer?: string;
  label?: string;
  /** Names of IFA_F_* as `ip addr` prints them: "secondary", "dynamic", "tentative", "deprecated", … */
  flags?: string[];
}

export interface SnapshotRule {
  family: 4 | 6;
  priority: number;
  not: boolean;
  /** "address/length", or null for all. */
  from: string | null;
  to: string | null;
  iif: string | null;
  oif: string | null;
  fwmark: number | null;
  fwmask: number | null;
  tos: number | null;
  ipProto: number | null;
  sport: [number, number] | null;
  dport: [number, number] | null;
  uidRange: [number, number] | null;
  l3mdev: boolean;
  /** Rule action as `ip rule` names it. */
  action: 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit';
  /** Table number for `lookup`; 0 otherwise. */
  table: number;
  goto: number | null;
  suppressPrefixLen: number | null;
  suppressIfGroup: number | null;
  /** DSCP (0..63) of a rule with `dscp`, which compares all six bits; `tos` compares bits 2..4 of the octet in IPv4. */
  dscp?: number;
  /** Bits that `dscp` and a single source or destination port are compared in (6.15); absent means all. */
  dscpMask?: number;
  sportMask?: number;
  dportMask?: number;
  /** Selectors of the rule that nstap does not evaluate ("tun_id", "attribute 25"): its match is assumed. */
  unsupported?: string[];
}

export interface SnapshotNextHop {
  gateway: string | null;
  /** Family of the gateway when it differs from the route's ("via inet6 …"). */
  gatewayFamily: 4 | 6 | null;
  dev: string | null;
  ifIndex: number;
  weight: number;
  onlink: boolean;
  dead: boolean;
  linkdown: boolean;
}

export interface SnapshotRoute {
  family: 4 | 6;
  /** RTN_* in lower case. */
  type: string;
  /** Table number: 255 local, 254 main, 253 default. */
  table: number;
  prefix: string;
  /** Source prefix of an IPv6 source-specific route, or null. */
  from: string | null;
  tos: number;
  /** Names as `ip` prints them ("kernel", "boot", "static", "dhcp", …; a number as a string when it has no name). */
  protocol: string;
  scope: string;
  /** Metric as `ip` prints it, or null when 0 (IPv4). IPv6 always has one (1024 by default). */
  metric: number | null;
  prefsrc: string | null;
  /** IPv6 router preference: "low", "medium", "high", or null. */
  pref: string | null;
  /** One for an ordinary route, more for multipath, none for blackhole and the like. */
  nextHops: SnapshotNextHop[];
  /** Nexthop object id, or null. */
  nhid: number | null;
  /** The nexthop object is one that drops packets; absent means no. */
  nhBlackhole?: boolean;
}

export interface SnapshotSysctls {
  /** net.ipv4.ip_forward and net.ipv6.conf.all.forwarding; null when not known. */
  forwarding4: boolean | null;
  forwarding6: boolean | null;
  /** By ifindex: net.ipv4.conf.IF.{forwarding,rp_filter,ignore_routes_with_linkdown} and the IPv6 forwarding. */
  interfaces: SnapshotInterfaceSysctls[];
  /** net.ipv4.conf.all.rp_filter: the kernel uses the larger of this and the interface's. */
  rpFilterAll: number | null;
  /** net.ipv{4,6}.conf.all.ignore_routes_with_linkdown and, of IPv4, accept_local and route_localnet of "all"; absent or
   *  null when not known. The kernel takes the interface's value or this. */
  ignoreLinkdownAll4?: boolean | null;
  ignoreLinkdownAll6?: boolean | null;
  acceptLocalAll?: boolean | null;
  routeLocalnetAll?: boolean | null;
  /** net.ipv4.conf.all.{src_valid_mark,send_redirects,bc_forwarding}; absent or null when not known. Directed broadcasts are
   *  forwarded where "all" and the interface say so; of the others one is enough. */
  srcValidMarkAll?: boolean | null;
  sendRedirectsAll?: boolean | null;
  bcForwardingAll?: boolean | null;
  /** The IPv4 tables local and main are still one, as they are until a first rule is added or removed (fib_unmerge); absent
   *  or null when not known. */
  mergedTables4?: boolean | null;
  /** Somebody once added an IPv4 route of type local (net->ipv4.fib_has_custom_local_routes), which makes the check of sources
   *  stricter for good; absent or null when not known. */
  customLocalRoutes4?: boolean | null;
  /** Somebody once added an IPv6 rule (net->ipv6.fib6_has_custom_rules): before that, rules that are deleted still count.
   *  Absent or null when not known, or when it makes no difference. */
  customRules6?: boolean | null;
}

export interface SnapshotInterfaceSysctls {
  ifIndex: number;
  forwarding4: boolean | null;
  forwarding6: boolean | null;
  rpFilter: number | null;
  ignoreLinkdown4: boolean | null;
  ignoreLinkdown6: boolean | null;
  /** net.ipv4.conf.IF.{accept_local,route_localnet}; absent or null when not known. */
  acceptLocal?: boolean | null;
  routeLocalnet?: boolean | null;
  /** net.ipv4.conf.IF.{src_valid_mark,send_redirects,bc_forwarding} and net.ipv6.conf.IF.force_forwarding (Linux 6.17);
   *  absent or null when not known. */
  srcValidMark?: boolean | null;
  sendRedirects?: boolean | null;
  bcForwarding?: boolean | null;
  forceForwarding6?: boolean | null;
}

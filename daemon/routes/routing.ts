import { formatAddress } from '../../decoders/address.ts';
import { RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../kernel/netlink-constants.ts';
import { LinkTable } from './links.ts';
import { LpmTable } from './lpm.ts';
import { type CompiledRule, compileRules } from './rules.ts';
import type { RouteSnapshot, SnapshotRoute, SnapshotRule } from './snapshot.ts';
import { doubtfulSubtrees } from './subtrees.ts';
import { type CompiledRoute, compileRoute, FibTable } from './tables.ts';
import { snapshotPrefix } from './words.ts';

/** What belongs to one address family of a namespace. */
export interface FamilyRouting {
  rules: CompiledRule[];
  tables: Map<number, FibTable>;
  /** Addresses of interfaces, to the interface's index. */
  addresses: LpmTable;
  /** True when `rules` are other than those that the kernel starts with. */
  hasCustomRules: boolean;
}

/** A snapshot made ready for lookups. */
export interface Routing {
  links: LinkTable;
  v4: FamilyRouting;
  v6: FamilyRouting;
  /** All rules and routes by their number. */
  rules: CompiledRule[];
  routes: CompiledRoute[];
  /** A local route that somebody added: net->ipv4.fib_has_custom_local_routes. */
  hasCustomLocalRoutes: boolean;
  /** Interfaces with an IPv4 address. */
  hasAddress4: Set<number>;
  /** True for text, whose tables and settings may be incomplete. */
  isText: boolean;
  /** Whether the IPv4 tables local and main are one is known, not concluded from the rules. */
  isMergeKnown: boolean;
  /** IPv6 routes with a source that the kernel may pass over. */
  doubtfulSubtrees: ReadonlySet<SnapshotRoute>;
  /** Members of multicast groups: of the family's groups to a list of interfaces; null when not known. */
  groups4: ReadonlyMap<number, ReadonlySet<number>> | null;
  rpFilter(ifIndex: number): number;
  acceptLocal(ifIndex: number): boolean;
  routeLocalnet(ifIndex: number): boolean;
  srcValidMark(ifIndex: number): boolean;
  /** On where not known, as it is by default. */
  sendRedirects(ifIndex: number): boolean;
  /** Directed broadcasts are forwarded. */
  bcForwards(ifIndex: number): boolean;
  /** Null when not known. */
  forwards(family: 4 | 6, ifIndex: number): boolean | null;
}

/** The rules that a namespace starts with. net/ipv4/fib_rules.c fib_default_rules_init, net/ipv6/fib6_rules.c */
export function defaultRules(family: 4 | 6): SnapshotRule[] {
  const lookups =
    family === 4
      ? [
          [0, RT_TABLE_LOCAL],
          [32766, RT_TABLE_MAIN],
          [32767, RT_TABLE_DEFAULT],
        ]
      : [
          [0, RT_TABLE_LOCAL],
          [32766, RT_TABLE_MAIN],
        ];
  return lookups.map(([priority, table]) => lookupRule(family, priority!, table!));
}

/** A rule for all packets that looks into one table. */
export function lookupRule(family: 4 | 6, priority: number, table: number): SnapshotRule {
  return {
    family,
    priority,
    not: false,
    from: null,
    to: null,
    iif: null,
    oif: null,
    fwmark: null,
    fwmask: null,
    tos: null,
    ipProto: null,
    sport: null,
    dport: null,
    uidRange: null,
    l3mdev: false,
    action: 'lookup',
    table,
    goto: null,
    suppressPrefixLen: null,
    suppressIfGroup: null,
  };
}

/**
 * Makes a snapshot ready.
 * @throws RangeError when it holds text that is no address
 */
export function compileRouting(snapshot: RouteSnapshot): Routing {
  const links = new LinkTable(snapshot);
  const { sysctls } = snapshot;
  const isText = snapshot.source !== 'kernel';
  const v4 = emptyFamily(4);
  const v6 = emptyFamily(6);
  const ignoresLinkdown = (family: 4 | 6, ifIndex: number): boolean => {
    const own = links.sysctls(ifIndex);
    return family === 4
      ? own?.ignoreLinkdown4 === true || sysctls.ignoreLinkdownAll4 === true
      : own?.ignoreLinkdown6 === true || sysctls.ignoreLinkdownAll6 === true;
  };
  const routes: CompiledRoute[] = [];
  const add = (route: SnapshotRoute, isInferred: boolean): void => {
    const { tables } = route.family === 4 ? v4 : v6;
    let table = tables.get(route.table);
    if (table === undefined) {
      table = new FibTable(route.table, route.family);
      tables.set(route.table, table);
    }
    const { words, len } = snapshotPrefix(route.prefix);
    const compiled = compileRoute(route, len, routes.length, links, ignoresLinkdown, isInferred);
    routes.push(compiled);
    table.add(compiled, words);
  };
  for (const route of snapshot.routes) add(route, false);
  if (isText) for (const route of inferLocalRoutes(snapshot.routes)) add(route, true);

  const hasAddress4 = new Set<number>();
  const own = (family: FamilyRouting, text: string, ifIndex: number): void => {
    const { words, len } = snapshotPrefix(text);
    if (family.addresses.get(words, len) === -1) family.addresses.insert(words, len, ifIndex);
    if (family === v4) hasAddress4.add(ifIndex);
  };
  for (const address of snapshot.addresses)
    own(address.family === 4 ? v4 : v6, address.address, address.ifIndex);
  // Text has no addresses; each has a local route of its own.
  if (snapshot.addresses.length === 0) {
    for (const { route, prefixLen, hops } of routes) {
      const bits = route.family === 4 ? 32 : 128;
      if (route.type === 'local' && route.table === RT_TABLE_LOCAL && prefixLen === bits)
        own(route.family === 4 ? v4 : v6, route.prefix, hops[0]?.ifIndex ?? 0);
    }
  }

  const rulesOf = (family: 4 | 6): SnapshotRule[] => {
    const given = snapshot.rules.filter((rule) => rule.family === family);
    // Rules of IPv6 count from the first that is added; to delete one of the first changes nothing before
    // (fib6_has_custom_rules of net/ipv6/fib6_rules.c).
    const isUnused = family === 6 && sysctls.customRules6 !== true && isSubset(given, defaultRules(6));
    return given.length > 0 && !isUnused ? given : defaultRules(family);
  };
  v4.rules = compileRules(rulesOf(4), 0, links, v4.tables);
  // A rule that was there once has the same effect for good (fib_unmerge, fib_has_custom_rules).
  v4.hasCustomRules = !isDefault(v4.rules, 4) || sysctls.mergedTables4 === false;
  v6.rules = compileRules(rulesOf(6), v4.rules.length, links, v6.tables);
  v6.hasCustomRules = !isDefault(v6.rules, 6);

  return {
    links,
    v4,
    v6,
    rules: [...v4.rules, ...v6.rules],
    routes,
    hasCustomLocalRoutes:
      sysctls.customLocalRoutes4 === true ||
      snapshot.routes.some(
        (route) => route.family === 4 && route.type === 'local' && route.protocol !== 'kernel',
      ),
    hasAddress4,
    isText,
    isMergeKnown: typeof sysctls.mergedTables4 === 'boolean',
    doubtfulSubtrees: doubtfulSubtrees(snapshot.routes),
    groups4: members4(snapshot),
    rpFilter: (ifIndex) => Math.max(sysctls.rpFilterAll ?? 0, links.sysctls(ifIndex)?.rpFilter ?? 0),
    acceptLocal: (ifIndex) => sysctls.acceptLocalAll === true || links.sysctls(ifIndex)?.acceptLocal === true,
    routeLocalnet: (ifIndex) =>
      sysctls.routeLocalnetAll === true || links.sysctls(ifIndex)?.routeLocalnet === true,
    srcValidMark: (ifIndex) =>
      sysctls.srcValidMarkAll === true || links.sysctls(ifIndex)?.srcValidMark === true,
    sendRedirects: (ifIndex) =>
      (sysctls.sendRedirectsAll ?? true) || (links.sysctls(ifIndex)?.sendRedirects ?? true),
    bcForwards: (ifIndex) =>
      sysctls.bcForwardingAll === true && links.sysctls(ifIndex)?.bcForwarding === true,
    forwards: (family, ifIndex) =>
      // IPv6 asks the setting of "all" (ip6_forward), or that the interface forwards whatever "all" says; IPv4 asks the
      // ingress interface (IN_DEV_FORWARD).
      family === 4
        ? (links.sysctls(ifIndex)?.forwarding4 ?? sysctls.forwarding4)
        : links.sysctls(ifIndex)?.forceForwarding6 === true || sysctls.forwarding6,
  };
}

function members4(snapshot: RouteSnapshot): Map<number, Set<number>> | null {
  if (snapshot.groups === undefined) return null;
  const groups = new Map<number, Set<number>>();
  for (const { family, ifIndex, address } of snapshot.groups) {
    if (family !== 4) continue;
    const word = snapshotPrefix(address).words[0]!;
    const members = groups.get(word);
    if (members === undefined) groups.set(word, new Set([ifIndex]));
    else members.add(ifIndex);
  }
  return groups;
}

function emptyFamily(family: 4 | 6): FamilyRouting {
  return {
    rules: [],
    tables: new Map(),
    addresses: new LpmTable(family === 4 ? 1 : 4),
    hasCustomRules: false,
  };
}

/** True when all of the rules are among the others. */
function isSubset(rules: readonly SnapshotRule[], others: readonly SnapshotRule[]): boolean {
  const texts = new Set(others.map((rule) => JSON.stringify(rule)));
  return rules.every((rule) => texts.has(JSON.stringify(rule)));
}

function isDefault(rules: readonly CompiledRule[], family: 4 | 6): boolean {
  const expected = defaultRules(family);
  return (
    rules.length === expected.length &&
    rules.every(({ rule }, i) => JSON.stringify(rule) === JSON.stringify(expected[i]))
  );
}

/**
 * The local and broadcast routes that a pasted `ip route` leaves out: the kernel takes none but an own address as a
 * preferred source, so each one that has no local route is local, and its connected network has a broadcast address.
 */
function inferLocalRoutes(routes: readonly SnapshotRoute[]): SnapshotRoute[] {
  const known = new Set<string>();
  for (const route of routes)
    if (route.type === 'local' && route.table === RT_TABLE_LOCAL) known.add(route.prefix);
  const inferred: SnapshotRoute[] = [];
  for (const route of routes) {
    if (route.prefsrc === null || route.table === RT_TABLE_LOCAL) continue;
    const source = snapshotPrefix(route.prefsrc);
    const bits = source.version === 4 ? 32 : 128;
    const prefix = `${route.prefsrc}/${bits}`;
    // 127.0.0.0/8 covers its addresses without a route for each.
    if (known.has(prefix) || (source.version === 4 && source.words[0]! >>> 24 === 127)) continue;
    known.add(prefix);
    const base: SnapshotRoute = {
      ...route,
      family: source.version,
      type: 'local',
      table: RT_TABLE_LOCAL,
      prefix,
      from: null,
      tos: 0,
      protocol: 'kernel',
      scope: source.version === 4 ? 'host' : 'global',
      metric: source.version === 4 ? null : 0,
      prefsrc: source.version === 4 ? route.prefsrc : null,
      nextHops: route.nextHops.slice(0, 1).map((hop) => ({ ...hop, gateway: null, gatewayFamily: null })),
      nhid: null,
    };
    inferred.push(base);
    const net = snapshotPrefix(route.prefix);
    const isConnected = route.protocol === 'kernel' && route.scope === 'link' && route.type === 'unicast';
    if (source.version === 4 && isConnected && net.len < 31) {
      const last = net.words[0]! | (net.len === 0 ? -1 : ~(-1 << (32 - net.len)));
      const octets = [last >>> 24, (last >>> 16) & 0xff, (last >>> 8) & 0xff, last & 0xff];
      const address = formatAddress(Uint8Array.from(octets), 0, 4);
      inferred.push({ ...base, type: 'broadcast', prefix: `${address}/32`, scope: 'link' });
    }
  }
  return inferred;
}

import { RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../kernel/netlink-constants.ts';
import { LinkTable } from './links.ts';
import { LpmTable } from './lpm.ts';
import { type CompiledRule, compileRules } from './rules.ts';
import type { RouteTables } from './route-tables.ts';
import type { SnapshotRule } from './snapshot.ts';
import type { CompiledRoute } from './shapes.ts';
import type { FibTable } from './tables.ts';
import { Subtrees } from './subtrees.ts';
import type { RouteContext } from './update.ts';
import { snapshotPrefix } from './words.ts';

/** What belongs to one address family of a namespace. */
export interface FamilyRouting {
  rules: CompiledRule[];
  tables: ReadonlyMap<number, FibTable>;
  /** Addresses of interfaces, to the interface's index. */
  addresses: LpmTable;
  /** True when `rules` are other than those that the kernel starts with. */
  hasCustomRules: boolean;
}

/** What lookups need beside the routes, made ready. */
export interface Routing {
  links: LinkTable;
  v4: FamilyRouting;
  v6: FamilyRouting;
  /** All rules by their number. */
  rules: CompiledRule[];
  /** A local route that somebody added: net->ipv4.fib_has_custom_local_routes. */
  hasCustomLocalRoutes: boolean;
  /** Interfaces with an IPv4 address. */
  hasAddress4: Set<number>;
  /** True when a rule selects by protocol or port. */
  usesPorts: boolean;
  /** True for text, whose tables and settings may be incomplete. */
  isText: boolean;
  /** Whether the IPv4 tables local and main are one is known, not concluded from the rules. */
  isMergeKnown: boolean;
  /** IPv6 routes with a source that the kernel may pass over. */
  subtrees: Subtrees;
  /** Members of IPv4 multicast groups: by group, the interfaces; null when not known. */
  groups4: ReadonlyMap<number, ReadonlySet<number>> | null;
  /** net.ipv{4,6}.conf.{all,IF}.ignore_routes_with_linkdown */
  ignoresLinkdown(family: 4 | 6, ifIndex: number): boolean;
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
 * Makes rules, interfaces, addresses and settings ready.
 * @param tables the routes; may change later, except that own addresses are taken from them where the context has none
 * @throws RangeError when the context holds text that is no address
 */
export function compileRouting(context: RouteContext, tables: RouteTables): Routing {
  const links = new LinkTable(context);
  const { sysctls } = context;
  const isText = context.source !== 'kernel';
  const v4 = emptyFamily(4, tables);
  const v6 = emptyFamily(6, tables);
  const hasAddress4 = new Set<number>();
  const own = (family: FamilyRouting, text: string, ifIndex: number): void => {
    const { words, len } = snapshotPrefix(text);
    if (family.addresses.get(words, len) === -1) family.addresses.insert(words, len, ifIndex);
    if (family === v4) hasAddress4.add(ifIndex);
  };
  for (const address of context.addresses)
    own(address.family === 4 ? v4 : v6, address.address, address.ifIndex);

  const rulesOf = (family: 4 | 6): SnapshotRule[] => {
    const given = context.rules.filter((rule) => rule.family === family);
    // Rules of IPv6 count from the first that is added; to delete one of the first changes nothing before
    // (fib6_has_custom_rules of net/ipv6/fib6_rules.c).
    const isUnused = family === 6 && sysctls.customRules6 !== true && isSubset(given, defaultRules(6));
    return given.length > 0 && !isUnused ? given : defaultRules(family);
  };
  v4.rules = compileRules(rulesOf(4), 0, links, tables);
  // A rule that was there once has the same effect for good (fib_unmerge, fib_has_custom_rules).
  v4.hasCustomRules = !isDefault(v4.rules, 4) || sysctls.mergedTables4 === false;
  v6.rules = compileRules(rulesOf(6), v4.rules.length, links, tables);
  v6.hasCustomRules = !isDefault(v6.rules, 6);

  return {
    links,
    v4,
    v6,
    rules: [...v4.rules, ...v6.rules],
    hasCustomLocalRoutes: sysctls.customLocalRoutes4 === true,
    hasAddress4,
    usesPorts: context.rules.some(
      ({ ipProto, sport, dport }) => ipProto !== null || sport !== null || dport !== null,
    ),
    isText,
    isMergeKnown: typeof sysctls.mergedTables4 === 'boolean',
    subtrees: new Subtrees(tables),
    groups4: members4(context),
    ignoresLinkdown: (family, ifIndex) => {
      const settings = links.sysctls(ifIndex);
      return family === 4
        ? settings?.ignoreLinkdown4 === true || sysctls.ignoreLinkdownAll4 === true
        : settings?.ignoreLinkdown6 === true || sysctls.ignoreLinkdownAll6 === true;
    },
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

function members4(context: RouteContext): Map<number, Set<number>> | null {
  if (context.groups === undefined) return null;
  const groups = new Map<number, Set<number>>();
  for (const { family, ifIndex, address } of context.groups) {
    if (family !== 4) continue;
    const word = snapshotPrefix(address).words[0]!;
    const members = groups.get(word);
    if (members === undefined) groups.set(word, new Set([ifIndex]));
    else members.add(ifIndex);
  }
  return groups;
}

/** Each own address has a local route of its own: adds those of families whose addresses are not known. */
export function addOwnAddresses(
  routing: Routing,
  tables: RouteTables,
  shapes: readonly CompiledRoute[],
  families: readonly (4 | 6)[],
): void {
  const words = new Int32Array(4);
  for (const family of families) {
    const own = family === 4 ? routing.v4 : routing.v6;
    const table = own.tables.get(RT_TABLE_LOCAL);
    if (table === undefined) continue;
    const store = tables.store(family);
    table.each((first) => {
      const shape = shapes[store.shape(first)]!;
      const len = store.prefixLen(first);
      if (shape.type !== 'local' || len !== (family === 4 ? 32 : 128)) return;
      store.prefix(first, words);
      if (own.addresses.get(words, len) === -1) own.addresses.insert(words, len, shape.ifIndex);
      if (family === 4) routing.hasAddress4.add(shape.ifIndex);
    });
  }
}

function emptyFamily(family: 4 | 6, tables: RouteTables): FamilyRouting {
  return {
    rules: [],
    tables: family === 4 ? tables.tables4 : tables.tables6,
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

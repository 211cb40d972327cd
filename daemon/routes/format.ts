import { protocolNames, tableNames } from '../netlink/names.ts';
import { RT_TABLE_MAIN } from '../kernel/netlink-constants.ts';
import type { RouteShape } from './shapes.ts';
import type { SnapshotNextHop, SnapshotRoute, SnapshotRule } from './snapshot.ts';

/** A prefix as `ip` prints it: "default", and no length for a single address. */
export function formatPrefix(prefix: string, family: 4 | 6): string {
  if (prefix === '0.0.0.0/0' || prefix === '::/0') return 'default';
  return prefix.endsWith(family === 4 ? '/32' : '/128') ? prefix.slice(0, prefix.indexOf('/')) : prefix;
}

/**
 * A route in one line as `ip route show` prints it; the next hops of a multipath route, which `ip` puts on lines of
 * their own, follow on the same line.
 */
export function formatRoute(route: SnapshotRoute): string {
  return formatShape(route, route.prefix);
}

/** The same of a route whose prefix stands elsewhere. */
export function formatShape(route: RouteShape, prefix: string): string {
  const words: string[] = [];
  if (route.type !== 'unicast') words.push(route.type);
  words.push(formatPrefix(prefix, route.family));
  if (route.from !== null) words.push('from', formatPrefix(route.from, route.family));
  if (route.tos !== 0) words.push('tos', hexOctet(route.tos));
  if (route.nhid !== null) words.push('nhid', String(route.nhid));
  const single = route.nextHops.length === 1 ? route.nextHops[0]! : null;
  if (single !== null) words.push(...formatHop(single, route.family));
  if (route.table !== RT_TABLE_MAIN) words.push('table', tableNames.name(route.table));
  if (route.protocol !== protocolNames.name(3)) words.push('proto', route.protocol);
  if (route.family === 4 && route.scope !== 'global') words.push('scope', route.scope);
  if (route.prefsrc !== null) words.push('src', route.prefsrc);
  if (route.metric !== null) words.push('metric', String(route.metric));
  if (single !== null) words.push(...formatHopFlags(single));
  if (route.pref !== null) words.push('pref', route.pref);
  if (single === null)
    for (const hop of route.nextHops)
      words.push(
        'nexthop',
        ...formatHop(hop, route.family),
        'weight',
        String(hop.weight),
        ...formatHopFlags(hop),
      );
  return words.join(' ');
}

function formatHop(hop: SnapshotNextHop, family: 4 | 6): string[] {
  const words: string[] = [];
  if (hop.gateway !== null) {
    words.push('via');
    if (hop.gatewayFamily !== null && hop.gatewayFamily !== family)
      words.push(hop.gatewayFamily === 4 ? 'inet' : 'inet6');
    words.push(hop.gateway);
  }
  if (hop.dev !== null) words.push('dev', hop.dev);
  return words;
}

function formatHopFlags(hop: SnapshotNextHop): string[] {
  const words: string[] = [];
  if (hop.dead) words.push('dead');
  if (hop.onlink) words.push('onlink');
  if (hop.linkdown) words.push('linkdown');
  return words;
}

/** The selector of a rule as `ip rule` prints it, without preference and action: "from 10.0.0.0/8 iif eth0". */
export function formatRuleSelector(rule: SnapshotRule): string {
  const words: string[] = [];
  if (rule.not) words.push('not');
  words.push('from', rule.from === null ? 'all' : formatPrefix(rule.from, rule.family));
  if (rule.to !== null) words.push('to', formatPrefix(rule.to, rule.family));
  if (rule.tos !== null) words.push('tos', hexOctet(rule.tos));
  if (rule.dscp !== undefined) words.push('dscp', String(rule.dscp));
  if (rule.fwmark !== null) {
    const mask = rule.fwmask ?? 0xffffffff;
    words.push(
      'fwmark',
      `0x${rule.fwmark.toString(16)}${mask === 0xffffffff ? '' : `/0x${mask.toString(16)}`}`,
    );
  }
  if (rule.iif !== null) words.push('iif', rule.iif);
  if (rule.oif !== null) words.push('oif', rule.oif);
  if (rule.uidRange !== null) words.push('uidrange', rule.uidRange.join('-'));
  if (rule.ipProto !== null) words.push('ipproto', ipProtoName(rule.ipProto));
  if (rule.sport !== null) words.push('sport', formatRange(rule.sport));
  if (rule.dport !== null) words.push('dport', formatRange(rule.dport));
  return words.join(' ');
}

/** What a rule does, as `ip rule` prints it: "lookup main", "goto 100", "prohibit". */
export function formatRuleAction(rule: SnapshotRule): string {
  const words: string[] = [];
  if (rule.l3mdev) words.push('lookup [l3mdev-table]');
  else if (rule.action === 'lookup') words.push('lookup', tableNames.name(rule.table));
  else if (rule.action === 'goto') words.push('goto', String(rule.goto));
  else words.push(rule.action);
  if (rule.suppressPrefixLen !== null) words.push('suppress_prefixlength', String(rule.suppressPrefixLen));
  if (rule.suppressIfGroup !== null) words.push('suppress_ifgroup', String(rule.suppressIfGroup));
  return words.join(' ');
}

/** A rule in one line as `ip rule` prints it. */
export function formatRule(rule: SnapshotRule): string {
  return `${rule.priority}:\t${formatRuleSelector(rule)} ${formatRuleAction(rule)}`;
}

/** Protocols that `ip rule` prints and takes by name: inet_proto_n2a asks /etc/protocols, and these are Debian's. */
const IP_PROTO_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [2, 'igmp'],
  [3, 'ggp'],
  [4, 'ipencap'],
  [5, 'st'],
  [6, 'tcp'],
  [8, 'egp'],
  [9, 'igp'],
  [12, 'pup'],
  [17, 'udp'],
  [20, 'hmp'],
  [22, 'xns-idp'],
  [27, 'rdp'],
  [29, 'iso-tp4'],
  [33, 'dccp'],
  [36, 'xtp'],
  [37, 'ddp'],
  [38, 'idpr-cmtp'],
  [41, 'ipv6'],
  [43, 'ipv6-route'],
  [44, 'ipv6-frag'],
  [45, 'idrp'],
  [46, 'rsvp'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [57, 'skip'],
  [58, 'ipv6-icmp'],
  [59, 'ipv6-nonxt'],
  [60, 'ipv6-opts'],
  [73, 'rspf'],
  [81, 'vmtp'],
  [88, 'eigrp'],
  [89, 'ospf'],
  [93, 'ax.25'],
  [94, 'ipip'],
  [97, 'etherip'],
  [98, 'encap'],
  [103, 'pim'],
  [108, 'ipcomp'],
  [112, 'vrrp'],
  [115, 'l2tp'],
  [124, 'isis'],
  [132, 'sctp'],
  [133, 'fc'],
  [135, 'mobility-header'],
  [136, 'udplite'],
  [137, 'mpls-in-ip'],
  [138, 'manet'],
  [139, 'hip'],
  [140, 'shim6'],
  [141, 'wesp'],
  [142, 'rohc'],
  [143, 'ethernet'],
]);

/** Name of an IP protocol as `ip rule` prints it, or its number. */
export function ipProtoName(proto: number): string {
  return IP_PROTO_NAMES.get(proto) ?? String(proto);
}

/**
 * Number of an IP protocol by such a name (and "icmpv6"), a decimal number, or "ipproto-200" as `ip rule` prints one without
 * a name; null for neither.
 */
export function ipProtoNumber(given: string): number | null {
  const text = given.replace(/^ipproto-/, '');
  if (text === 'icmpv6') return 58;
  for (const [number, name] of IP_PROTO_NAMES) if (name === text) return number;
  return /^\d{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : null;
}

function hexOctet(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`;
}

function formatRange([from, to]: [number, number]): string {
  return from === to ? String(from) : `${from}-${to}`;
}

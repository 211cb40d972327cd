import { isZero } from '../../decoders/address-class.ts';
import type { LinkTable } from './links.ts';
import type { SnapshotRule } from './snapshot.ts';
import { samePrefix } from './prefix-hash.ts';
import { IPTOS_RT_MASK } from './shapes.ts';
import type { RouteTables } from './route-tables.ts';
import type { FibTable } from './tables.ts';
import { snapshotPrefix } from './words.ts';

/** Why an answer is assumed; 0 is not at all. The sentences are in `reasons.ts`. */
export const Doubt = {
  None: 0,
  Mark: 1,
  Uid: 2,
  BoundDevice: 3,
  IngressUnknown: 4,
  PortsUnknown: 5,
  Selector: 6,
  TableUnknown: 7,
  Group: 8,
  Multipath: 9,
  ForwardingUnknown: 10,
  InferredLocal: 11,
  Membership: 12,
  Observed: 13,
  MergedTables: 14,
  NexthopUnknown: 15,
  SourceUnknown: 16,
  MulticastDevice: 17,
  /** The leg of a multipath route decides how strictly the source is looked at. */
  MultipathSource: 18,
  /** Several default routes: the kernel prefers one whose gateway answers. */
  Gateways: 19,
  /** A rule by port, and a fragment, which shows the kernel none. */
  Fragment: 20,
  /** The next hop decides whether a rule takes the route. */
  MultipathRule: 21,
  /** The order in which routes were added decides whether a source-specific one is found. */
  Subtree: 22,
} as const;
export type Doubt = (typeof Doubt)[keyof typeof Doubt];

/** Interface of a rule whose name no interface has: the rule never matches. `ip rule` prints [detached]. */
const DETACHED = -1;

/** What one lookup is done with; reused. flowi4 and flowi6 of include/net/flow.h, and what of it is not known. */
export class Flow {
  src = new Int32Array(4);
  dst = new Int32Array(4);
  tos = 0;
  /** Ingress interface; the loopback device for what this host sends. */
  iif = 0;
  iifKnown = true;
  /** Device a socket is bound to; 0 for none. */
  oif = 0;
  /** Where the packet was seen leaving, when a bound socket would explain it; 0 when nothing is left open. */
  oifPossible = 0;
  /** VRF of the ingress or egress interface; 0 for none. */
  l3Master = 0;
  proto = 0;
  sport = 0;
  dport = 0;
  l4Known = true;
  /** The packet is a fragment whose ports are taken as 0, see `hidePorts`; these are in it, 0 and 0 behind the first. */
  isFragment = false;
  hiddenSport = 0;
  hiddenDport = 0;
  mark = 0;
  markKnown = true;
  /** The kernel takes uid 0 for what it receives; a sender's is not known. */
  uid = 0;
  uidKnown = true;

  /**
   * Takes the ports away, as of a fragment that comes in: fib4_rules_early_flow_dissect stops at a fragment header, even of
   * the first fragment (FLOW_DISSECTOR_F_PARSE_1ST_FRAG is not set).
   */
  hidePorts(): void {
    this.isFragment = true;
    this.hiddenSport = this.sport;
    this.hiddenDport = this.dport;
    this.sport = 0;
    this.dport = 0;
  }
}

/** A rule ready to be matched. */
export interface CompiledRule {
  /** Number within the engine. */
  index: number;
  rule: SnapshotRule;
  from: Int32Array;
  fromLen: number;
  to: Int32Array;
  toLen: number;
  /** Interface numbers; 0 for any. */
  iif: number;
  oif: number;
  iifIsVrf: boolean;
  oifIsVrf: boolean;
  /** Index of the rule that `goto` leads to, among its family's rules; -1 for none. */
  target: number;
  /** The table of a `lookup`; it may be empty. */
  into: FibTable;
}

/**
 * Makes the rules of one family ready, in the order in which the kernel tries them.
 * @param first  number of the first rule within the engine
 */
export function compileRules(
  rules: readonly SnapshotRule[],
  first: number,
  links: LinkTable,
  tables: RouteTables,
): CompiledRule[] {
  // The kernel adds a rule behind those of the same preference, and dumps in order: a stable sort keeps it.
  const sorted = [...rules].sort((a, b) => a.priority - b.priority);
  const compiled = sorted.map((rule, i): CompiledRule => {
    const from = rule.from === null ? null : snapshotPrefix(rule.from);
    const to = rule.to === null ? null : snapshotPrefix(rule.to);
    const device = (name: string | null): number =>
      name === null ? 0 : links.indexOf(name) || (links.isComplete ? DETACHED : links.addName(name));
    const iif = device(rule.iif);
    const oif = device(rule.oif);
    return {
      index: first + i,
      rule,
      from: from?.words ?? new Int32Array(4),
      fromLen: from?.len ?? 0,
      to: to?.words ?? new Int32Array(4),
      toLen: to?.len ?? 0,
      iif,
      oif,
      iifIsVrf: links.link(iif)?.kind === 'vrf',
      oifIsVrf: links.link(oif)?.kind === 'vrf',
      target: -1,
      into: tables.table(rule.family, rule.table),
    };
  });
  for (const entry of compiled)
    if (entry.rule.action === 'goto')
      entry.target = compiled.findIndex((other) => other.rule.priority === entry.rule.goto);
  return compiled;
}

/** What `RuleMatcher.match` found beside yes or no. */
export class RuleMatcher {
  /** Why the answer is not certain; None when it is. */
  doubt: Doubt = Doubt.None;
  /** The selector that did not match, in words of `ip rule`; null when the rule matched. Only asked for in explanations. */
  failed: string | null = null;

  /**
   * Matches a rule as fib_rule_match of net/core/fib_rules.c, fib4_rule_match and fib6_rule_match do. What is not known of
   * the flow is taken as it stands in `flow`, and `doubt` says so when it decided.
   */
  match(entry: CompiledRule, flow: Flow): boolean {
    this.doubt = Doubt.None;
    this.failed = null;
    const { rule } = entry;
    let doubt: Doubt = Doubt.None;
    let failed = this.#certain(entry, flow);
    if (failed === null) {
      // From here on a selector may be unknown: the first that is decides what the doubt is called.
      if (entry.iif !== 0) {
        const matches = entry.iifIsVrf ? flow.l3Master === entry.iif : flow.iif === entry.iif;
        if (!flow.iifKnown && entry.iif !== DETACHED) doubt = Doubt.IngressUnknown;
        if (!matches) failed = 'iif';
      }
      if (entry.oif !== 0) {
        const matches = entry.oifIsVrf ? flow.l3Master === entry.oif : flow.oif === entry.oif;
        if (flow.oif === 0 && flow.oifPossible === entry.oif && entry.oif > 0) doubt ||= Doubt.BoundDevice;
        if (!matches) failed ??= 'oif';
      }
      if (rule.fwmark !== null) {
        if (!flow.markKnown) doubt ||= Doubt.Mark;
        if (((rule.fwmark ^ flow.mark) & (rule.fwmask ?? -1)) !== 0) failed ??= 'fwmark';
      }
      if (rule.l3mdev && flow.l3Master === 0) failed ??= 'l3mdev';
      if (rule.uidRange !== null) {
        if (!flow.uidKnown) doubt ||= Doubt.Uid;
        if (flow.uid < rule.uidRange[0] || flow.uid > rule.uidRange[1]) failed ??= 'uidrange';
      }
      const l4 = this.#l4(rule, flow.proto, flow.sport, flow.dport);
      if (l4 !== null) failed ??= l4;
      if (!flow.l4Known && (rule.ipProto !== null || rule.sport !== null || rule.dport !== null))
        doubt ||= Doubt.PortsUnknown;
      if (flow.isFragment && this.#mayMatchWhole(rule, flow)) doubt ||= Doubt.Fragment;
      if (rule.unsupported !== undefined) {
        doubt ||= Doubt.Selector;
        failed ??= rule.unsupported[0]!;
      }
      this.doubt = doubt;
    }
    if (rule.not) {
      this.failed = failed === null ? 'not' : null;
      return failed !== null;
    }
    this.failed = failed;
    return failed === null;
  }

  /** Selectors over what every packet shows; null when they match. */
  #certain(entry: CompiledRule, flow: Flow): string | null {
    const { rule } = entry;
    if (entry.fromLen !== 0 && !samePrefix(flow.src, entry.from, entry.fromLen)) return 'from';
    // IPv6 does not match `from` without a source, not even ::/1. fib6_rule_match
    if (entry.fromLen !== 0 && rule.family === 6 && isZero(flow.src)) return 'from';
    if (entry.toLen !== 0 && !samePrefix(flow.dst, entry.to, entry.toLen)) return 'to';
    if (rule.tos !== null) {
      const mask = rule.family === 4 ? IPTOS_RT_MASK : 0xfc;
      if (rule.tos !== (flow.tos & mask)) return 'tos';
    }
    if (rule.dscp !== undefined && ((rule.dscp ^ (flow.tos >>> 2)) & (rule.dscpMask ?? 0x3f)) !== 0)
      return 'dscp';
    return null;
  }

  #l4(rule: SnapshotRule, proto: number, sport: number, dport: number): string | null {
    if (rule.ipProto !== null && rule.ipProto !== proto) return 'ipproto';
    if (rule.sport !== null && !portMatches(sport, rule.sport, rule.sportMask)) return 'sport';
    if (rule.dport !== null && !portMatches(dport, rule.dport, rule.dportMask)) return 'dport';
    return null;
  }

  /** Whether a rule by port could match the datagram that a fragment is of, had it been put together before. */
  #mayMatchWhole(rule: SnapshotRule, flow: Flow): boolean {
    if (rule.sport === null && rule.dport === null) return false;
    const { proto, hiddenSport, hiddenDport } = flow;
    if (hiddenSport === 0 && hiddenDport === 0) return rule.ipProto === null || rule.ipProto === proto;
    return this.#l4(rule, proto, hiddenSport, hiddenDport) === null;
  }
}

/** fib_rule_port_match of include/net/fib_rules.h: a range, or one port compared in the bits of a mask. */
function portMatches(port: number, range: readonly [number, number], mask: number | undefined): boolean {
  return mask === undefined ? port >= range[0] && port <= range[1] : ((port ^ range[0]) & mask) === 0;
}

import { RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../kernel/netlink-constants.ts';
import { tableNames } from '../netlink/names.ts';
import { formatRuleAction, formatRuleSelector } from './format.ts';
import { LOOPBACK_IFINDEX } from './links.ts';
import type { FamilyRouting, Routing } from './routing.ts';
import { type CompiledRule, Doubt, type Flow, RuleMatcher } from './rules.ts';
import type { CompiledRoute } from './shapes.ts';
import { type FibTable, isSameLeaf4 } from './tables.ts';

/** One rule that was tried, for an explanation. */
export interface RouteStep {
  /** Preference. */
  rule: number;
  /** The rule without its preference, as `ip rule` prints it. */
  text: string;
  matched: boolean;
  /** Why it did not match, or what it did. */
  why: string;
  /** The table it looked into, or null. */
  table: string | null;
  /** The prefix found there, or null. */
  prefix: string | null;
}

export const Outcome = {
  /** No rule led to an answer. */
  None: 0,
  /** A route that packets can follow. */
  Route: 1,
  /** A blackhole, unreachable or prohibit route. */
  RouteRejects: 2,
  /** A rule with such an action. */
  RuleRejects: 3,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/**
 * Walks the rules as fib_rules_lookup of net/core/fib_rules.c does. One object, reused: the fields are the answer of the
 * last `resolve`.
 */
export class Resolver {
  outcome: Outcome = Outcome.None;
  route: CompiledRoute | null = null;
  /** The table it is in, or null. */
  table: FibTable | null = null;
  /** Next hop of the route, or -1; its number in the store of its family, and its prefix length. */
  hop = -1;
  routeId = -1;
  prefixLen = -1;
  rule: CompiledRule | null = null;
  doubt: Doubt = Doubt.None;
  /** The rule that the doubt is about, or null. */
  doubtRule: CompiledRule | null = null;
  /** Next hop that the kernel's hash is taken to choose of every multipath route; -1 for the first that will do. */
  leg = -1;
  /** Next hops of a route among which the hash chose on the way to the answer, when that made a difference; else 0. */
  legs = 0;
  readonly #routing: Routing;
  readonly #matcher = new RuleMatcher();

  constructor(routing: Routing) {
    this.#routing = routing;
  }

  /**
   * @param oif6, strict6 the IPv6 lookup's preferred interface, see FibTable.find6
   * @param steps gets one entry a rule tried; null on the hot path
   */
  resolve(family: 4 | 6, flow: Flow, oif6: number, strict6: boolean, steps: RouteStep[] | null): void {
    const own = family === 4 ? this.#routing.v4 : this.#routing.v6;
    this.#reset();
    const { rules } = own;
    for (let i = 0; i < rules.length; ) {
      const entry = rules[i]!;
      const matched = this.#matcher.match(entry, flow);
      const { doubt } = this.#matcher;
      i++;
      if (!matched && doubt === Doubt.None) {
        if (steps !== null) this.#step(steps, entry, false, notMatched(this.#matcher.failed), null);
        continue;
      }
      const { action } = entry.rule;
      if (action === 'nop' && !entry.rule.l3mdev) {
        if (steps !== null) this.#step(steps, entry, matched, 'does nothing', null);
        continue;
      }
      if (action === 'goto') {
        // A jump over rules may change everything; how much is not followed up.
        if (doubt !== Doubt.None) this.#note(doubt, entry);
        if (steps !== null)
          this.#step(steps, entry, matched, entry.target === -1 ? 'leads nowhere' : 'jumps', null);
        // The kernel lets rules jump forwards alone (EINVAL otherwise), so this ends.
        if (matched && entry.target >= i) i = entry.target;
        continue;
      }
      const failed = this.#matcher.failed;
      const before = steps === null ? 0 : steps.length;
      const found = this.#act(own, entry, flow, oif6, strict6, matched, steps);
      if (!matched && steps !== null) {
        steps.length = before;
        this.#step(steps, entry, false, `${failed} is taken not to match`, null);
      }
      if (!found) continue;
      if (doubt !== Doubt.None) this.#note(doubt, entry);
      if (matched) {
        if (family === 4 && !own.hasCustomRules) this.#mergeTables(own, flow);
        return;
      }
      this.#forget();
    }
    this.#forget();
  }

  /** Carries out a rule. @returns false when the next rule has to be tried */
  #act(
    own: FamilyRouting,
    entry: CompiledRule,
    flow: Flow,
    oif6: number,
    strict6: boolean,
    matched: boolean,
    steps: RouteStep[] | null,
  ): boolean {
    const { rule } = entry;
    this.rule = entry;
    this.route = null;
    this.hop = -1;
    if (rule.action !== 'lookup' && !rule.l3mdev) {
      this.outcome = Outcome.RuleRejects;
      if (steps !== null) this.#step(steps, entry, true, `rule rejects: ${rule.action}`, null);
      return true;
    }
    // `not … l3mdev` matches where there is no VRF, and looks into the table 0, which is main (fib_get_table).
    const vrf = rule.l3mdev ? this.#routing.links.link(flow.l3Master) : undefined;
    const id = rule.l3mdev ? (vrf?.vrfTable ?? RT_TABLE_MAIN) : rule.table;
    const table = rule.l3mdev ? own.tables.get(id) : entry.into;
    if (table === undefined || table.size === 0) {
      const isStandard = id === RT_TABLE_DEFAULT || id === RT_TABLE_LOCAL || id === RT_TABLE_MAIN;
      if (matched && this.#routing.isText && !isStandard) this.#note(Doubt.TableUnknown, entry);
      if (steps !== null) this.#step(steps, entry, true, 'table is empty', id);
      return false;
    }
    const route = this.#find(table, flow, oif6, strict6);
    if (route === null) {
      if (steps !== null) this.#step(steps, entry, true, 'no route in the table', id);
      return false;
    }
    const suppressed = route.throws ? 'throw route' : this.#suppressedBy(entry, route, table);
    if (suppressed !== null) {
      if (steps !== null) this.#step(steps, entry, true, `${suppressed}: next rule`, id, table);
      return false;
    }
    if (route.fromLen !== 0 && this.#routing.subtrees.isDoubtful(table, table.routeId))
      this.#note(Doubt.Subtree, null);
    this.#hold(table, route);
    if (steps !== null) this.#step(steps, entry, true, 'route found', id, table);
    return true;
  }

  /** Takes over what a table just found. */
  #hold(table: FibTable, route: CompiledRoute): void {
    this.route = route;
    this.table = table;
    this.hop = table.hop;
    this.routeId = table.routeId;
    this.prefixLen = table.prefixLen;
    this.outcome = route.rejects ? Outcome.RouteRejects : Outcome.Route;
  }

  #find(table: FibTable, flow: Flow, oif6: number, strict6: boolean): CompiledRoute | null {
    return table.family === 4
      ? table.find4(flow.dst, flow.tos, flow.oif, 32)
      : table.find6(flow.dst, flow.src, oif6, strict6);
  }

  /** fib4_rule_suppress, fib6_rule_suppress: only a route that can be followed is suppressed. */
  #suppressedBy(entry: CompiledRule, route: CompiledRoute, table: FibTable): string | null {
    const { suppressPrefixLen, suppressIfGroup } = entry.rule;
    if (route.rejects) return null;
    if (suppressPrefixLen !== null && table.prefixLen <= suppressPrefixLen) return 'suppress_prefixlength';
    if (suppressIfGroup === null) return null;
    // IPv4 looks at the first next hop, whichever it takes; IPv6 at the loopback device for what is local.
    const isLocal6 = route.route.family === 6 && (route.type === 'local' || route.type === 'anycast');
    const { links } = this.#routing;
    if (route.route.family === 6 && !isLocal6 && route.hopCount > 1) {
      const chosen = route.hops[this.leg]?.usable === true ? this.leg : table.hop;
      const is = links.link(route.hops[chosen]!.ifIndex)?.group === suppressIfGroup;
      if (
        this.leg === -1 &&
        route.hops.some(
          ({ ifIndex, usable }) => usable && (links.link(ifIndex)?.group === suppressIfGroup) !== is,
        )
      ) {
        this.#note(Doubt.MultipathRule, entry);
        this.legs = Math.max(this.legs, route.hopCount);
      }
      return is ? 'suppress_ifgroup' : null;
    }
    const group = links.link(isLocal6 ? LOOPBACK_IFINDEX : route.ifIndex)?.group;
    if (group === undefined) this.#note(Doubt.Group, entry);
    return group === suppressIfGroup ? 'suppress_ifgroup' : null;
  }

  /**
   * Until a namespace gets its first custom IPv4 rule, the tables local and main are one trie, so a longer prefix in main
   * wins over local (fib_trie_table with an alias, Linux 4.1 to 6.18). A custom rule that was there once and is gone undoes
   * this for good, which no dump shows: unless the kernel was asked (probe.ts), what depends on it is an assumption.
   */
  #mergeTables(own: FamilyRouting, flow: Flow): void {
    const found = this.route;
    if (found === null || found.table !== RT_TABLE_LOCAL || this.prefixLen === 32) return;
    let other = longerInMain(own, flow.dst, flow.tos, flow.oif, this.prefixLen);
    const main = own.tables.get(RT_TABLE_MAIN);
    if (other === null && main !== undefined && main.missed4 > this.prefixLen) {
      // The leaf that main's nexthop object made the kernel leave holds the local route, too. See FibTable.find4.
      if (!isSameLeaf4(flow.dst[0]!, main.missed4, this.prefixLen)) return;
      other = main.find4(flow.dst, flow.tos, flow.oif, 32);
      if (other === null) {
        this.#lookInDefault(own, flow);
        return;
      }
    }
    if (other === null) return;
    if (!this.#routing.isMergeKnown) this.#note(Doubt.MergedTables, null);
    if (!other.throws) {
      this.#replace(own, RT_TABLE_MAIN, other);
      return;
    }
    this.#lookInDefault(own, flow);
  }

  /** What is left where neither local nor main have an answer. */
  #lookInDefault(own: FamilyRouting, flow: Flow): void {
    const last = own.tables.get(RT_TABLE_DEFAULT)?.find4(flow.dst, flow.tos, flow.oif, 32) ?? null;
    if (last === null || last.throws) this.#forget();
    else this.#replace(own, RT_TABLE_DEFAULT, last);
  }

  /** Puts what a table just found in place of the answer. */
  #replace(own: FamilyRouting, id: number, route: CompiledRoute): void {
    this.#hold(own.tables.get(id)!, route);
    this.rule = own.rules.find((entry) => entry.rule.table === id) ?? null;
  }

  #note(doubt: Doubt, rule: CompiledRule | null): void {
    if (this.doubt !== Doubt.None) return;
    this.doubt = doubt;
    this.doubtRule = rule;
  }

  #forget(): void {
    this.outcome = Outcome.None;
    this.route = null;
    this.table = null;
    this.hop = -1;
    this.routeId = -1;
    this.prefixLen = -1;
    this.rule = null;
  }

  #reset(): void {
    this.#forget();
    this.legs = 0;
    this.doubt = Doubt.None;
    this.doubtRule = null;
  }

  #step(
    steps: RouteStep[],
    entry: CompiledRule,
    matched: boolean,
    why: string,
    table: number | null,
    found: FibTable | null = null,
  ): void {
    steps.push({
      rule: entry.rule.priority,
      text: `${formatRuleSelector(entry.rule)} ${formatRuleAction(entry.rule)}`,
      matched,
      why,
      table: table === null ? null : tableNames.name(table),
      prefix: found === null ? null : found.prefixText(found.routeId),
    });
  }
}

/** Why a rule did not match, by the selector that decided. */
function notMatched(failed: string | null): string {
  return failed === 'not' ? 'the negated selector matches' : `${failed} does not match`;
}

/**
 * The route of the IPv4 table main whose prefix is longer than `prefixLen`, or null: what wins over a route of the table
 * local while the two are one trie.
 */
export function longerInMain(
  own: FamilyRouting,
  dst: Int32Array,
  tos: number,
  oif: number,
  prefixLen: number,
): CompiledRoute | null {
  const main = own.tables.get(RT_TABLE_MAIN);
  const route = main?.find4(dst, tos, oif, 32) ?? null;
  return route !== null && main!.prefixLen > prefixLen ? route : null;
}

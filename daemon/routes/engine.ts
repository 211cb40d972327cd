import type {
  RouteDecision,
  RouteObserved,
  RouteStage,
  RouteType,
  RouteVerdict,
} from '../../storage/route-decision.ts';
import { ROUTE_TYPES, tableNames } from '../netlink/names.ts';
import { type Answer, Kind, Verdict } from './answer.ts';
import { Decider } from './decide.ts';
import { formatRoute } from './format.ts';
import { RouteQuery } from './query.ts';
import { doubtSentence, dropSentence } from './reasons.ts';
import type { RouteStep } from './resolve.ts';
import { type Routing, compileRouting } from './routing.ts';
import type { RouteSnapshot } from './snapshot.ts';

const STAGES: readonly (RouteStage | null)[] = [null, 'output', 'forward', 'input'];
const VERDICTS: readonly (RouteVerdict | null)[] = [null, 'deliver', 'forward', 'send', 'drop'];
const OBSERVED: readonly RouteObserved[] = ['n/a', 'agrees', 'differs'];

/** Numbers that tell one answer from another. */
const KEY_WORDS = 5;
const FIRST_SLOTS = 64;

/** A decision, and each rule that was tried on the way to it. */
export interface RouteExplanation {
  decision: RouteDecision;
  steps: RouteStep[];
}

/** Answers which way packets go, as the kernel with the tables of one snapshot does. */
export class RouteEngine {
  readonly #routing: Routing;
  readonly #decider: Decider;
  readonly #decisions: RouteDecision[] = [];
  /** Open addressing: the key's words of each decision, and by hash the decision's id + 1. */
  #keys = new Int32Array(FIRST_SLOTS * KEY_WORDS);
  #slots = new Int32Array(FIRST_SLOTS);

  /** @throws RangeError when the snapshot holds text that is no address */
  constructor(snapshot: RouteSnapshot) {
    this.#routing = compileRouting(snapshot);
    this.#decider = new Decider(this.#routing);
  }

  /**
   * Number of an interface for `RouteQuery.ifIndex`; 0 when there is none of that name. Text of `ip` does not list the
   * interfaces, so with it any name gets a number.
   */
  ifIndexOf(name: string): number {
    const { links } = this.#routing;
    return links.isComplete ? links.indexOf(name) : links.addName(name);
  }

  /** True when the namespace has the IPv4 rules that it started with; see `agreesWithKernel`. */
  get hasDefaultRules4(): boolean {
    return !this.#routing.v4.hasCustomRules;
  }

  /** Name of an interface by that number, or null. */
  ifNameOf(ifIndex: number): string | null {
    return this.#routing.links.nameOf(ifIndex);
  }

  /**
   * Decides one packet. Allocates only for an answer that was not given before.
   * @returns the number of the decision: 0, 1, … in the order in which distinct answers came up
   */
  lookup(q: RouteQuery): number {
    this.#decider.decide(q, null);
    return this.#intern(this.#decider.answer);
  }

  /** The decision of a number that `lookup` gave. It is shared: not to be changed. */
  decision(id: number): RouteDecision {
    const decision = this.#decisions[id];
    if (decision === undefined) throw new RangeError(`no decision ${id}`);
    return decision;
  }

  /** Decides one packet and says how. */
  explain(q: RouteQuery): RouteExplanation {
    const steps: RouteStep[] = [];
    this.#decider.decide(q, steps);
    return { decision: this.#build(this.#decider.answer), steps };
  }

  /**
   * The decisions that the kernel might make instead, where its hash chooses among next hops; none for a certain answer.
   * @param q as it was for `explain`; comes back as it was
   */
  alternatives(q: RouteQuery): RouteDecision[] {
    this.#decider.decide(q, null);
    const legs = this.#decider.openLegs;
    const { leg } = q;
    const decisions: RouteDecision[] = [];
    for (q.leg = 0; q.leg < legs; q.leg++) {
      this.#decider.decide(q, null);
      decisions.push(this.#build(this.#decider.answer));
    }
    q.leg = leg;
    return decisions;
  }

  #intern(a: Answer): number {
    const w0 = a.route;
    const w1 = a.rule;
    const w2 = a.doubtRule;
    const w3 = a.ifIndex;
    const w4 =
      a.kind |
      (a.stage << 4) |
      (a.verdict << 6) |
      (a.observed << 9) |
      (a.reason << 11) |
      (a.doubt << 16) |
      ((a.hop + 1) << 21);
    const keys = this.#keys;
    const last = this.#slots.length - 1;
    let slot = hash(w0, w1, w2, w3, w4) & last;
    for (; ; slot = (slot + 1) & last) {
      const id = this.#slots[slot]! - 1;
      if (id === -1) break;
      const at = id * KEY_WORDS;
      if (
        keys[at] === w0 &&
        keys[at + 1] === w1 &&
        keys[at + 2] === w2 &&
        keys[at + 3] === w3 &&
        keys[at + 4] === w4
      )
        return id;
    }
    const id = this.#decisions.length;
    this.#decisions.push(this.#build(a));
    keys.set([w0, w1, w2, w3, w4], id * KEY_WORDS);
    this.#slots[slot] = id + 1;
    if ((id + 2) * 2 > this.#slots.length) this.#grow();
    return id;
  }

  #grow(): void {
    const count = this.#slots.length * 2;
    const keys = new Int32Array(count * KEY_WORDS);
    keys.set(this.#keys);
    const slots = new Int32Array(count);
    for (let id = 0; id < this.#decisions.length; id++) {
      const at = id * KEY_WORDS;
      let slot = hash(keys[at]!, keys[at + 1]!, keys[at + 2]!, keys[at + 3]!, keys[at + 4]!) & (count - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (count - 1);
      slots[slot] = id + 1;
    }
    this.#keys = keys;
    this.#slots = slots;
  }

  #build(a: Answer): RouteDecision {
    const { links, routes, rules } = this.#routing;
    const route = a.route === -1 ? null : routes[a.route]!.route;
    const hop = a.route === -1 ? null : (routes[a.route]!.hops[a.hop] ?? null);
    const rule = a.rule === -1 ? null : rules[a.rule]!.rule;
    const drop = dropSentence(a, this.#routing);
    const doubt = doubtSentence(a, this.#routing);
    const device = hop?.ifIndex ?? (a.route === -1 && a.verdict !== Verdict.Drop ? a.ifIndex : 0);
    // A reject route of IPv6 names the loopback device, as `ip` prints it.
    const dev = device !== 0 ? links.nameOf(device) : (route?.nextHops[0]?.dev ?? null);
    return {
      type: typeOf(
        a,
        route?.nhBlackhole === true ? 'blackhole' : (route?.type ?? null),
        rule?.action ?? null,
      ),
      verdict: VERDICTS[a.verdict]!,
      rule: rule?.priority ?? null,
      table: route === null ? null : tableNames.name(route.table),
      prefix: route?.prefix ?? null,
      gateway: hop?.hop.gateway ?? null,
      dev,
      scope: route?.scope ?? null,
      protocol: route?.protocol ?? null,
      metric: route?.metric ?? null,
      prefsrc: route?.prefsrc ?? null,
      stage: STAGES[a.stage]!,
      observed: OBSERVED[a.observed]!,
      confidence: doubt === null ? 'exact' : 'assumed',
      reason: drop !== null && doubt !== null ? `${drop}; ${doubt}` : (drop ?? doubt),
      text: route === null ? null : formatRoute(route),
    };
  }
}

/** Route types that a decision can have. */
const DECISION_TYPES: ReadonlySet<string> = new Set(ROUTE_TYPES.slice(1, 11));

function isDecisionType(type: string): type is RouteType {
  return DECISION_TYPES.has(type);
}

function typeOf(a: Answer, routeType: string | null, action: string | null): RouteType {
  switch (a.kind) {
    case Kind.Route:
      return routeType !== null && isDecisionType(routeType) ? routeType : 'unknown';
    case Kind.RuleAction:
      return action !== null && isDecisionType(action) ? action : 'unknown';
    case Kind.NoRoute:
      return 'no_route';
    case Kind.Martian:
      return 'martian';
    case Kind.NotRouted:
      return 'not_routed';
    case Kind.Multicast:
      return 'multicast';
    case Kind.Broadcast:
      return 'broadcast';
    case Kind.Local:
      return 'local';
    case Kind.OnLink:
      return 'unicast';
  }
}

function hash(a: number, b: number, c: number, d: number, e: number): number {
  let h = Math.imul(a ^ 0x2545f491, 0x9e3779b1);
  h = Math.imul((h ^ (h >>> 15)) + b, 0x85ebca6b);
  h = Math.imul((h ^ (h >>> 13)) + c, 0xc2b2ae35);
  h = Math.imul((h ^ (h >>> 16)) + d, 0x27d4eb2f);
  h = Math.imul((h ^ (h >>> 15)) + e, 0x165667b1);
  return h ^ (h >>> 16);
}

export { RouteQuery };

import type {
  RouteDecision,
  RouteObserved,
  RouteStage,
  RouteType,
  RouteVerdict,
} from '../../storage/route-decision.ts';
import { ROUTE_TYPES, tableNames } from '../netlink/names.ts';
import { AnswerCache } from './answer-cache.ts';
import { Answer, Kind, Verdict } from './answer.ts';
import { Decider } from './decide.ts';
import { DecisionIndex } from './decision-index.ts';
import { formatShape } from './format.ts';
import { inferLocalRoutes } from './infer-local.ts';
import { RouteQuery } from './query.ts';
import { doubtSentence, dropSentence } from './reasons.ts';
import type { RouteStep } from './resolve.ts';
import type { RouteStore } from './route-store.ts';
import { RouteTables } from './route-tables.ts';
import { type Routing, addOwnAddresses, compileRouting } from './routing.ts';
import { ShapeIndex } from './shape-index.ts';
import { type CompiledRoute, compileShape, isCustomLocal, type RouteShape } from './shapes.ts';
import type { RouteSnapshot, SnapshotRoute } from './snapshot.ts';
import type { RouteUpdate } from './update.ts';
import { snapshotPrefix } from './words.ts';

const STAGES: readonly (RouteStage | null)[] = [null, 'output', 'forward', 'input'];
const VERDICTS: readonly (RouteVerdict | null)[] = [null, 'deliver', 'forward', 'send', 'drop'];
const OBSERVED: readonly RouteObserved[] = ['n/a', 'agrees', 'differs'];

/** Routes of a family from which on its answers are cached. */
const CACHE_FROM = 4096;

/** A decision, and each rule that was tried on the way to it. */
export interface RouteExplanation {
  decision: RouteDecision;
  steps: RouteStep[];
}

/** Answers which way packets go, as the kernel with the tables of one namespace does. */
export class RouteEngine {
  readonly #shapes: RouteShape[] = [];
  readonly #compiled: CompiledRoute[] = [];
  readonly #index: DecisionIndex;
  readonly #restored = new Answer();
  #hasSourceRoutes = false;
  #cache: AnswerCache;
  #tables = new RouteTables(this.#compiled, true);
  #routing: Routing;
  #decider: Decider;

  /**
   * @param decisionsMax see DecisionIndex
   * @throws RangeError when the snapshot holds text that is no address
   */
  constructor(snapshot: RouteSnapshot, decisionsMax?: number) {
    this.#index = new DecisionIndex(decisionsMax);
    this.#routing = compileRouting(snapshot, this.#tables);
    this.#decider = new Decider(this.#routing);
    this.#cache = new AnswerCache(this.#routing.usesPorts, 0);
    this.#insertAll(snapshot);
    this.#settle();
  }

  /**
   * Takes in a change. Decisions given before keep their numbers unless `epoch` is another afterwards.
   * @param update its `ops` may be left to `applyOps`, in pieces
   * @throws RangeError when the context holds text that is no address
   */
  apply(update: RouteUpdate, withOps = true): void {
    if (update.isFull) {
      this.#shapes.length = 0;
      this.#compiled.length = 0;
      this.#tables = new RouteTables(this.#compiled, true);
    }
    for (const { id, shape } of update.shapes) this.#shapes[id] = shape;
    if (update.context !== null) {
      this.#routing = compileRouting(update.context, this.#tables);
      this.#decider = new Decider(this.#routing);
      this.#cache = new AnswerCache(this.#routing.usesPorts, this.#tables.size);
      this.#index.reset();
      for (let id = 0; id < this.#shapes.length; id++) this.#compile(id);
    } else for (const { id } of update.shapes) this.#compile(id);
    if (withOps) this.applyOps(update.ops, 0, update.ops.length);
  }

  /**
   * Carries out a part of an update's operations; packets may be decided between two parts.
   * @param from word at which to start, where the last call ended
   * @param limit no operation is begun from this word on
   * @returns the word at which to go on
   */
  applyOps(ops: Int32Array, from: number, limit: number): number {
    const end = this.#tables.apply(ops, from, limit);
    this.#settle();
    return end;
  }

  /** Goes up when the numbers of all decisions start from 0 again. */
  get epoch(): number {
    return this.#index.epoch;
  }

  /** True when sources are looked at strictly because of a single route: when it turns true, any decision may change. */
  get hasCustomLocalRoutes(): boolean {
    return this.#routing.hasCustomLocalRoutes;
  }

  /** True when IPv6 routes select by source: then a change may concern addresses that its prefix does not hold. */
  get hasSourceRoutes(): boolean {
    return this.#hasSourceRoutes;
  }

  /** Routes in all tables. */
  get size(): number {
    return this.#tables.size;
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
   * @returns the number of the decision: 0, 1, … in the order in which distinct answers came up since `epoch` changed
   */
  lookup(q: RouteQuery): number {
    // Decisions in a small table take no longer than finding them in the cache.
    const store = q.version === 4 ? this.#tables.v4 : this.#tables.v6;
    if (store.size < CACHE_FROM || q.asked || q.markKnown) return this.#decide(q, store);
    const known = this.#cache.find(q);
    if (known >= 0) return known;
    const id = this.#decide(q, store);
    this.#cache.put(q, id);
    return id;
  }

  #decide(q: RouteQuery, store: RouteStore): number {
    const { epoch } = this.#index;
    this.#decider.decide(q, null);
    const id = this.#index.idOf(this.#decider.answer, store);
    // There were too many decisions: what the cache has are numbers of others now, also those of the other family.
    if (epoch !== this.#index.epoch) this.#cache.clear();
    return id;
  }

  /**
   * The decision of a number that `lookup` gave, made anew each time.
   * @throws RangeError for another number, and when its route is gone or changed
   */
  decision(id: number): RouteDecision {
    const a = this.#restored;
    if (!this.#index.restore(id, a, this.#tables)) throw new RangeError(`no decision ${id}`);
    a.shape = a.route === -1 ? null : this.#compiled[this.#tables.store(a.version).shape(a.route)]!;
    return this.#build(a);
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

  #compile(id: number): void {
    const shape = this.#shapes[id];
    if (shape === undefined) return;
    const { links } = this.#routing;
    this.#compiled[id] = compileShape(shape, links, (family, ifIndex) =>
      this.#routing.ignoresLinkdown(family, ifIndex),
    );
  }

  #insertAll(snapshot: RouteSnapshot): void {
    const index = new ShapeIndex();
    const add = (route: SnapshotRoute & { isInferred?: boolean }): void => {
      const id = index.idOf(route);
      if (this.#shapes[id] === undefined) {
        this.#shapes[id] = index.shapes[id]!;
        this.#compile(id);
      }
      const { words, len } = snapshotPrefix(route.prefix);
      const table = this.#tables.table(route.family, route.table);
      this.#tables.insert(table, words, len, id, index.orders);
    };
    for (const route of snapshot.routes) add(route);
    if (this.#routing.isText)
      for (const route of inferLocalRoutes(snapshot.routes)) add({ ...route, isInferred: true });
    // Text may have no addresses, or those of one family (`ip -4 addr`).
    const families = ([4, 6] as const).filter((f) => !snapshot.addresses.some(({ family }) => family === f));
    if (families.length === 2 || this.#routing.isText)
      addOwnAddresses(this.#routing, this.#tables, this.#compiled, families);
  }

  /** The routes changed: what follows from all of them. */
  #settle(): void {
    const { size } = this.#tables;
    if (this.#cache.isTooSmall(size)) this.#cache = new AnswerCache(this.#routing.usesPorts, size);
    else this.#cache.clear();
    this.#routing.subtrees.clear();
    this.#hasSourceRoutes = false;
    const { uses } = this.#tables;
    for (let id = 0; id < uses.length; id++) {
      if (!uses[id]) continue;
      const shape = this.#shapes[id]!;
      if (shape.from !== null) this.#hasSourceRoutes = true;
      // Once is for good: fib_has_custom_local_routes.
      if (isCustomLocal(shape)) this.#routing.hasCustomLocalRoutes = true;
    }
  }

  #build(a: Answer): RouteDecision {
    const { links, rules } = this.#routing;
    const route = a.shape?.route ?? null;
    const prefix = a.route === -1 ? null : this.#tables.store(a.version).prefixText(a.route);
    const hop = a.shape?.hops[a.hop] ?? null;
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
      prefix,
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
      text: route === null || prefix === null ? null : formatShape(route, prefix),
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

export { RouteQuery };

import { Answer, Kind, Reason, Verdict } from './answer.ts';
import { chooseHop } from './choose-hop.ts';
import type { RouteQuery } from './query.ts';
import { Outcome, Resolver } from './resolve.ts';
import type { Routing } from './routing.ts';
import { Doubt, Flow } from './rules.ts';

/** One decision while it is made: what is asked, what the tables say, and the answer. One object, reused. */
export class Decision {
  readonly routing: Routing;
  readonly answer = new Answer();
  readonly flow = new Flow();
  readonly resolver: Resolver;
  /** Next hop that is to be taken of a multipath route, whatever the hash says; -1 for any. */
  leg = -1;
  /** Next hops of the route among which the kernel's hash decides; 0 when it does not. */
  legs = 0;

  constructor(routing: Routing) {
    this.routing = routing;
    this.resolver = new Resolver(routing);
  }

  /** Starts over with a question. */
  begin(q: RouteQuery): void {
    this.answer.clear(q.version);
    this.leg = q.leg;
    this.resolver.leg = q.leg;
    this.legs = 0;
    const f = this.flow;
    for (let i = 0; i < 4; i++) {
      const used = i === 0 || q.version === 6;
      f.src[i] = used ? q.src[i]! : 0;
      f.dst[i] = used ? q.dst[i]! : 0;
    }
    f.tos = q.tos;
    f.proto = q.proto;
    f.sport = q.sport;
    f.dport = q.dport;
    f.l4Known = q.l4Known;
    f.isFragment = false;
    f.mark = q.mark;
    f.markKnown = q.markKnown;
    f.oif = 0;
    f.oifPossible = 0;
    f.l3Master = 0;
    f.iifKnown = true;
    // The kernel takes uid 0 for what it receives.
    f.uid = 0;
    f.uidKnown = true;
  }

  /**
   * Takes over what the resolver found; a route that can be followed gets verdict Send (or Deliver).
   * @param seen      interface that the packet was seen leaving by; 0 when it was not
   * @param isSettled the lookup has chosen the next hop for good
   * @param only      interface that next hops must be on; 0 for any
   */
  take(seen: number, isSettled: boolean, only: number): void {
    const a = this.answer;
    const s = this.resolver;
    this.legs = s.legs;
    a.doubt = s.doubt;
    a.doubtRule = s.doubtRule?.index ?? -1;
    a.rule = s.rule?.index ?? -1;
    if (s.outcome === Outcome.None) {
      a.kind = Kind.NoRoute;
      this.drop(Reason.NoRoute, 0);
      return;
    }
    if (s.outcome === Outcome.RuleRejects) {
      a.kind = Kind.RuleAction;
      this.drop(Reason.RuleRejects, 0);
      return;
    }
    const route = s.route!;
    a.kind = Kind.Route;
    a.route = s.routeId;
    a.shape = route;
    a.hop = s.hop;
    if (s.outcome === Outcome.RouteRejects) {
      this.drop(Reason.RouteRejects, 0);
      return;
    }
    const { type } = route;
    const isHere = type === 'local' || (type === 'anycast' && route.route.family === 6);
    a.verdict = isHere ? Verdict.Deliver : Verdict.Send;
    if (route.isInferred && a.doubt === Doubt.None) a.doubt = Doubt.InferredLocal;
    if (route.hopCount > 1) {
      if (isSettled) return;
      const isOpen = chooseHop(route, seen, this.leg, only, this.routing.links, a);
      if (isOpen) this.legs = Math.max(this.legs, route.hopCount);
    } else if (route.hopCount === 0 && a.doubt === Doubt.None) a.doubt = Doubt.NexthopUnknown;
  }

  /** The device of the answer's route, or 0. */
  device(): number {
    const { route } = this.resolver;
    if (route === null) return 0;
    const { hop } = this.answer;
    return hop === 0 ? route.ifIndex : (route.hops[hop]?.ifIndex ?? 0);
  }

  /** The packet is dropped, by the route that is in the answer if any. */
  drop(reason: Reason, ifIndex: number): void {
    this.answer.verdict = Verdict.Drop;
    this.answer.reason = reason;
    this.answer.ifIndex = ifIndex;
  }

  /** A packet that a source or destination check refuses: no route is part of the answer. */
  martian(reason: Reason, ifIndex: number): void {
    this.withoutRoute(Kind.Martian);
    this.drop(reason, ifIndex);
  }

  /** An answer without a route of the tables, and certain. */
  withoutRoute(kind: Kind): void {
    const a = this.answer;
    a.kind = kind;
    a.rule = -1;
    a.route = -1;
    a.shape = null;
    a.hop = -1;
    a.doubt = Doubt.None;
    a.doubtRule = -1;
  }
}

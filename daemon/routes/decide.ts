import { PacketType } from '../../decoders/packet-fields.ts';
import {
  LBCAST,
  isLinkLocal6,
  isLocalMulticast4,
  isLoopback4,
  isLoopback6,
  isMulticast4,
  isMulticast6,
  isZero,
  needsStrict,
} from './address-class.ts';
import { Answer, Kind, Observed, Reason, Stage, Verdict } from './answer.ts';
import { chooseHop } from './choose-hop.ts';
import { LOOPBACK_IFINDEX } from './links.ts';
import type { RouteQuery } from './query.ts';
import { ownerOf } from './owner.ts';
import { Outcome, Resolver, type RouteStep } from './resolve.ts';
import type { Routing } from './routing.ts';
import { Doubt, Flow } from './rules.ts';
import { SourceCheck } from './source-check.ts';

/**
 * Decides as the kernel's route lookups do: ip_route_output_key_hash_rcu and ip_route_input_rcu of net/ipv4/route.c,
 * ip6_route_output_flags and ip6_route_input of net/ipv6/route.c, Linux 6.18. Allocates nothing without `steps`.
 */
export class Decider {
  readonly answer = new Answer();
  readonly #routing: Routing;
  readonly #resolver: Resolver;
  readonly #flow = new Flow();
  readonly #sourceCheck: SourceCheck;

  constructor(routing: Routing) {
    this.#routing = routing;
    this.#resolver = new Resolver(routing);
    this.#sourceCheck = new SourceCheck(routing);
  }

  /** Decides one packet into `answer`. @param steps gets one entry a rule tried, or null */
  decide(q: RouteQuery, steps: RouteStep[] | null): void {
    const a = this.answer;
    a.clear();
    const { links } = this.#routing;
    if (q.pktType === PacketType.OtherHost || (q.ifIndex !== 0 && links.isBridgePort(q.ifIndex))) {
      a.kind = Kind.NotRouted;
      return;
    }
    this.#fillFlow(q);
    const local = ownerOf(this.#routing, q.version, this.#flow.src) !== -1;
    // What this host sends is looked up before it is cut.
    if (q.isFragment && !local) this.#flow.hidePorts();
    if (q.pktType === PacketType.Outgoing || (q.pktType === PacketType.Unknown && local)) {
      const seen = q.pktType === PacketType.Outgoing && !q.asked ? q.ifIndex : 0;
      // Without a source the packet is this host's own (DHCP, duplicate address detection).
      if (local || isZero(this.#flow.src)) this.#output(q, seen, steps);
      else if (q.asked && !this.#routing.isText) this.#askedForeign(q, steps);
      else this.#forward(q, seen, steps);
      if (seen !== 0) this.#compare(seen);
      return;
    }
    this.#input(q, local, steps);
  }

  #fillFlow(q: RouteQuery): void {
    const f = this.#flow;
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
    f.uidKnown = true;
  }

  /** What this host sends. */
  #output(q: RouteQuery, seen: number, steps: RouteStep[] | null): void {
    const a = this.answer;
    const f = this.#flow;
    a.stage = Stage.Output;
    f.iif = LOOPBACK_IFINDEX;
    f.uidKnown = false;
    f.oifPossible = seen;
    f.l3Master = seen === 0 ? 0 : this.#routing.links.l3Master(seen);
    if (q.version === 6) {
      const strict = needsStrict(f.dst);
      this.#resolver.resolve(6, f, strict ? seen : 0, strict, steps);
      this.#take(seen);
      return;
    }
    const src = f.src[0]!;
    const dst = f.dst[0]!;
    const isGroup = dst === LBCAST || isMulticast4(dst);
    if (src !== 0 && (isMulticast4(src) || src === LBCAST)) {
      this.#martian(Reason.GroupSource, seen);
      return;
    }
    if (isGroup && (src !== 0 || seen !== 0)) {
      // The table is not asked: the device is the one that has the source address, or the socket's choice.
      const owner = src === 0 ? -1 : ownerOf(this.#routing, 4, f.src);
      a.kind = dst === LBCAST ? Kind.Broadcast : Kind.Multicast;
      a.verdict = Verdict.Send;
      a.ifIndex = owner > 0 ? owner : seen;
      if (seen !== 0 && (owner <= 0 || !this.#routing.links.carries(owner, seen)))
        a.doubt = Doubt.MulticastDevice;
      return;
    }
    if (dst === 0) {
      a.kind = Kind.Local;
      a.verdict = Verdict.Deliver;
      a.ifIndex = LOOPBACK_IFINDEX;
      return;
    }
    this.#resolver.resolve(4, f, 0, false, steps);
    this.#take(seen);
    if (a.verdict === Verdict.Drop) return;
    const device = this.#device();
    const { links } = this.#routing;
    const isLoopbackDevice = a.verdict === Verdict.Deliver || links.isLoopback(device);
    if (isLoopback4(src) && !isLoopbackDevice && !this.#routing.routeLocalnet(device))
      this.#martian(Reason.LoopbackSource, device);
    else if (isGroup) {
      // Asked without a source: __mkroute_output takes the type from the address.
      a.kind = dst === LBCAST ? Kind.Broadcast : Kind.Multicast;
      a.verdict = Verdict.Send;
    }
  }

  /** `ip route get D from S` with an S that is not here: the kernel refuses for IPv4, and does not mind for IPv6. */
  #askedForeign(q: RouteQuery, steps: RouteStep[] | null): void {
    if (q.version === 6) {
      this.#output(q, 0, steps);
      return;
    }
    const a = this.answer;
    const src = this.#flow.src[0]!;
    a.stage = Stage.Output;
    if (isMulticast4(src) || src === LBCAST) {
      this.#martian(Reason.GroupSource, 0);
      return;
    }
    a.kind = Kind.NoRoute;
    a.verdict = Verdict.Drop;
    a.reason = Reason.SourceNotLocal;
  }

  /** What was seen leaving and is not this host's: it came in somewhere, which is not known. */
  #forward(q: RouteQuery, seen: number, steps: RouteStep[] | null): void {
    const a = this.answer;
    const f = this.#flow;
    a.stage = Stage.Forward;
    f.iif = 0;
    f.iifKnown = false;
    this.#resolver.resolve(q.version, f, 0, false, steps);
    this.#take(seen);
    if (a.verdict === Verdict.Send) a.verdict = Verdict.Forward;
    if (q.asked && a.doubt === Doubt.None) a.doubt = Doubt.SourceUnknown;
  }

  /** What came in, or (Unknown) what is not this host's own. */
  #input(q: RouteQuery, isOwnSource: boolean, steps: RouteStep[] | null): void {
    const a = this.answer;
    const f = this.#flow;
    const { links } = this.#routing;
    const iif = q.ifIndex === 0 ? 0 : links.routedIndex(q.ifIndex);
    a.stage = Stage.Input;
    if (!q.asked && isOwnSource && iif !== 0 && links.isLoopback(iif)) {
      // Packets on the loopback device carry the route they left with: the input lookup is not done.
      this.#output(q, 0, steps);
      a.stage = Stage.Input;
      if (a.verdict === Verdict.Send) a.verdict = Verdict.Deliver;
      return;
    }
    f.iif = iif;
    f.iifKnown = iif !== 0;
    f.l3Master = iif === 0 ? 0 : links.l3Master(iif);
    if (q.version === 4) this.#input4(iif, steps);
    else this.#input6(q, iif, steps);
    // ip_forward and ip6_forward take only what was sent to this host's own hardware address.
    if (q.isGroupFrame && a.verdict === Verdict.Forward) this.#drop(Reason.GroupFrame, 0);
  }

  #input4(iif: number, steps: RouteStep[] | null): void {
    const a = this.answer;
    const f = this.#flow;
    const r = this.#routing;
    const src = f.src[0]!;
    const dst = f.dst[0]!;
    const isBroadcastInput = dst === LBCAST || (src === 0 && dst === 0);
    if (isMulticast4(src) || src === LBCAST) {
      this.#martian(Reason.GroupSource, iif);
      return;
    }
    if (isMulticast4(dst)) {
      if (isLoopback4(src) && !r.routeLocalnet(iif)) this.#martian(Reason.LoopbackSource, iif);
      else if (src === 0 && !isLocalMulticast4(dst)) this.#martian(Reason.ZeroSource, iif);
      else if (src === 0 || this.#isSourceValid(iif, 0, 0)) {
        a.kind = Kind.Multicast;
        a.verdict = Verdict.Deliver;
        a.ifIndex = iif;
        // Every host is in 224.0.0.1; other groups are not in the snapshot.
        if (dst !== (0xe0000001 | 0)) a.doubt = Doubt.Membership;
      }
      return;
    }
    if (isBroadcastInput) {
      if (src === 0 || this.#isSourceValid(iif, 0, 0)) {
        a.kind = Kind.Broadcast;
        a.verdict = Verdict.Deliver;
        a.ifIndex = iif;
      }
      return;
    }
    if (src === 0) {
      this.#martian(Reason.ZeroSource, iif);
      return;
    }
    if (dst === 0) {
      this.#martian(Reason.ZeroDestination, iif);
      return;
    }
    if (isLoopback4(dst)) {
      if (!r.routeLocalnet(iif)) {
        this.#martian(Reason.LoopbackDestination, iif);
        return;
      }
    } else if (isLoopback4(src) && !r.routeLocalnet(iif)) {
      this.#martian(Reason.LoopbackSource, iif);
      return;
    }
    this.#resolver.resolve(4, f, 0, false, steps);
    this.#take(0);
    if (a.verdict === Verdict.Drop) return;
    const type = this.#resolver.route!.type;
    if (type === 'local' || type === 'broadcast') {
      if (this.#isSourceValid(iif, type === 'local' ? dst : 0, 0)) a.verdict = Verdict.Deliver;
      return;
    }
    const forwards = r.forwards(4, iif);
    if (forwards === false) {
      this.#drop(Reason.ForwardingOff, iif);
      return;
    }
    if (type !== 'unicast') {
      this.#martian(Reason.UnroutableType, iif);
      return;
    }
    if (!this.#isSourceValid(iif, dst, this.#device())) return;
    a.verdict = Verdict.Forward;
    if (forwards === null && a.doubt === Doubt.None) a.doubt = Doubt.ForwardingUnknown;
  }

  #input6(q: RouteQuery, iif: number, steps: RouteStep[] | null): void {
    const a = this.answer;
    const f = this.#flow;
    // ip6_rcv_core drops these before it asks for a route; `ip route get` does not pass through it.
    if (!q.asked) {
      if (isMulticast6(f.src)) {
        this.#martian(Reason.GroupSource, iif);
        return;
      }
      if (isLoopback6(f.src) || isLoopback6(f.dst)) {
        this.#martian(Reason.Loopback6, iif);
        return;
      }
    }
    this.#resolver.resolve(6, f, iif, needsStrict(f.dst), steps);
    this.#take(0);
    if (a.verdict === Verdict.Drop) return;
    const type = this.#resolver.route!.type;
    if (type === 'local' || type === 'anycast') {
      a.verdict = Verdict.Deliver;
      return;
    }
    if (type === 'multicast' || isMulticast6(f.dst)) {
      a.verdict = Verdict.Deliver;
      // ff01::1 and ff02::1 are every node's. RFC 4291 §2.8
      const group = f.dst[0]!;
      const isAllNodes =
        (group === (0xff010000 | 0) || group === (0xff020000 | 0)) &&
        f.dst[1] === 0 &&
        f.dst[2] === 0 &&
        f.dst[3] === 1;
      if (!isAllNodes && a.doubt === Doubt.None) a.doubt = Doubt.Membership;
      return;
    }
    const forwards = this.#routing.forwards(6, iif);
    if (forwards === false) {
      this.#drop(Reason.ForwardingOff, iif);
      return;
    }
    const isScoped = isZero(f.src) || isMulticast6(f.src) || isLoopback6(f.src) || isLinkLocal6(f.src);
    if (isScoped && this.#device() !== iif) {
      this.#drop(Reason.SourceScope, iif);
      return;
    }
    a.verdict = Verdict.Forward;
    if (forwards === null && a.doubt === Doubt.None) a.doubt = Doubt.ForwardingUnknown;
  }

  /** The source check; unless the source passes, the answer is made martian. See SourceCheck. */
  #isSourceValid(iif: number, dst: number, oif: number): boolean {
    const reason = this.#sourceCheck.check(this.#flow, iif, dst, oif);
    if (reason === Reason.None) return true;
    this.#martian(reason, iif);
    return false;
  }

  /** Takes over what the resolver found; a route that can be followed gets verdict Send (or Deliver). */
  #take(seen: number): void {
    const a = this.answer;
    const s = this.#resolver;
    a.doubt = s.doubt;
    a.doubtRule = s.doubtRule?.index ?? -1;
    a.rule = s.rule?.index ?? -1;
    if (s.outcome === Outcome.None) {
      a.kind = Kind.NoRoute;
      this.#drop(Reason.NoRoute, 0);
      return;
    }
    if (s.outcome === Outcome.RuleRejects) {
      a.kind = Kind.RuleAction;
      this.#drop(Reason.RuleRejects, 0);
      return;
    }
    const route = s.route!;
    a.kind = Kind.Route;
    a.route = route.index;
    a.hop = s.hop;
    if (s.outcome === Outcome.RouteRejects) {
      this.#drop(Reason.RouteRejects, 0);
      return;
    }
    const { type } = route;
    a.verdict = type === 'local' || type === 'anycast' ? Verdict.Deliver : Verdict.Send;
    if (route.isInferred && a.doubt === Doubt.None) a.doubt = Doubt.InferredLocal;
    if (route.hopCount > 1) chooseHop(route, seen, this.#routing.links, a);
    else if (route.hopCount === 0 && a.doubt === Doubt.None) a.doubt = Doubt.NexthopUnknown;
  }

  /** The device of the answer's route, or 0. */
  #device(): number {
    const { route } = this.#resolver;
    if (route === null) return 0;
    const { hop } = this.answer;
    return hop === 0 ? route.ifIndex : (route.hops[hop]?.ifIndex ?? 0);
  }

  /** Compares the predicted device with the one that the packet was seen leaving by. */
  #compare(seen: number): void {
    const a = this.answer;
    const { links } = this.#routing;
    let agrees = false;
    if (a.verdict === Verdict.Deliver) agrees = links.isLoopback(seen);
    else if (a.verdict !== Verdict.Drop)
      agrees = links.carries(a.route === -1 ? a.ifIndex : this.#device(), seen);
    a.observed = agrees ? Observed.Agrees : Observed.Differs;
    if (!agrees && a.doubt === Doubt.None) a.doubt = Doubt.Observed;
  }

  #drop(reason: Reason, ifIndex: number): void {
    this.answer.verdict = Verdict.Drop;
    this.answer.reason = reason;
    this.answer.ifIndex = ifIndex;
  }

  /** A packet that a source or destination check refuses: no route is part of the answer. */
  #martian(reason: Reason, ifIndex: number): void {
    const a = this.answer;
    a.kind = Kind.Martian;
    a.rule = -1;
    a.route = -1;
    a.hop = -1;
    a.doubt = Doubt.None;
    a.doubtRule = -1;
    this.#drop(reason, ifIndex);
  }
}

import {
  isLinkLocal6,
  isLocalMulticast4,
  isLoopback4,
  isLoopback6,
  isMulticast4,
  isMulticast6,
  isZero,
  LBCAST,
  needsStrict,
} from '../../decoders/address-class.ts';
import { IFF_UP } from '../kernel/netlink-constants.ts';
import { Kind, Reason, Stage, Verdict } from './answer.ts';
import type { Decision } from './decision.ts';
import type { RouteQuery } from './query.ts';
import type { RouteStep } from './resolve.ts';
import { Doubt } from './rules.ts';
import { SourceCheck } from './source-check.ts';

/** IPPROTO_IGMP: its reports may come without a source. The only protocol that an answer may depend on without a rule. */
export const IGMP = 2;
/** Every host is in 224.0.0.1, by each interface that is up (ip_mc_up). */
const ALL_HOSTS = 0xe0000001 | 0;
/** INVALID_UID: what `ip route get` asks IPv6 input for when it was given no uid; packets have uid 0. inet6_rtm_getroute */
const INVALID_UID = 0xffffffff;

/** What comes in: ip_route_input_rcu of net/ipv4/route.c, ip6_route_input of net/ipv6/route.c, and what forwards it. */
export class InputPath {
  readonly #d: Decision;
  readonly #sourceCheck: SourceCheck;

  constructor(decision: Decision) {
    this.#d = decision;
    this.#sourceCheck = new SourceCheck(decision.routing);
  }

  /** @param iif interface that it came in by; 0 when unknown */
  decide(q: RouteQuery, iif: number, steps: RouteStep[] | null): void {
    const { flow: f, answer: a, routing } = this.#d;
    a.stage = Stage.Input;
    f.iif = iif;
    f.iifKnown = iif !== 0;
    f.l3Master = iif === 0 ? 0 : routing.links.l3Master(iif);
    if (q.version === 4) this.#decide4(iif, steps);
    else this.#decide6(q, iif, steps);
    // ip_forward and ip6_forward take only what was sent to this host's own hardware address.
    if (q.isGroupFrame && a.verdict === Verdict.Forward) this.#d.drop(Reason.GroupFrame, 0);
  }

  #decide4(iif: number, steps: RouteStep[] | null): void {
    const { flow: f, answer: a, routing: r, resolver } = this.#d;
    const src = f.src[0]!;
    const dst = f.dst[0]!;
    if (!hasPorts(f.proto)) {
      // What is there is no port; the dissector leaves 0 (proto_ports_offset of net/core/utils.c).
      f.sport = 0;
      f.dport = 0;
    }
    if (isMulticast4(dst)) {
      this.#multicast4(iif);
      return;
    }
    if (isMulticast4(src) || src === LBCAST) {
      this.#d.martian(Reason.GroupSource, iif);
      return;
    }
    if (dst === LBCAST || (src === 0 && dst === 0)) {
      if (src === 0 || this.#isSourceValid(iif, 0, 0)) {
        a.kind = Kind.Broadcast;
        a.verdict = Verdict.Deliver;
        a.ifIndex = iif;
      }
      return;
    }
    const reason = this.#weird4(src, dst, iif);
    if (reason !== Reason.None) {
      this.#d.martian(reason, iif);
      return;
    }
    resolver.resolve(4, f, 0, false, steps);
    this.#d.take(0, false, 0);
    if (a.verdict === Verdict.Drop) return;
    const { type } = resolver.route!;
    if (type === 'broadcast' && iif !== 0 && r.bcForwards(iif)) {
      if (this.#isForwardValid(iif, dst)) a.verdict = Verdict.Forward;
      return;
    }
    if (type === 'local' || type === 'broadcast') {
      if (this.#isSourceValid(iif, type === 'local' ? dst : 0, 0)) {
        a.verdict = Verdict.Deliver;
        // Which next hop a local route names makes no difference to what is delivered.
        if (a.doubt === Doubt.Multipath) a.doubt = Doubt.None;
        this.#d.legs = 0;
      }
      return;
    }
    const forwards = r.forwards(4, iif);
    if (forwards === false) {
      this.#d.drop(Reason.ForwardingOff, iif);
      return;
    }
    if (type !== 'unicast') {
      this.#d.martian(Reason.UnroutableType, iif);
      return;
    }
    if (!this.#isForwardValid(iif, dst)) return;
    a.verdict = Verdict.Forward;
    if (forwards === null && a.doubt === Doubt.None) a.doubt = Doubt.ForwardingUnknown;
  }

  /** "The most weird martians, which can be not detected by fib_lookup": ip_route_input_slow. */
  #weird4(src: number, dst: number, iif: number): Reason {
    const { routing: r } = this.#d;
    if (src === 0) return Reason.ZeroSource;
    if (dst === 0) return Reason.ZeroDestination;
    if (isLoopback4(dst)) return r.routeLocalnet(iif) ? Reason.None : Reason.LoopbackDestination;
    return isLoopback4(src) && !r.routeLocalnet(iif) ? Reason.LoopbackSource : Reason.None;
  }

  /** ip_check_mc_rcu, then ip_mc_validate_source. */
  #multicast4(iif: number): void {
    const { flow: f, answer: a, routing: r } = this.#d;
    const src = f.src[0]!;
    const dst = f.dst[0]!;
    const members = r.groups4?.get(dst);
    const isMember =
      r.groups4 === null ? dst !== ALL_HOSTS || this.#isUp(iif) : iif === 0 || members?.has(iif) === true;
    if (!isMember) {
      a.kind = Kind.Multicast;
      this.#d.drop(Reason.NotMember, iif);
      return;
    }
    if (isMulticast4(src)) this.#d.martian(Reason.GroupSource, iif);
    else if (src === LBCAST) this.#d.martian(Reason.GroupSource, iif);
    else if (isLoopback4(src) && !r.routeLocalnet(iif)) this.#d.martian(Reason.LoopbackSource, iif);
    else if (src === 0 && !isLocalMulticast4(dst) && f.proto !== IGMP)
      this.#d.martian(Reason.ZeroSource, iif);
    else if (src === 0 || this.#isSourceValid(iif, 0, 0)) {
      a.kind = Kind.Multicast;
      a.verdict = Verdict.Deliver;
      a.ifIndex = iif;
      if (dst !== ALL_HOSTS && (r.groups4 === null || iif === 0)) a.doubt = Doubt.Membership;
    }
  }

  #isUp(ifIndex: number): boolean {
    const link = this.#d.routing.links.link(ifIndex);
    return link === undefined || (link.flags & IFF_UP) !== 0;
  }

  #decide6(q: RouteQuery, iif: number, steps: RouteStep[] | null): void {
    const { flow: f, answer: a, routing, resolver } = this.#d;
    // ip6_rcv_core drops these before it asks for a route; `ip route get` does not pass through it.
    if (!q.asked) {
      if (isMulticast6(f.src[0]!)) {
        this.#d.martian(Reason.GroupSource, iif);
        return;
      }
      if (isLoopback6(f.src) || isLoopback6(f.dst)) {
        this.#d.martian(Reason.Loopback6, iif);
        return;
      }
    } else f.uid = q.uidKnown ? q.uid : INVALID_UID;
    const isStrict = needsStrict(f.dst);
    resolver.resolve(6, f, iif, isStrict, steps);
    this.#d.take(0, false, isStrict && resolver.route?.route.nhid === null ? iif : 0);
    if (a.verdict === Verdict.Drop) return;
    const { type } = resolver.route!;
    if (type === 'local' || type === 'anycast') {
      a.verdict = Verdict.Deliver;
      return;
    }
    if (type === 'multicast' || isMulticast6(f.dst[0]!)) {
      a.verdict = Verdict.Deliver;
      if (!isAllNodes(f.dst) && a.doubt === Doubt.None) a.doubt = Doubt.Membership;
      return;
    }
    const forwards = routing.forwards(6, iif);
    if (forwards === false) {
      this.#d.drop(Reason.ForwardingOff, iif);
      return;
    }
    const isScoped = isZero(f.src) || isMulticast6(f.src[0]!) || isLoopback6(f.src) || isLinkLocal6(f.src);
    if (isScoped && this.#d.device() !== iif) {
      this.#d.drop(Reason.SourceScope, iif);
      return;
    }
    a.verdict = Verdict.Forward;
    if (forwards === null && a.doubt === Doubt.None) a.doubt = Doubt.ForwardingUnknown;
  }

  /** The source check; unless the source passes, the answer is made martian. See SourceCheck. */
  #isSourceValid(iif: number, dst: number, oif: number): boolean {
    const reason = this.#sourceCheck.check(this.#d.flow, iif, dst, oif);
    if (reason === Reason.None) return true;
    this.#d.martian(reason, iif);
    return false;
  }

  /**
   * The source check of what is forwarded. How strict it is depends on the device that the packet would leave by
   * (__mkroute_input), so on a multipath route the hash decides: the answer is certain only where all legs agree.
   */
  #isForwardValid(iif: number, dst: number): boolean {
    const { answer: a, flow, resolver } = this.#d;
    const reason = this.#sourceCheck.check(flow, iif, dst, this.#d.device());
    if (this.#d.legs === 0) {
      if (reason === Reason.None) return true;
      this.#d.martian(reason, iif);
      return false;
    }
    const { hops } = resolver.route!;
    let isOpen = false;
    for (const hop of hops)
      if (
        hop.usable &&
        (this.#sourceCheck.check(flow, iif, dst, hop.ifIndex) === Reason.None) !== (reason === Reason.None)
      )
        isOpen = true;
    if (reason !== Reason.None) this.#d.martian(reason, iif);
    if (isOpen) a.doubt = Doubt.MultipathSource;
    else if (reason !== Reason.None) this.#d.legs = 0;
    return reason === Reason.None;
  }
}

/** TCP, UDP, DCCP, SCTP, UDP-Lite. */
function hasPorts(proto: number): boolean {
  return proto === 6 || proto === 17 || proto === 33 || proto === 132 || proto === 136;
}

/** ff01::1 and ff02::1 are every node's. RFC 4291 §2.8 */
function isAllNodes(words: Int32Array): boolean {
  const group = words[0]!;
  const isNear = group === (0xff010000 | 0) || group === (0xff020000 | 0);
  return isNear && words[1] === 0 && words[2] === 0 && words[3] === 1;
}

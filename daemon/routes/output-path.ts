import { IFF_UP } from '../kernel/netlink-constants.ts';
import {
  LBCAST,
  isLocalMulticast4,
  isLoopback4,
  isMulticast4,
  isZero,
  needsStrict,
} from '../../decoders/address-class.ts';
import { Kind, Reason, Stage, Verdict } from './answer.ts';
import { hasRival } from './choose-hop.ts';
import type { Decision } from './decision.ts';
import { LOOPBACK_IFINDEX } from './links.ts';
import { ownerOf } from './owner.ts';
import type { RouteQuery } from './query.ts';
import type { RouteStep } from './resolve.ts';
import { Doubt } from './rules.ts';

/** What this host sends: ip_route_output_key_hash_rcu of net/ipv4/route.c, ip6_route_output_flags of net/ipv6/route.c. */
export class OutputPath {
  readonly #d: Decision;

  constructor(decision: Decision) {
    this.#d = decision;
  }

  /** @param seen interface that the packet was seen leaving by; 0 when it was not */
  decide(q: RouteQuery, seen: number, steps: RouteStep[] | null): void {
    const { flow: f, answer: a, routing } = this.#d;
    const { links } = routing;
    a.stage = Stage.Output;
    f.iif = LOOPBACK_IFINDEX;
    f.uid = q.uid;
    f.uidKnown = q.uidKnown;
    f.oifPossible = seen;
    f.oif = q.oif;
    f.l3Master = links.l3Master(q.oif === 0 ? seen : q.oif);
    // A VRF device directs the lookup to its table, and is no next hop's device. l3mdev_update_flow
    if (q.oif !== 0 && q.oif === f.l3Master) f.oif = 0;
    if (q.version === 6) this.#decide6(seen, steps);
    else this.#decide4(q.oif, seen, steps);
  }

  #decide6(seen: number, steps: RouteStep[] | null): void {
    const { flow: f, resolver } = this.#d;
    // A bound socket without a source (RT6_LOOKUP_F_IFACE) sends by its device or not at all.
    const isStrict = needsStrict(f.dst) || (f.oif !== 0 && isZero(f.src));
    const oif = f.oif !== 0 ? f.oif : isStrict ? seen : 0;
    resolver.resolve(6, f, oif, isStrict, steps);
    this.#d.take(seen, false, isStrict && resolver.route?.route.nhid === null ? oif : 0);
  }

  #decide4(oif: number, seen: number, steps: RouteStep[] | null): void {
    const { flow: f, answer: a, routing, resolver } = this.#d;
    const src = f.src[0]!;
    const dst = f.dst[0]!;
    const isGroup = dst === LBCAST || isMulticast4(dst);
    if (src !== 0 && (isMulticast4(src) || src === LBCAST)) {
      this.#d.martian(Reason.GroupSource, seen);
      return;
    }
    if (oif !== 0) {
      const link = routing.links.link(oif);
      if (link !== undefined && (link.flags & IFF_UP) === 0) {
        this.#d.withoutRoute(Kind.NoRoute);
        this.#d.drop(Reason.DeviceDown, oif);
        return;
      }
      if (dst === LBCAST || isLocalMulticast4(dst)) {
        this.#onLink(oif);
        return;
      }
    } else if (isGroup && (src !== 0 || seen !== 0)) {
      this.#sendToGroup(src, seen);
      return;
    }
    if (dst === 0) {
      this.#d.withoutRoute(Kind.Local);
      a.verdict = Verdict.Deliver;
      a.ifIndex = LOOPBACK_IFINDEX;
      return;
    }
    resolver.resolve(4, f, 0, false, steps);
    this.#d.take(seen, f.oif !== 0, 0);
    if (a.verdict === Verdict.Drop) {
      // "Apparently, routing tables are wrong": what a bound socket sends is taken to be on its link.
      if (oif !== 0 && (isMulticast4(dst) || f.l3Master === 0)) this.#onLink(oif);
      return;
    }
    if (f.oif === 0 && a.doubt === Doubt.None && hasRival(resolver, f.tos)) a.doubt = Doubt.Gateways;
    if (isLoopback4(src) && a.verdict !== Verdict.Deliver && this.#isLoopbackRefused()) return;
    if (!isGroup) return;
    // Asked without a source: __mkroute_output takes the type from the address.
    a.kind = dst === LBCAST ? Kind.Broadcast : Kind.Multicast;
    a.verdict = Verdict.Send;
  }

  /** The table is not asked: the device is the one that has the source address, or the socket's choice. */
  #sendToGroup(src: number, seen: number): void {
    const { flow: f, answer: a, routing } = this.#d;
    const owner = src === 0 ? -1 : ownerOf(routing, 4, f.src);
    this.#onLink(owner > 0 ? owner : seen);
    if (a.verdict === Verdict.Drop || seen === 0) return;
    if (owner <= 0 || !routing.links.carries(owner, seen)) a.doubt = Doubt.MulticastDevice;
  }

  /** Sent by a device without a route. */
  #onLink(device: number): void {
    const { flow: f, answer: a } = this.#d;
    const dst = f.dst[0]!;
    if (this.#refusesLoopback(device)) {
      this.#d.martian(Reason.LoopbackSource, device);
      return;
    }
    this.#d.withoutRoute(dst === LBCAST ? Kind.Broadcast : isMulticast4(dst) ? Kind.Multicast : Kind.OnLink);
    a.verdict = Verdict.Send;
    a.reason = Reason.None;
    a.ifIndex = device;
  }

  /** A loopback source does not leave the host, but where route_localnet is set. __mkroute_output */
  #refusesLoopback(device: number): boolean {
    const { flow: f, routing } = this.#d;
    return isLoopback4(f.src[0]!) && !routing.links.isLoopback(device) && !routing.routeLocalnet(device);
  }

  #isLoopbackRefused(): boolean {
    const { answer: a, resolver } = this.#d;
    const device = this.#d.device();
    if (!this.#refusesLoopback(device)) return false;
    const isOpen = this.#d.legs > 0;
    const { hops } = resolver.route!;
    this.#d.martian(Reason.LoopbackSource, device);
    if (isOpen && hops.some((hop) => hop.usable && !this.#refusesLoopback(hop.ifIndex)))
      a.doubt = Doubt.MultipathSource;
    else this.#d.legs = 0;
    return true;
  }
}

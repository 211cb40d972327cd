import { Reason } from './answer.ts';
import { LOOPBACK_IFINDEX } from './links.ts';
import { Outcome, Resolver } from './resolve.ts';
import type { Routing } from './routing.ts';
import { Flow } from './rules.ts';

/** The check of an IPv4 source address on input: own addresses, and the reverse path. */
export class SourceCheck {
  readonly #routing: Routing;
  readonly #resolver: Resolver;
  /** Looks the other way: to the source. */
  readonly #reverse = new Flow();

  constructor(routing: Routing) {
    this.#routing = routing;
    this.#resolver = new Resolver(routing);
  }

  /**
   * fib_validate_source of net/ipv4/fib_frontend.c, Linux 6.18.
   * @param f   the packet's flow
   * @param iif interface it came in on, 0 when unknown
   * @param dst the word that the reverse lookup uses as its source: the destination, or 0 for groups
   * @param oif device that the packet would leave by; 0 when it is delivered
   * @returns None when the source may pass, else why not
   */
  check(f: Flow, iif: number, dst: number, oif: number): Reason {
    const r = this.#routing;
    const filter = r.rpFilter(iif);
    // A packet that turns round is checked in full, where redirects are sent for it.
    if (iif === 0 || (filter === 0 && (oif !== iif || !r.sendRedirects(iif)))) {
      if (iif !== 0 && r.acceptLocal(iif)) return Reason.None;
      // Without an interface there is nothing to check against, but an own address is no stranger's anywhere.
      if (iif === 0 || (!r.hasCustomLocalRoutes && !r.v4.hasCustomRules))
        return r.v4.addresses.find(f.src, 32) < 0 ? Reason.None : Reason.OwnSource;
    }
    const b = this.#reverse;
    b.dst[0] = f.src[0]!;
    b.src[0] = dst;
    b.tos = f.tos;
    b.iif = oif === 0 ? LOOPBACK_IFINDEX : oif;
    b.l3Master = f.l3Master;
    const usesMark = r.srcValidMark(iif);
    b.mark = usesMark ? f.mark : 0;
    b.markKnown = !usesMark || f.markKnown;
    b.proto = f.proto;
    b.sport = f.dport;
    b.dport = f.sport;
    this.#resolver.resolve(4, b, 0, false, null);
    const { outcome, route } = this.#resolver;
    if (outcome !== Outcome.Route || route === null) return lastResort(filter);
    const { type } = route;
    if (type !== 'unicast' && !(type === 'local' && r.acceptLocal(iif)))
      return type === 'local' ? Reason.OwnSource : Reason.ReversePathType;
    for (const { ifIndex } of route.hops)
      if (ifIndex === iif || r.links.l3Master(ifIndex) === iif) return Reason.None;
    if (type === 'local' && iif === LOOPBACK_IFINDEX) return Reason.None;
    if (!r.hasAddress4.has(iif) && !r.isText) return lastResort(filter);
    return filter === 1 ? Reason.ReversePathStrict : Reason.None;
  }
}

/** No way back was found: only a filter minds. */
function lastResort(filter: number): Reason {
  if (filter === 0) return Reason.None;
  return filter === 1 ? Reason.ReversePathStrict : Reason.ReversePathLoose;
}

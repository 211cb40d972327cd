import { PacketType } from '../../decoders/packet-fields.ts';
import { LBCAST, isMulticast4, isZero, needsStrict } from '../../decoders/address-class.ts';
import { type Answer, Kind, Observed, Reason, Stage, Verdict } from './answer.ts';
import { Decision } from './decision.ts';
import { InputPath } from './input-path.ts';
import { OutputPath } from './output-path.ts';
import { ownerOf } from './owner.ts';
import type { RouteQuery } from './query.ts';
import type { RouteStep } from './resolve.ts';
import type { Routing } from './routing.ts';
import { Doubt } from './rules.ts';

/** Decides as the kernel's route lookups do, Linux 6.18. Allocates nothing without `steps`. */
export class Decider {
  readonly answer: Answer;
  readonly #routing: Routing;
  readonly #decision: Decision;
  readonly #output: OutputPath;
  readonly #input: InputPath;

  constructor(routing: Routing) {
    this.#routing = routing;
    this.#decision = new Decision(routing);
    this.answer = this.#decision.answer;
    this.#output = new OutputPath(this.#decision);
    this.#input = new InputPath(this.#decision);
  }

  /** How many next hops the last answer's route has, when the kernel's hash decides which it takes; else 0. */
  get openLegs(): number {
    return this.#decision.legs;
  }

  /** Decides one packet into `answer`. @param steps gets one entry a rule tried, or null */
  decide(q: RouteQuery, steps: RouteStep[] | null): void {
    this.#decision.begin(q);
    const { links } = this.#routing;
    if (q.pktType === PacketType.OtherHost || (q.ifIndex !== 0 && links.isBridgePort(q.ifIndex))) {
      this.answer.kind = Kind.NotRouted;
      return;
    }
    const { src } = this.#decision.flow;
    const local = ownerOf(this.#routing, q.version, src) !== -1;
    // What this host sends is looked up before it is cut.
    if (q.isFragment && !local) this.#decision.flow.hidePorts();
    // What a VRF device shows as leaving came in by one of its ports (vrf_ip_rcv), unless this host sends it.
    const isInVrf = q.pktType === PacketType.Outgoing && !q.asked && !local && links.isVrf(q.ifIndex);
    const isOutgoing = q.pktType === PacketType.Outgoing && !isInVrf;
    if (isOutgoing || (q.pktType === PacketType.Unknown && local)) {
      const seen = q.pktType === PacketType.Outgoing && !q.asked ? q.ifIndex : 0;
      // Without a source the packet is this host's own (DHCP, duplicate address detection).
      if (local || isZero(src)) this.#output.decide(q, seen, steps);
      else if (q.asked && !this.#routing.isText) this.#askedForeign(q, steps);
      else this.#forward(q, seen, steps);
      if (seen !== 0) this.#compare(seen);
      return;
    }
    // A packet on a port of a bond goes on as the bond's, on one of a VRF as the VRF's, except where its address means something
    // on that link alone (vrf_ip_rcv, vrf_ip6_rcv); the kernel is asked about the interface that is named.
    let iif = q.ifIndex === 0 || q.asked ? q.ifIndex : links.routedIndex(q.ifIndex);
    if (!q.asked && iif !== 0 && (q.version === 4 || !needsStrict(this.#decision.flow.dst)))
      iif = links.l3Master(iif) || iif;
    if (!q.asked && local && iif !== 0 && links.isLoopback(iif)) this.#loopedBack(q, steps);
    else this.#input.decide(q, iif, steps);
  }

  /** Packets on the loopback device carry the route they left with: the input lookup is not done. */
  #loopedBack(q: RouteQuery, steps: RouteStep[] | null): void {
    const a = this.answer;
    this.#output.decide(q, 0, steps);
    a.stage = Stage.Input;
    if (a.verdict === Verdict.Send) a.verdict = Verdict.Deliver;
  }

  /** `ip route get D from S` with an S that is not here: the kernel refuses for IPv4, and does not mind for IPv6. */
  #askedForeign(q: RouteQuery, steps: RouteStep[] | null): void {
    if (q.version === 6) {
      this.#output.decide(q, 0, steps);
      return;
    }
    const src = this.#decision.flow.src[0]!;
    this.answer.stage = Stage.Output;
    if (isMulticast4(src) || src === LBCAST) this.#decision.martian(Reason.GroupSource, 0);
    else this.#decision.drop(Reason.SourceNotLocal, 0);
  }

  /** What was seen leaving and is not this host's: it came in somewhere, which is not known. */
  #forward(q: RouteQuery, seen: number, steps: RouteStep[] | null): void {
    const { answer: a, flow: f, resolver } = this.#decision;
    a.stage = Stage.Forward;
    f.iif = 0;
    f.iifKnown = false;
    resolver.resolve(q.version, f, 0, false, steps);
    this.#decision.take(seen, false, 0);
    if (a.verdict === Verdict.Send) a.verdict = Verdict.Forward;
    if (q.asked && a.doubt === Doubt.None) a.doubt = Doubt.SourceUnknown;
  }

  /** Compares the predicted device with the one that the packet was seen leaving by. */
  #compare(seen: number): void {
    const a = this.answer;
    const { links } = this.#routing;
    let agrees = false;
    if (a.verdict === Verdict.Deliver) agrees = links.isLoopback(seen);
    else if (a.verdict !== Verdict.Drop)
      agrees = links.carries(a.route === -1 ? a.ifIndex : this.#decision.device(), seen);
    a.observed = agrees ? Observed.Agrees : Observed.Differs;
    if (!agrees && a.doubt === Doubt.None) a.doubt = Doubt.Observed;
  }
}

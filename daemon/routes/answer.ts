import { Doubt } from './rules.ts';
import type { CompiledRoute } from './shapes.ts';

/** Where in the kernel's path the decision falls. */
export const Stage = { None: 0, Output: 1, Forward: 2, Input: 3 } as const;
export type Stage = (typeof Stage)[keyof typeof Stage];

/** What happens to the packet. */
export const Verdict = { None: 0, Deliver: 1, Forward: 2, Send: 3, Drop: 4 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** The predicted device against the one the packet was seen leaving by. */
export const Observed = { NotApplicable: 0, Agrees: 1, Differs: 2 } as const;
export type Observed = (typeof Observed)[keyof typeof Observed];

/** What the type of a decision comes from: the route, or one of these. */
export const Kind = {
  Route: 0,
  NoRoute: 1,
  Martian: 2,
  NotRouted: 3,
  Multicast: 4,
  Broadcast: 5,
  Local: 6,
  /** The action of the rule that rejected. */
  RuleAction: 7,
  /** Sent by the device that the socket is bound to, as no route says otherwise. */
  OnLink: 8,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** Why a packet is dropped; the sentences are in `reasons.ts`. */
export const Reason = {
  None: 0,
  NoRoute: 1,
  RouteRejects: 2,
  RuleRejects: 3,
  ForwardingOff: 4,
  LoopbackSource: 5,
  GroupSource: 6,
  ZeroSource: 7,
  OwnSource: 8,
  ReversePathStrict: 9,
  ReversePathLoose: 10,
  ReversePathType: 11,
  LoopbackDestination: 12,
  ZeroDestination: 13,
  UnroutableType: 14,
  SourceNotLocal: 15,
  SourceScope: 16,
  /** A multicast group that this host is not in. */
  NotMember: 17,
  DeviceDown: 18,
  GroupFrame: 19,
  Loopback6: 20,
} as const;
export type Reason = (typeof Reason)[keyof typeof Reason];

/** The parts of one answer as numbers: what makes two answers the same decision. */
export class Answer {
  kind: Kind = Kind.NoRoute;
  stage: Stage = Stage.None;
  verdict: Verdict = Verdict.None;
  observed: Observed = Observed.NotApplicable;
  reason: Reason = Reason.None;
  doubt: Doubt = Doubt.None;
  version: 4 | 6 = 4;
  /** Numbers of the rule, the rule in doubt and the route (in the store of its family); -1 for none. */
  rule = -1;
  doubtRule = -1;
  route = -1;
  /** The route without its prefix, or null. */
  shape: CompiledRoute | null = null;
  /** Next hop within the route, or -1. */
  hop = -1;
  /** The interface that the reason speaks of, or that a packet without a route goes to; 0 for none. */
  ifIndex = 0;

  /** Back to "no answer". */
  clear(version: 4 | 6): void {
    this.version = version;
    this.shape = null;
    this.kind = Kind.NoRoute;
    this.stage = Stage.None;
    this.verdict = Verdict.None;
    this.observed = Observed.NotApplicable;
    this.reason = Reason.None;
    this.doubt = Doubt.None;
    this.rule = -1;
    this.doubtRule = -1;
    this.route = -1;
    this.hop = -1;
    this.ifIndex = 0;
  }
}

import { isMulticast6 } from '../../decoders/address-class.ts';
import { IpProto, PacketType } from '../../decoders/packet-fields.ts';
import type { RouteSample } from '../mirror/messages.ts';
import { type RouteEngine, RouteQuery } from '../routes/engine.ts';

/** Interfaces are drained one after the other: packets may be so much older than one before. More is a clock set back. */
const BEHIND_SEC = 2;

/**
 * Takes some of the questions that packets raise, to be put to the kernel as well: at most `rate` a second (of packet time) and
 * namespace. The kernel is asked as `ip route get` asks it, so the same question is put to our tables in that form.
 */
export class RouteSampler {
  /** Samples a second and namespace; 0: none. */
  rate: number;
  readonly #query = new RouteQuery();
  readonly #budgets = new Map<string, { sec: number; left: number }>();
  #samples: RouteSample[] = [];

  constructor(rate: number) {
    this.rate = rate;
  }

  /** Takes a sample, when one is due. @param q the packet's question, as it was just answered */
  offer(netnsId: string, engine: RouteEngine, q: RouteQuery, nowSec: number): void {
    if (this.rate === 0) return;
    let budget = this.#budgets.get(netnsId);
    if (budget === undefined) {
      budget = { sec: nowSec, left: this.rate };
      this.#budgets.set(netnsId, budget);
    } else if (nowSec > budget.sec || nowSec < budget.sec - BEHIND_SEC) {
      budget.sec = nowSec;
      budget.left = this.rate;
    }
    if (budget.left === 0) return;
    budget.left--;
    this.#samples.push(this.#make(netnsId, engine, q));
  }

  /** What was taken since the last call. */
  take(): RouteSample[] {
    if (this.#samples.length === 0) return this.#samples;
    const samples = this.#samples;
    this.#samples = [];
    return samples;
  }

  /** Forgets a namespace that is gone. */
  remove(netnsId: string): void {
    this.#budgets.delete(netnsId);
  }

  #make(netnsId: string, engine: RouteEngine, q: RouteQuery): RouteSample {
    const isOutput = q.pktType === PacketType.Outgoing;
    const a = this.#query;
    a.version = q.version;
    a.src.set(q.src);
    a.dst.set(q.dst);
    if (q.version === 4) {
      a.src.fill(0, 1);
      a.dst.fill(0, 1);
    }
    a.asked = true;
    a.pktType = isOutput ? PacketType.Outgoing : PacketType.Host;
    a.ifIndex = isOutput ? 0 : q.ifIndex;
    a.markKnown = true;
    a.uid = 0;
    a.uidKnown = true;
    a.tos = q.tos;
    const hasPorts = q.l4Known && (q.proto === IpProto.TCP || q.proto === IpProto.UDP);
    // Without a protocol the kernel takes UDP for IPv4 (inet_rtm_getroute), and none for IPv6.
    a.proto = hasPorts ? q.proto : q.version === 4 ? IpProto.UDP : 0;
    a.sport = hasPorts ? q.sport : 0;
    a.dport = hasPorts ? q.dport : 0;
    a.l4Known = true;
    const isAskable = isOutput ? engine.explain(q).decision.stage === 'output' : isInput(q);
    const { decision } = engine.explain(a);
    return {
      netnsId,
      version: q.version,
      dst: octets(a.dst, q.version),
      src: octets(a.src, q.version),
      iifIndex: a.ifIndex,
      tos: q.tos,
      proto: hasPorts ? q.proto : 0,
      sport: a.sport,
      dport: a.dport,
      decision: isAskable ? decision : null,
      compared: {
        version: q.version,
        isInput: !isOutput,
        isMerged: q.version === 4 && engine.hasDefaultRules4,
      },
      others: isAskable ? engine.alternatives(a) : [],
    };
  }
}

/** The kernel does not answer for IPv6 groups that come in (rt6_fill_node: EMSGSIZE), nor for what is not for this host. */
function isInput(q: RouteQuery): boolean {
  if (q.ifIndex === 0 || q.pktType === PacketType.OtherHost || q.pktType === PacketType.Unknown) return false;
  return q.version === 4 || !isMulticast6(q.dst[0]!);
}

/** Network order. */
function octets(words: Int32Array, version: 4 | 6): Uint8Array {
  const bytes = new Uint8Array(version === 4 ? 4 : 16);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < bytes.length / 4; i++) view.setInt32(i * 4, words[i]!);
  return bytes;
}

import { IpProto, type PacketFields } from '../../decoders/packet-fields.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { PacketTagger } from '../flow/table-options.ts';
import { type RouteEngine, RouteQuery } from '../routes/engine.ts';

/** The generation is kept in 16 bits of a flow, and 0 means "never tagged". */
const MAX_GENERATION = 0xffff;

/** The answer where nothing is known of the namespace's routes: a plain replay, or a dump that has not arrived yet. */
const UNKNOWN: RouteDecision = {
  type: 'unknown',
  verdict: null,
  rule: null,
  table: null,
  prefix: null,
  gateway: null,
  dev: null,
  scope: null,
  protocol: null,
  metric: null,
  prefsrc: null,
  stage: null,
  observed: 'n/a',
  confidence: 'exact',
  reason: 'no routing data: replay with --routes or --snapshot, or capture live',
  text: null,
};

/** The answer for what came inside a tunnel. */
const INSIDE_TUNNEL: RouteDecision = {
  ...UNKNOWN,
  reason: 'inside a tunnel: where it was seen, the kernel routed the outer packet',
};

interface TaggedCapture {
  netnsId: string;
  ifIndex: number;
}

interface Engine {
  engine: RouteEngine;
  /** Our decision number by the engine's. */
  numbers: number[];
}

/**
 * Gives packets their route decision: one engine a namespace, and one list of distinct decisions for all of them, whose
 * numbers flow records carry. Strings and objects are made once per distinct answer.
 */
export class RouteTagger implements PacketTagger {
  generation = 1;
  readonly #engines = new Map<string, Engine>();
  readonly #captures: (TaggedCapture | undefined)[] = [];
  readonly #query = new RouteQuery();
  readonly #numbers = new Map<string, number>();
  readonly #constants = new Map<RouteDecision, number>();
  #fresh: RouteDecision[] = [];
  #count = 0;

  /** Says which namespace and interface a capture point is on. @param ifIndex 0 when unknown */
  setCapture(captureIndex: number, netnsId: string, ifIndex: number): void {
    this.#captures[captureIndex] = { netnsId, ifIndex };
  }

  /** Puts a namespace's tables in force for the packets from now on. */
  setRoutes(netnsId: string, engine: RouteEngine): void {
    this.#engines.set(netnsId, { engine, numbers: [] });
    this.generation = this.generation === MAX_GENERATION ? 1 : this.generation + 1;
  }

  tag(view: DataView, f: PacketFields): number {
    const capture = this.#captures[f.captureIndex];
    const entry = capture === undefined ? undefined : this.#engines.get(capture.netnsId);
    if (capture === undefined || entry === undefined) return this.#constant(UNKNOWN);
    const q = this.#query;
    const words = f.ipVersion === 6 ? 4 : 1;
    q.version = f.ipVersion === 6 ? 6 : 4;
    for (let i = 0; i < words; i++) {
      q.src[i] = view.getInt32(f.srcOff + i * 4);
      q.dst[i] = view.getInt32(f.dstOff + i * 4);
    }
    q.pktType = f.pktType;
    q.ifIndex = capture.ifIndex;
    q.proto = f.ipProto;
    // ICMP's type and code, which stand in the same fields, are no ports to a rule.
    const hasPorts = f.hasPorts && f.ipProto !== IpProto.ICMP && f.ipProto !== IpProto.ICMPV6;
    q.sport = hasPorts ? f.srcPort : 0;
    q.dport = hasPorts ? f.dstPort : 0;
    q.l4Known = f.hasPorts || f.isFragment;
    q.isFragment = f.isFragment;
    q.tos = f.tos;
    const id = entry.engine.lookup(q);
    const known = entry.numbers[id];
    if (known !== undefined) return known;
    const number = this.#number(entry.engine.decision(id));
    entry.numbers[id] = number;
    return number;
  }

  tagInner(): number {
    return this.#constant(INSIDE_TUNNEL);
  }

  /** Decisions first given since the last call, with the number of the first; null when there is none. */
  takeNew(): { base: number; list: RouteDecision[] } | null {
    if (this.#fresh.length === 0) return null;
    const list = this.#fresh;
    this.#fresh = [];
    return { base: this.#count - list.length, list };
  }

  /** The number of UNKNOWN or INSIDE_TUNNEL: asked for by each flow, so it is not looked up by content. */
  #constant(decision: RouteDecision): number {
    let number = this.#constants.get(decision);
    if (number === undefined) {
      number = this.#number(decision);
      this.#constants.set(decision, number);
    }
    return number;
  }

  #number(decision: RouteDecision): number {
    const key = JSON.stringify(decision);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#count);
    this.#fresh.push(decision);
    return this.#count++;
  }
}

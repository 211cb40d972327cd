import { IpProto, type PacketFields } from '../../decoders/packet-fields.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { PacketTagger } from '../flow/table-options.ts';
import { type RouteEngine, RouteQuery } from '../routes/engine.ts';
import { eachOp } from '../routes/route-tables.ts';
import { DecisionNumbers } from './decision-numbers.ts';
import { RouteChanges } from './route-changes.ts';
import { RouteSampler } from './route-sampler.ts';

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

/** Decisions that are kept for who watches. */
const SHOWN_MAX = 1024;

/** The generation is kept in 16 bits of a flow, and 0 means "never tagged". */
const MAX_GENERATION = 0xffff;

interface TaggedCapture {
  netnsId: string;
  ifIndex: number;
  /** Of its namespace, so that no packet has to look for it; undefined: its tables are not known. */
  entry: Engine | undefined;
}

interface Engine {
  engine: RouteEngine;
  /** Epoch of the engine that `numbers` are of. */
  epoch: number;
  /** Our decision number + 1 by the engine's; 0: not known. */
  numbers: Int32Array;
  /** Decisions by the engine's number, for who watches, and their epoch. */
  shown: Map<number, RouteDecision>;
  shownEpoch: number;
  changes: RouteChanges;
  /** Changes are known that are not in force yet: the kernel may answer otherwise. */
  isBehind: boolean;
  /** Time from which the last change holds: whole seconds and nanoseconds. */
  sinceSec: number;
  sinceNsec: number;
}

/**
 * Gives packets their route decision: one engine a namespace, and one list of distinct decisions for all of them, whose
 * numbers flow records carry. Strings and objects are made once per distinct answer.
 */
export class RouteTagger implements PacketTagger {
  generation = 1;
  isWaiting = false;
  onStartOver: (() => void) | null = null;
  readonly sampler: RouteSampler;
  readonly #engines = new Map<string, Engine>();
  /** An engine that comes back has the numbers that it had. */
  readonly #known = new WeakMap<RouteEngine, Engine>();
  readonly #captures: (TaggedCapture | undefined)[] = [];
  readonly #query = new RouteQuery();
  readonly #numbers = new DecisionNumbers();
  readonly #constants = new Map<RouteDecision, number>();
  #fresh: RouteDecision[] = [];
  /** Called by a packet of a time from which changes wait to be put in force. */
  onDue: ((atMs: number) => void) | null = null;
  /** That time: whole seconds and nanoseconds; Infinity for none. */
  #dueSec = Infinity;
  #dueNsec = 0;

  /** @param auditRate see RouteSampler */
  constructor(auditRate = 0) {
    this.sampler = new RouteSampler(auditRate);
  }

  /** Says which namespace and interface a capture point is on. @param ifIndex 0 when unknown */
  setCapture(captureIndex: number, netnsId: string, ifIndex: number): void {
    this.#captures[captureIndex] = { netnsId, ifIndex, entry: this.#engines.get(netnsId) };
  }

  /** Puts a namespace's tables in force for the packets from now on. */
  setRoutes(netnsId: string, engine: RouteEngine): void {
    let entry = this.#known.get(engine);
    if (entry === undefined) {
      const { epoch } = engine;
      const numbers = new Int32Array(64);
      const changes = new RouteChanges();
      const shown = new Map<number, RouteDecision>();
      entry = {
        engine,
        epoch,
        numbers,
        shown,
        shownEpoch: epoch,
        changes,
        isBehind: false,
        sinceSec: 0,
        sinceNsec: 0,
      };
      this.#known.set(engine, entry);
    }
    // Nothing that was decided before holds, and generations may have started over while another engine was in force.
    entry.changes.reset();
    this.#engines.set(netnsId, entry);
    this.#point(netnsId);
    this.changeAll(netnsId);
  }

  /** The rules, interfaces or settings of a namespace's engine changed: every decision of it is made anew. */
  changeAll(netnsId: string): void {
    const entry = this.#engines.get(netnsId);
    if (entry === undefined) return;
    this.#next();
    entry.changes.changeAll(this.generation);
  }

  /** Says whether a namespace's tables are known to lack changes: then its decisions are not to be compared with the kernel's. */
  setBehind(netnsId: string, isBehind: boolean): void {
    const entry = this.#engines.get(netnsId);
    if (entry !== undefined) entry.isBehind = isBehind;
  }

  /** Says from when on the next changes of a namespace hold. @param atMs milliseconds since the epoch */
  changesSince(netnsId: string, atMs: number): void {
    const entry = this.#engines.get(netnsId);
    if (entry === undefined) return;
    entry.sinceSec = Math.floor(atMs / 1000);
    entry.sinceNsec = Math.floor((atMs % 1000) * 1_000_000);
  }

  /** Operations of RouteOps, in words [from, to), were carried out in a namespace's engine. */
  changeRoutes(netnsId: string, ops: Int32Array, from: number, to: number): void {
    const entry = this.#engines.get(netnsId);
    if (entry === undefined || from === to) return;
    this.#next();
    eachOp(ops, from, to, (family, first, len) => entry.changes.change(family, first, len, this.generation));
  }

  /** The namespace is gone. */
  removeRoutes(netnsId: string): void {
    this.#engines.delete(netnsId);
    this.#point(netnsId);
    this.sampler.remove(netnsId);
  }

  /**
   * Says that changes wait, which hold for packets from a time on: `onDue` is called by the first one.
   * @param atMs milliseconds since the epoch; Infinity: none wait
   */
  expect(atMs: number): void {
    this.isWaiting = atMs !== Infinity;
    this.#dueSec = atMs === Infinity ? Infinity : Math.floor(atMs / 1000);
    this.#dueNsec = atMs === Infinity ? 0 : Math.floor((atMs % 1000) * 1_000_000);
  }

  arrive(f: PacketFields): void {
    if (f.tsSec > this.#dueSec || (f.tsSec === this.#dueSec && f.tsNsec >= this.#dueNsec))
      this.onDue?.(f.tsSec * 1000 + f.tsNsec / 1e6);
  }

  heldUntil(view: DataView, f: PacketFields, generation: number): number {
    const entry = this.#captures[f.captureIndex]?.entry;
    // Without tables the answer is that there are none, until there are.
    if (entry === undefined) return generation === 0 ? -1 : this.generation;
    // Of before the last change, from a ring that is read after another: what was decided then stays.
    // Not so after a clock that was set back: it would stay for that long.
    const behindSec = entry.sinceSec - f.tsSec;
    if (behindSec === 1 || (behindSec === 0 && f.tsNsec < entry.sinceNsec)) return generation;
    const family = f.ipVersion === 6 ? 6 : 4;
    const { changes } = entry;
    const holds =
      changes.holds(family, view.getInt32(f.dstOff), generation) &&
      changes.holds(family, view.getInt32(f.srcOff), generation);
    return holds ? this.generation : -1;
  }

  tag(view: DataView, f: PacketFields): number {
    const capture = this.#captures[f.captureIndex];
    const entry = capture?.entry;
    if (capture === undefined || entry === undefined) return this.#constant(UNKNOWN);
    const q = this.#ask(view, f, capture.ifIndex);
    const id = entry.engine.lookup(q);
    // As an int32: a double would be boxed for the call.
    if (!entry.isBehind) this.sampler.offer(capture.netnsId, entry.engine, q, f.tsSec | 0);
    if (entry.epoch !== entry.engine.epoch) {
      entry.epoch = entry.engine.epoch;
      entry.numbers.fill(0);
    }
    const known = id < entry.numbers.length ? entry.numbers[id]! : 0;
    if (known !== 0) return known - 1;
    const number = this.#number(entry.engine.decision(id));
    if (id >= entry.numbers.length) {
      const larger = new Int32Array(Math.max(id + 1, entry.numbers.length * 2));
      larger.set(entry.numbers);
      entry.numbers = larger;
    }
    entry.numbers[id] = number + 1;
    return number;
  }

  /**
   * The decision for this packet, for who watches: as `tag`, but it is neither numbered nor audited.
   */
  decide(view: DataView, f: PacketFields): RouteDecision {
    const capture = this.#captures[f.captureIndex];
    const entry = capture?.entry;
    if (capture === undefined || entry === undefined) return UNKNOWN;
    const id = entry.engine.lookup(this.#ask(view, f, capture.ifIndex));
    if (entry.shownEpoch !== entry.engine.epoch || entry.shown.size >= SHOWN_MAX) {
      entry.shownEpoch = entry.engine.epoch;
      entry.shown.clear();
    }
    let decision = entry.shown.get(id);
    if (decision === undefined) {
      decision = entry.engine.decision(id);
      entry.shown.set(id, decision);
    }
    return decision;
  }

  /** What to ask the engine for a packet. */
  #ask(view: DataView, f: PacketFields, ifIndex: number): RouteQuery {
    const q = this.#query;
    const words = f.ipVersion === 6 ? 4 : 1;
    q.version = f.ipVersion === 6 ? 6 : 4;
    for (let i = 0; i < words; i++) {
      q.src[i] = view.getInt32(f.srcOff + i * 4);
      q.dst[i] = view.getInt32(f.dstOff + i * 4);
    }
    q.pktType = f.pktType;
    q.ifIndex = ifIndex;
    q.proto = f.ipProto;
    // ICMP's type and code, which stand in the same fields, are no ports to a rule.
    const hasPorts = f.hasPorts && f.ipProto !== IpProto.ICMP && f.ipProto !== IpProto.ICMPV6;
    q.sport = hasPorts ? f.srcPort : 0;
    q.dport = hasPorts ? f.dstPort : 0;
    q.l4Known = f.hasPorts || f.isFragment;
    q.isFragment = f.isFragment;
    q.tos = f.tos;
    return q;
  }

  tagInner(): number {
    return this.#constant(INSIDE_TUNNEL);
  }

  /** Decisions first given since the last call, with the number of the first; null when there is none. */
  takeNew(): { base: number; list: RouteDecision[] } | null {
    if (this.#fresh.length === 0) return null;
    const list = this.#fresh;
    this.#fresh = [];
    return { base: this.#numbers.count - list.length, list };
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
    const before = this.#numbers.count;
    const number = this.#numbers.numberOf(decision);
    if (this.#numbers.count !== before) this.#fresh.push(decision);
    return number;
  }

  #point(netnsId: string): void {
    const entry = this.#engines.get(netnsId);
    for (const capture of this.#captures) if (capture?.netnsId === netnsId) capture.entry = entry;
  }

  #next(): void {
    if (this.generation < MAX_GENERATION) {
      this.generation++;
      return;
    }
    this.generation = 1;
    for (const { changes } of this.#engines.values()) changes.reset();
    this.onStartOver?.();
  }
}

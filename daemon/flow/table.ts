import { isChecksumBad } from '../../decoders/checksum.ts';
import { IpProto, type PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import { type TunnelFields, TunnelType } from '../../decoders/tunnel-fields.ts';
import { EndReasonCode } from '../../storage/flow-batch.ts';
import { FlowsAhead } from './ahead.ts';
import { beginFlow } from './begin-flow.ts';
import { dateAsLatest, FlowClock } from './clock.ts';
import { countPacket, flowSeqOf } from './counters.ts';
import { deadlineOf, isLongBefore } from './deadline.ts';
import { FlowExtras } from './extras.ts';
import { FlowIndex } from './flow-index.ts';
import { noteDatagram } from './history.ts';
import { type InnerFlows, tunnelKeyId } from './inner-flows.ts';
import { FlowKey, hashKey } from './key.ts';
import { moveStart } from './move-start.ts';
import { noteRanges } from './ranges.ts';
import { type Slab, writeRecord } from './record.ts';
import { isAnother, MAX_DELTA, mayBeAnother } from './reuse.ts';
import { writeRouteChange } from './route-change.ts';
import { createSlab, SharedSlab, type SlabShared } from './slab.ts';
import * as layout from './slot.ts';
import { type FlowTableOptions, MAX_CAPTURES, type PacketTagger, type RecordSink } from './table-options.ts';
import { isTcpOver } from './tcp-state.ts';
import type { TimestampProbes } from './tcp-timestamps.ts';
import { noteBadChecksum, trackTcp } from './tcp-track.ts';
import type { TroubleTable } from './trouble.ts';
import { laneOf, VictimHand } from './victim.ts';
import { Lane, TimerWheel } from './wheel.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { Ok } = Status;
const { TCP, UDP } = IpProto;
const { BIT, D, F, FAR_WORDS, farOf, KEY_TUNNEL_SHIFT, NEAR_WORDS, nearOf, W } = layout;

/**
 * The flow table: bidirectional flows in one slab of typed arrays, keyed by capture point, VLAN ids, protocol and both
 * endpoints. Bounded; allocates nothing per packet. Memory is reserved whole but touched only as flows come.
 */
export class FlowTable implements Slab {
  /** Its memory, for another thread to look at; see openSlab. */
  readonly shared: SlabShared;
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly bytes: Uint8Array;
  readonly inner: InnerFlows | null;
  /** null: neither hints nor payload are kept. */
  readonly extras: FlowExtras | null;
  readonly trouble: TroubleTable;
  /** Packets that are put elsewhere may move it, too. */
  readonly clock: FlowClock;
  readonly probes: TimestampProbes;
  /** By capture index: flows held now, and flows ended early because the table was full. */
  readonly alive = new Int32Array(MAX_CAPTURES);
  readonly evicted = new Float64Array(MAX_CAPTURES);
  /** By capture index: last records of a flow that were lost because the queue to storage was full. */
  readonly shed = new Float64Array(MAX_CAPTURES);
  /** By capture index: changes of a route decision that were lost for the same reason. */
  readonly shedRouteChanges = new Float64Array(MAX_CAPTURES);
  /** Flows held now, and created since the start. */
  live = 0;
  created = 0;
  /** Slots that were looked at to make room for one flow, at most so far. */
  victimVisits = 0;

  readonly ahead: FlowsAhead;

  readonly #options: FlowTableOptions;
  readonly #sink: RecordSink;
  readonly #tagger: PacketTagger;
  readonly #index: FlowIndex;
  readonly #wheel: TimerWheel;
  readonly #key: FlowKey;
  readonly #slab: SharedSlab;
  #free = -1;
  #used = 0;
  readonly #hand = new VictimHand();
  /** The slot that was taken last for a new flow; -1: none. */
  #newest = -1;
  /** A slot that was just ended and is still in its wheel bucket: the next flow takes it over there. */
  #recycled = -1;
  /** A slot that was just emptied and taken out of the wheel. */
  #vacated = -1;
  readonly #visit = (slot: number): void => this.#onTimer(slot);
  readonly #hashOf = (slot: number): number => this.#hashSlot(slot);

  constructor(options: FlowTableOptions, sink: RecordSink, tagger: PacketTagger) {
    this.#options = options;
    this.#sink = sink;
    this.#tagger = tagger;
    this.#index = new FlowIndex(options.maxFlows);
    this.shared = createSlab(options.maxFlows, options.tunnels === true);
    this.#slab = new SharedSlab(this.shared, true);
    const { words, doubles, bytes, inner, trouble, probes } = this.#slab;
    this.words = words;
    this.doubles = doubles;
    this.bytes = bytes;
    this.inner = inner;
    this.trouble = trouble;
    this.probes = probes;
    const { hints = false, payloadOctets = 0 } = options;
    const hasExtras = hints || payloadOctets > 0;
    this.extras = hasExtras ? new FlowExtras(options.maxFlows, hints, payloadOctets, MAX_CAPTURES) : null;
    this.#wheel = new TimerWheel(this.words);
    this.clock = new FlowClock(this.#wheel, this.#visit);
    this.#key = new FlowKey(options.seed);
    this.ahead = new FlowsAhead(this, this.#index, this.#key);
    tagger.onStartOver = () => this.#forgetDecisions();
  }

  /**
   * Counts one decoded IP packet on its flow.
   * @param view the bytes that `f`'s offsets point into
   * @param f    result of decodePacket with status Ok and ipVersion 4 or 6
   * @param guess the slot in which its flow may be, see FlowsAhead; -1: not known
   * @returns the flow's slot, good until the next packet
   */
  packet(view: DataView, f: PacketFields, guess = -1): number {
    const isUndated = f.tsSec !== this.#wheel.now && this.clock.packet(f, this.live);
    const { words, doubles } = this;
    const side = this.#key.set(view, f);
    let slot = this.#index.locate(guess, this.#key, words, this.inner);
    if (isUndated && slot >= 0) dateAsLatest(this, slot, f);
    if (
      slot >= 0 &&
      mayBeAnother(doubles, slot, f) &&
      (isAnother(words, doubles, slot, side, f) || isLongBefore(this, slot, this.#options.timeouts, f))
    ) {
      this.#end(slot, EndReasonCode.idle);
      this.#recycled = slot;
      slot = -1;
    }
    if (slot < 0) slot = this.#create(side, view, f);
    this.#count(slot, side, view, f);
    if (this.extras !== null && f.payloadLen > 0) this.extras.packet(view, f, slot, this.flowSeq(slot), side);
    return slot;
  }

  /**
   * Counts one packet that came inside a tunnel on its flow. Only with the option `tunnels`.
   * @param f        the inner packet, see decodeTunnel
   * @param t        the tunnel it came in
   * @param outerSeq `flowSeq` of the flow that carried it; -1: that one is not kept
   * @returns the flow's slot, good until the next packet
   */
  innerPacket(view: DataView, f: PacketFields, t: TunnelFields, outerSeq: number): number {
    const created = this.created;
    this.#key.tunnelType = t.type;
    this.#key.tunnelId = tunnelKeyId(t);
    const slot = this.packet(view, f);
    this.#key.tunnelType = TunnelType.none;
    this.#key.tunnelId = 0;
    if (this.created !== created) this.inner!.begin(slot, t, outerSeq);
    return slot;
  }

  /** Number of the flow in a slot, from 0 in the order in which flows began. */
  flowSeq(slot: number): number {
    return flowSeqOf(this.words, slot);
  }

  /** Moves time forward when no packet does it: expires idle flows and writes checkpoints. @param sec epoch seconds */
  tick(sec: number): void {
    this.clock.move(sec, this.live);
  }

  /** Writes every flow that has changed since it was written last. @returns false when the queue has no room to spare */
  checkpoint(): boolean {
    const due = BIT.live | BIT.dirty;
    for (let slot = 0; slot < this.#used; slot++)
      if ((this.words[nearOf(slot) + W.bits]! & due) === due)
        if (!this.#write(slot, EndReasonCode.active, true)) return false;
    return true;
  }

  /**
   * Ends every flow, with `reason` for those that were neither closed nor reset, and starts over: the next packet may
   * have an earlier time.
   */
  endAll(reason: 'shutdown' | 'eof'): void {
    for (let slot = 0; slot < this.#used; slot++) {
      if ((this.words[nearOf(slot) + W.bits]! & BIT.live) !== 0) this.#end(slot, EndReasonCode[reason]);
    }
    this.clock.reset();
    this.#key.reset();
    this.#used = 0;
    this.#free = -1;
    this.#recycled = -1;
    this.#newest = -1;
    this.#hand.reset();
  }

  /** Ends every flow of one capture point (its interface or namespace is gone). */
  endCapture(captureIndex: number): void {
    for (let slot = 0; slot < this.#used; slot++) {
      const base = nearOf(slot);
      if ((this.words[base + W.bits]! & BIT.live) === 0) continue;
      if ((this.words[base + W.key]! & 0xffff) === captureIndex) this.#end(slot, EndReasonCode.shutdown);
    }
    this.#wheel.sweep((slot) => (this.words[nearOf(slot) + W.bits]! & BIT.live) === 0 && this.#release(slot));
  }

  /** Puts a slot that is in no list any more into the free list. @returns true */
  #release(slot: number): boolean {
    this.words[farOf(this.words, nearOf(slot)) + F.next] = this.#free + 1;
    this.#free = slot;
    return true;
  }

  #create(side: number, view: DataView, f: PacketFields): number {
    const words = this.words;
    if (this.#recycled < 0 && this.#free < 0 && this.#used >= this.#options.maxFlows) this.#makeRoom();
    let slot = this.#recycled;
    const linked = slot >= 0;
    if (linked) this.#recycled = -1;
    else if (this.#vacated >= 0) {
      slot = this.#vacated;
      this.#vacated = -1;
    } else if (this.#free >= 0) {
      slot = this.#free;
      this.#free = words[farOf(words, nearOf(slot)) + F.next]! - 1;
    } else {
      slot = this.#used++;
      this.#slab.used = this.#used;
    }
    const base = nearOf(slot);
    const far = farOf(words, base);
    const next = words[far + F.next]!;
    words.fill(0, base, base + NEAR_WORDS);
    words.fill(0, far, far + FAR_WORDS);
    this.#key.write(words, base);
    beginFlow(this, slot, side, view, f, this.created);
    words[far + F.checkpointDelta] = this.#options.checkpointSec;
    this.created++;
    this.live++;
    this.alive[f.captureIndex]!++;
    this.#index.insert(this.#key.hash(), slot);
    this.extras?.begin(slot);
    if (linked) words[far + F.next] = next;
    else this.#schedule(slot);
    this.#newest = slot;
    return slot;
  }

  #count(slot: number, side: number, view: DataView, f: PacketFields): void {
    const words = this.words;
    const doubles = this.doubles;
    const base = nearOf(slot);
    const dbase = base >>> 1;

    const delta = f.tsSec - doubles[dbase + D.startSec]!; // fits: see isAnother
    const last = words[base + W.lastDelta]!;
    if (delta > last || (delta === last && f.tsNsec > words[base + W.lastNsec]!)) {
      words[base + W.lastDelta] = delta;
      words[base + W.lastNsec] = f.tsNsec;
    } else if (delta < 0 || (delta === 0 && f.tsNsec < words[farOf(words, base) + F.startNsec]!))
      moveStart(words, doubles, slot, f.tsSec, f.tsNsec);

    const isFirst = countPacket(words, slot, side, f.wireLen, f.ipLen, f.payloadLen);

    noteRanges(words, base, side, isFirst, f);

    if (f.isChecksumFinal && f.l4Status === Ok && isChecksumBad(view, f)) noteBadChecksum(this, slot, side);
    else if (f.ipProto === UDP)
      noteDatagram(words, slot, side === ((words[base + W.bits]! & BIT.origIsHi) !== 0 ? 1 : 0));
    else if (f.ipProto === TCP && f.hasPorts) {
      words[base + W.flags]! |= f.tcpFlags << (8 * side);
      if (f.l4Status === Ok) trackTcp(this, slot, side, view, f);
    }

    // Before the generation of the flow is read: a change may make all generations start over.
    if (this.#tagger.isWaiting) this.#tagger.arrive(f);
    if (((words[base + W.routeGen]! >>> (16 * side)) & 0xffff) !== this.#tagger.generation)
      this.#decide(slot, side, view, f, isFirst);
    words[base + W.bits]! |= BIT.dirty;
  }

  /** Sees to the route decision of a side, whose generation is not the one in force. @param isFirst its first packet */
  #decide(slot: number, side: number, view: DataView, f: PacketFields, isFirst: boolean): void {
    const words = this.words;
    const base = nearOf(slot);
    const shift = 16 * side;
    const { generation } = this.#tagger;
    const gens = words[base + W.routeGen]!;
    let stamp = isFirst ? -1 : this.#tagger.heldUntil(view, f, (gens >>> shift) & 0xffff);
    if (stamp < 0) {
      const isInner = words[base + W.key]! >>> KEY_TUNNEL_SHIFT !== 0;
      const decision = isInner ? this.#tagger.tagInner() : this.#tagger.tag(view, f);
      const route = farOf(words, base) + F.route0 + side;
      if (!isFirst && decision !== words[route]) this.#routeChanged(slot, side, decision);
      words[route] = decision;
      stamp = generation;
    }
    words[base + W.routeGen] = (gens & ~(0xffff << shift)) | (stamp << shift);
  }

  /** Every decision is to be looked at again. */
  #forgetDecisions(): void {
    for (let slot = 0; slot < this.#used; slot++) this.words[nearOf(slot) + W.routeGen] = 0;
  }

  #routeChanged(slot: number, side: number, decision: number): void {
    const batch = this.#sink.changes();
    if (batch === null) this.shedRouteChanges[this.words[nearOf(slot) + W.key]! & 0xffff]!++;
    else writeRouteChange(this, slot, side, decision, batch);
    this.words[nearOf(slot) + W.bits]! |= BIT.routeChanged0 << side;
  }

  #deadline(slot: number): number {
    return deadlineOf(this, slot, this.#options.timeouts, this.#wheel.now);
  }

  #schedule(slot: number): void {
    let at = this.#deadline(slot);
    if (this.#options.checkpointSec > 0) {
      const start = this.doubles[(nearOf(slot) >>> 1) + D.startSec]!;
      at = Math.min(at, start + this.words[farOf(this.words, nearOf(slot)) + F.checkpointDelta]!);
    }
    this.#wheel.schedule(slot, at, laneOf(this, slot));
  }

  #onTimer(slot: number): void {
    const now = this.#wheel.now;
    const base = nearOf(slot);
    const live = (this.words[base + W.bits]! & BIT.live) !== 0;
    if (!live || this.#deadline(slot) <= now) {
      // After a flood very many time out at once. They can wait until storage has taken what there is.
      if (live && laneOf(this, slot) === Lane.unproven && this.#sink.batch(true) === null) {
        this.#wheel.schedule(slot, now + 1, Lane.unproven);
        return;
      }
      if (live) this.#end(slot, EndReasonCode.idle);
      this.#release(slot);
      return;
    }
    const every = this.#options.checkpointSec;
    if (every > 0) {
      const age = Math.min(now - this.doubles[(nearOf(slot) >>> 1) + D.startSec]!, MAX_DELTA - every);
      const at = farOf(this.words, base) + F.checkpointDelta;
      if (age >= this.words[at]!) {
        // A full queue loses nothing here: the record stays dirty and is written one period later.
        if ((this.words[base + W.bits]! & BIT.dirty) !== 0) this.#write(slot, EndReasonCode.active, false);
        // On the grid that begins with the flow, also after a pause: a row of its time series is one step of it.
        this.words[at] = age - (age % every) + every;
      }
    }
    this.#schedule(slot);
  }

  /** Writes the record of a slot. @param isSpare see RecordSink @returns false when the queue was full */
  #write(slot: number, reason: number, isSpare: boolean): boolean {
    const batch = this.#sink.batch(isSpare);
    if (batch === null) return false;
    writeRecord(this, slot, batch, reason);
    const at = nearOf(slot) + W.bits;
    const orig = (this.words[at]! & BIT.origIsHi) !== 0 ? 1 : 0;
    this.extras?.write(slot, this.flowSeq(slot), orig, batch);
    this.words[at] = (this.words[at]! | BIT.written) & ~BIT.dirty;
    return true;
  }

  #hashSlot(slot: number): number {
    const base = nearOf(slot);
    const tails = farOf(this.words, base) + F.tails;
    return hashKey(this.words, base, tails, this.#options.seed, this.inner?.keyIds[slot] ?? 0);
  }

  /** Writes the last record of a flow and takes it out of the index. Its slot stays in the wheel, which frees it. */
  #end(slot: number, reason: number): void {
    const base = nearOf(slot);
    const captureIndex = this.words[base + W.key]! & 0xffff;
    this.alive[captureIndex]!--;
    if (!this.#write(slot, reason, reason === EndReasonCode.evicted)) this.shed[captureIndex]!++;
    this.#index.remove(this.#hashSlot(slot), slot, this.#hashOf);
    this.extras?.end(slot);
    this.trouble.release(this.words, slot);
    this.words[base + W.bits] = 0;
    this.live--;
  }

  /** Takes a slot for the next flow when all are in use, and ends the flow that is in it. */
  #makeRoom(): void {
    const hand = this.#hand;
    const slot = hand.choose(this, this.#wheel, this.#newest, this.#wheel.now);
    if (hand.visits > this.victimVisits) this.victimVisits = hand.visits;
    if (hand.isLinked) this.#recycled = slot;
    else this.#vacated = slot;
    const base = nearOf(slot);
    const bits = this.words[base + W.bits]!;
    if ((bits & BIT.live) === 0) return;
    // One that is over has only its linger cut short: its record is whole.
    if (isTcpOver(bits)) this.#end(slot, EndReasonCode.idle);
    else {
      this.evicted[this.words[base + W.key]! & 0xffff]!++;
      this.#end(slot, EndReasonCode.evicted);
    }
  }
}

import { HINT_TEXT_MAX, Hint, HintKind, type HintText } from '../../decoders/hints/hint.ts';
import { readHint } from '../../decoders/hints/read-hint.ts';
import { IpProto, type PacketFields } from '../../decoders/packet-fields.ts';
import type { FlowBatch } from '../../storage/flow-batch.ts';
import { ExtraKind } from '../../storage/flow-extras.ts';
import { FirstMessages } from './first-messages.ts';

/** Memory of all entries together, at most; it is touched only as flows need them. */
const POOL_BYTES = 256 * 2 ** 20;
/** Payload packets of each direction that are read for hints. Bits 0-2 and 3-5 of a slot's state count them. */
const TRIES = 4;
const TRY_BITS = 3;
const TRY_MASK = (1 << TRY_BITS) - 1;
/** The first message of side s is not whole yet: bit 6 and 7. */
const IN_MESSAGE0 = 1 << 6;
/** No entry was left for the flow; counted. */
const REFUSED = 1 << 8;

/** Words of an entry. `…0` is side 0, side 1 follows. */
const E = { kind: 0, nameLen: 1, detailLen: 2, code: 3, rcode: 4, id: 5, dirty: 6, nextSeq0: 7 } as const;
const WORDS = 9;
/** `dirty` for what never was written; else 1 + the side that was originator then, and this when something changed. */
const CHANGED = 4;

/**
 * What flows have beyond their slot when hints or payload are asked for. Entries are taken as flows need them from a pool of
 * fixed size: most flows of a flood have no payload, and cost 6 octets. A flow for which none is left goes without,
 * and is counted. Allocates nothing per packet.
 */
export class FlowExtras {
  /** By capture index: flows that went without because the pool was empty. */
  readonly shed: Float64Array;
  readonly #hints: boolean;
  readonly #octets: number;
  /** Of each slot: its entry + 1, or 0; and how far its hints are read. */
  readonly #entries: Int32Array;
  readonly #states: Uint16Array;
  readonly #words: Int32Array;
  /** Two texts an entry. */
  readonly #texts: Uint8Array;
  /** Two payloads an entry, and their lengths. */
  readonly #payloads: Uint8Array;
  readonly #lengths: Uint16Array;
  readonly #size: number;
  /** Entries that were given back: a list through E.kind. */
  #free = -1;
  #used = 0;
  readonly #hint = new Hint();
  readonly #messages = new FirstMessages();

  /**
   * @param maxFlows      slots of the flow table
   * @param hints         read hints
   * @param payloadOctets kept of each direction, at most 1024; 0: none
   * @param captures      capture points that `shed` tells apart
   */
  constructor(maxFlows: number, hints: boolean, payloadOctets: number, captures: number) {
    const perEntry = WORDS * 4 + 4 + (hints ? 2 * HINT_TEXT_MAX : 0) + 2 * payloadOctets;
    this.#size = Math.min(maxFlows, Math.floor(POOL_BYTES / perEntry));
    this.shed = new Float64Array(captures);
    this.#hints = hints;
    this.#octets = payloadOctets;
    this.#entries = new Int32Array(maxFlows);
    this.#states = new Uint16Array(maxFlows);
    this.#words = new Int32Array(this.#size * WORDS);
    this.#texts = new Uint8Array(hints ? this.#size * 2 * HINT_TEXT_MAX : 0);
    this.#payloads = new Uint8Array(this.#size * 2 * payloadOctets);
    this.#lengths = new Uint16Array(this.#size * 2);
  }

  /** Starts over for a slot that a new flow was put into. */
  begin(slot: number): void {
    this.#states[slot] = 0;
  }

  /** Gives the entry of a flow back that is over, after `write`. */
  end(slot: number): void {
    const entry = this.#entries[slot]! - 1;
    if (entry < 0) return;
    this.#words[entry * WORDS + E.kind] = this.#free;
    this.#free = entry;
    this.#entries[slot] = 0;
  }

  /**
   * Takes what a packet with payload says of its flow.
   * @param flowSeq number of the flow
   * @param side    the sender (0 lo, 1 hi)
   */
  packet(view: DataView, f: PacketFields, slot: number, flowSeq: number, side: number): void {
    const off = f.payloadOff;
    if (off < 0 || (f.isFragment && f.fragOff > 0)) return;
    const end = Math.min(f.l4End, off + f.payloadLen);
    if (end <= off) return;
    if (this.#hints) {
      const state = this.#states[slot]!;
      if (((state >>> (TRY_BITS * side)) & TRY_MASK) < TRIES || (state & (IN_MESSAGE0 << side)) !== 0)
        this.#readHint(view, off, end, f, slot, flowSeq, side, state);
    }
    if (this.#octets > 0) this.#keep(view, off, end, f, slot, side);
  }

  #readHint(
    view: DataView,
    off: number,
    end: number,
    f: PacketFields,
    slot: number,
    flowSeq: number,
    side: number,
    state: number,
  ): void {
    const hint = this.#hint;
    const shift = TRY_BITS * side;
    const tries = (state >>> shift) & TRY_MASK;
    if (tries < TRIES) this.#states[slot] = (state & ~(TRY_MASK << shift)) | ((tries + 1) << shift);
    const nextSeq = (f.tcpSeq + f.payloadLen) | 0;
    const inMessage = IN_MESSAGE0 << side;
    const id = 2 * flowSeq + side;
    if ((state & inMessage) !== 0) {
      const messages = this.#messages;
      if (!messages.append(id, f.tcpSeq, nextSeq, view, off, end)) {
        // A segment again is no harm; but what does not come in the first packets is not waited for.
        if (tries >= TRIES) this.#states[slot] = this.#states[slot]! & ~inMessage;
        return;
      }
      const isFound = readHint(messages.view, messages.off, messages.end, f, hint);
      if (!hint.isPartial || messages.isFull) this.#states[slot] = this.#states[slot]! & ~inMessage;
      if (!isFound) return;
    } else {
      const isFound = readHint(view, off, end, f, hint);
      // Cut by the snaplen, what follows does not join on.
      if (hint.isPartial && end - off === f.payloadLen && f.ipProto === IpProto.TCP) {
        this.#messages.begin(id, nextSeq, view, off, end);
        this.#states[slot] = this.#states[slot]! | inMessage;
      }
      if (!isFound) return;
    }
    const entry = this.#entry(slot, f.captureIndex);
    if (entry >= 0) this.#merge(entry, side);
  }

  /** Adds what was read to what is known: the first of each thing stays. */
  #merge(entry: number, side: number): void {
    const hint = this.#hint;
    const words = this.#words;
    const base = entry * WORDS;
    if (words[base + E.kind] === HintKind.none) {
      words[base + E.kind] = hint.kind;
      words[base + E.id] = hint.id;
    } else if (words[base + E.kind] !== hint.kind) return;
    words[base + E.dirty] = words[base + E.dirty]! | CHANGED;
    // SSH has a banner of each side, others have texts of different meaning.
    const isSecond = hint.kind === HintKind.ssh && side === 1;
    this.#setText(entry, isSecond ? E.detailLen : E.nameLen, hint.name);
    if (hint.kind !== HintKind.ssh) this.#setText(entry, E.detailLen, hint.detail);
    if (words[base + E.code] === -1) words[base + E.code] = hint.code;
    // An answer is one to this question, or came without any.
    if (words[base + E.rcode] === -1 && words[base + E.id] === hint.id) words[base + E.rcode] = hint.rcode;
  }

  #setText(entry: number, lengthWord: number, text: HintText): void {
    const at = entry * WORDS + lengthWord;
    if (this.#words[at]! > 0 || text.length === 0) return;
    this.#words[at] = text.length;
    const off = (entry * 2 + (lengthWord === E.nameLen ? 0 : 1)) * HINT_TEXT_MAX;
    for (let i = 0; i < text.length; i++) this.#texts[off + i] = text.octets[i]!;
  }

  /** Keeps the first octets of a direction. Of TCP only what follows in sequence: nothing twice, no gap. */
  #keep(view: DataView, off: number, end: number, f: PacketFields, slot: number, side: number): void {
    const entry = this.#entry(slot, f.captureIndex);
    if (entry < 0) return;
    const at = entry * 2 + side;
    const had = this.#lengths[at]!;
    if (had >= this.#octets) return;
    let from = off;
    if (f.ipProto === IpProto.TCP) {
      const word = entry * WORDS + E.nextSeq0 + side;
      if (had > 0) {
        const ahead = (f.tcpSeq - this.#words[word]!) | 0;
        if (ahead > 0) return;
        from = off - ahead;
      }
      if (from >= end) return;
      this.#words[word] = (f.tcpSeq + (end - off)) | 0;
    }
    const take = Math.min(end - from, this.#octets - had);
    const to = at * this.#octets + had;
    for (let i = 0; i < take; i++) this.#payloads[to + i] = view.getUint8(from + i);
    this.#lengths[at] = had + take;
    this.#words[entry * WORDS + E.dirty] = this.#words[entry * WORDS + E.dirty]! | CHANGED;
  }

  /** The entry of a slot, taken from the pool if it has none; -1: none is left. */
  #entry(slot: number, captureIndex: number): number {
    let entry = this.#entries[slot]! - 1;
    if (entry >= 0) return entry;
    if (this.#free >= 0) {
      entry = this.#free;
      this.#free = this.#words[entry * WORDS + E.kind]!;
    } else if (this.#used < this.#size) entry = this.#used++;
    else {
      if ((this.#states[slot]! & REFUSED) === 0) this.shed[captureIndex]!++;
      this.#states[slot] = this.#states[slot]! | REFUSED;
      return -1;
    }
    const base = entry * WORDS;
    for (let i = 0; i < WORDS; i++) this.#words[base + i] = 0;
    this.#words[base + E.code] = -1;
    this.#words[base + E.rcode] = -1;
    this.#lengths[entry * 2] = 0;
    this.#lengths[entry * 2 + 1] = 0;
    this.#entries[slot] = entry + 1;
    return entry;
  }

  /** Writes what changed since the last record of a flow behind the one just written. @param orig side of the originator */
  write(slot: number, flowSeq: number, orig: number, batch: FlowBatch): void {
    const entry = this.#entries[slot]! - 1;
    if (entry < 0) return;
    const base = entry * WORDS;
    if (this.#words[base + E.dirty] === 1 + orig) return;
    this.#words[base + E.dirty] = 1 + orig;
    let at = batch.extraLength;
    const kind = this.#words[base + E.kind]!;
    if (kind !== HintKind.none) at = this.#writeHint(entry, kind, flowSeq, orig, batch, at);
    for (let side = 0; side < 2; side++) {
      const length = this.#lengths[entry * 2 + side]!;
      if (length === 0) continue;
      const extraKind = side === orig ? ExtraKind.payloadFwd : ExtraKind.payloadRev;
      at = batch.extras.begin(at, flowSeq, extraKind, length);
      const from = (entry * 2 + side) * this.#octets;
      for (let i = 0; i < length; i++) batch.extras.octets[at + i] = this.#payloads[from + i]!;
      at += length;
    }
    batch.extraLength = at;
  }

  #writeHint(
    entry: number,
    kind: number,
    flowSeq: number,
    orig: number,
    batch: FlowBatch,
    at: number,
  ): number {
    const words = this.#words;
    const base = entry * WORDS;
    // The banners of SSH are kept by side; the client is the originator.
    const isTurned = kind === HintKind.ssh && orig === 1;
    return batch.extras.putHint(
      at,
      flowSeq,
      kind,
      this.#texts,
      (entry * 2 + (isTurned ? 1 : 0)) * HINT_TEXT_MAX,
      words[base + (isTurned ? E.detailLen : E.nameLen)]!,
      (entry * 2 + (isTurned ? 0 : 1)) * HINT_TEXT_MAX,
      words[base + (isTurned ? E.nameLen : E.detailLen)]!,
      words[base + E.code]!,
      words[base + E.rcode]!,
    );
  }
}

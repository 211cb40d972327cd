import type { PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import {
  DECISION_LENGTH_OFF,
  DECISION_NUMBER_OFF,
  DECISION_TEXT_OFF,
  DECISIONS,
  PACKET_OCTETS_OFF,
  PACKET_SEC_OFF,
  type PacketTapShared,
  PacketWord,
  RECORD_ALIGN,
  RecordKind,
  TAP_CAPTURES,
  TapWord,
} from './packet-tap-buffer.ts';
import type { PacketTest } from './packet-subject.ts';

/** Characters of each text of a decision that the reader is told. */
const TEXT_MAX = 1024;
/** Up to so many octets a loop is faster than a call into the runtime. */
const LOOP_MAX = 256;

/** Tells the route decision of the packet in `fields`. Called for IP packets that are wanted, and no others. */
export type RouteTeller = (view: DataView, fields: PacketFields) => RouteDecision;

/**
 * The capture thread's end of a tap: copies the packets that one reader wants, while there is room. A reader that is slow, or
 * gone, costs nothing but the count of what it missed. matched = copied + skipped, always.
 */
export class PacketTap {
  readonly #route: RouteTeller;
  readonly #test: PacketTest | null;
  readonly #wanted = new Uint8Array(TAP_CAPTURES);
  readonly #control: Int32Array;
  readonly #view: DataView;
  readonly #bytes: Buffer;
  /** The source's memory, whose `copy` needs no new object; made once for each ring. */
  #source = Buffer.alloc(0);
  readonly #snapLen: number;
  /** Octets; as of the last look. */
  #read = 0;
  #written = 0;
  /** Numbers of the decisions that the reader was told, and those decisions by number. */
  readonly #numbers = new Map<RouteDecision, number>();
  readonly #told: (RouteDecision | undefined)[] = new Array<undefined>(DECISIONS).fill(undefined);
  #nextNumber = 0;

  /**
   * @param route tells the decision of an IP packet
   * @param test  which packets are wanted; null: all
   */
  constructor(shared: PacketTapShared, route: RouteTeller, test: PacketTest | null) {
    this.#route = route;
    this.#test = test;
    this.#control = new Int32Array(shared.control);
    this.#view = new DataView(shared.buffer);
    this.#bytes = Buffer.from(shared.buffer);
    this.#snapLen = shared.snapLen;
  }

  /** Says whether packets of a capture point are wanted. */
  want(captureIndex: number, isWanted: boolean): void {
    this.#wanted[captureIndex] = isWanted ? 1 : 0;
  }

  /** Takes the packet that was just metered, if it is wanted. @param f as the meter left it */
  offer(view: DataView, off: number, capLen: number, f: PacketFields): void {
    if (this.#wanted[f.captureIndex] !== 1) return;
    if (this.#test !== null && !this.#test(view, f)) return;
    const decision = f.status === Status.Ok && f.ipVersion !== 0 ? this.#route(view, f) : null;
    const number = decision === null ? -1 : (this.#numbers.get(decision) ?? this.#tell(decision));
    // -2: there was no room for the decision.
    if (number === -2 || !this.#copy(view, off, capLen, f, number))
      Atomics.add(this.#control, TapWord.skipped, 1);
    Atomics.add(this.#control, TapWord.matched, 1);
  }

  /** @returns false when there is no room */
  #copy(view: DataView, off: number, capLen: number, f: PacketFields, decision: number): boolean {
    const octets = Math.min(capLen, this.#snapLen);
    const length = aligned(PACKET_OCTETS_OFF + octets);
    const at = this.#reserve(length);
    if (at < 0) return false;
    const to = this.#view;
    to.setInt32(at, length, true);
    to.setInt32(at + 4, RecordKind.packet, true);
    to.setInt32(at + PacketWord.nsec * 4, f.tsNsec, true);
    to.setInt32(at + PacketWord.captureIndex * 4, f.captureIndex, true);
    to.setInt32(at + PacketWord.linkType * 4, f.linkType, true);
    to.setInt32(at + PacketWord.pktType * 4, f.pktType, true);
    to.setInt32(at + PacketWord.wireLen * 4, f.wireLen, true);
    to.setInt32(at + PacketWord.capLen * 4, capLen, true);
    to.setInt32(at + PacketWord.octets * 4, octets, true);
    to.setInt32(at + PacketWord.tci * 4, f.strippedTci, true);
    to.setInt32(at + PacketWord.tpid * 4, f.strippedTpid, true);
    to.setInt32(at + PacketWord.decision * 4, decision, true);
    to.setFloat64(at + PACKET_SEC_OFF, f.tsSec, true);
    const start = at + PACKET_OCTETS_OFF;
    if (octets > LOOP_MAX) {
      if (this.#source.buffer !== view.buffer) this.#source = Buffer.from(view.buffer as ArrayBuffer);
      const from = view.byteOffset + off;
      this.#source.copy(this.#bytes, start, from, from + octets);
    } else {
      const whole = octets & ~3;
      for (let i = 0; i < whole; i += 4) to.setInt32(start + i, view.getInt32(off + i));
      for (let i = whole; i < octets; i++) to.setUint8(start + i, view.getUint8(off + i));
    }
    this.#commit(length);
    return true;
  }

  /** Tells the reader of a decision, once as long as it has its number. @returns its number; -2: no room */
  #tell(decision: RouteDecision): number {
    // The text of a route with many next hops has no bound.
    const text = Buffer.from(
      JSON.stringify(decision, (_, value: unknown) =>
        typeof value === 'string' ? value.slice(0, TEXT_MAX) : value,
      ),
    );
    const length = aligned(DECISION_TEXT_OFF + text.length);
    const at = this.#reserve(length);
    if (at < 0) return -2;
    const number = this.#nextNumber;
    this.#nextNumber = (number + 1) % DECISIONS;
    const before = this.#told[number];
    if (before !== undefined) this.#numbers.delete(before);
    this.#told[number] = decision;
    this.#numbers.set(decision, number);
    this.#view.setInt32(at, length, true);
    this.#view.setInt32(at + 4, RecordKind.decision, true);
    this.#view.setInt32(at + DECISION_NUMBER_OFF, number, true);
    this.#view.setInt32(at + DECISION_LENGTH_OFF, text.length, true);
    this.#bytes.set(text, at + DECISION_TEXT_OFF);
    this.#commit(length);
    return number;
  }

  /** Makes room for a record. @returns its offset, or -1 */
  #reserve(length: number): number {
    const size = this.#bytes.length;
    const at = this.#written & (size - 1);
    const toEnd = size - at;
    const pad = toEnd < length ? toEnd : 0;
    if (((this.#written - this.#read) | 0) + pad + length > size) {
      this.#read = Atomics.load(this.#control, TapWord.read);
      if (((this.#written - this.#read) | 0) + pad + length > size) return -1;
    }
    if (pad === 0) return at;
    this.#view.setInt32(at, pad, true);
    this.#view.setInt32(at + 4, RecordKind.pad, true);
    this.#written = (this.#written + pad) | 0;
    return 0;
  }

  #commit(length: number): void {
    this.#written = (this.#written + length) | 0;
    Atomics.store(this.#control, TapWord.written, this.#written);
  }
}

function aligned(length: number): number {
  return (length + RECORD_ALIGN - 1) & -RECORD_ALIGN;
}

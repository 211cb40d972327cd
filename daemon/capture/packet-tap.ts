import type { PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import type { RouteDecision, RouteVerdict } from '../../storage/route-decision.ts';
import type { PacketSink } from './packet-source.ts';

/** Octets of a packet that are copied, at most: every header of an ordinary one. */
export const TAP_OCTETS = 256;
/** Packets that can wait for the reader, a power of two. With a reader that comes every 20 ms: 50,000 a second. */
const SLOTS = 1024;
/** Characters of a route decision that are kept. */
const ROUTE_MAX = 192;
/** Capture points that can be selected. See MAX_CAPTURES in flow/table.ts. */
const CAPTURES = 65536;

// A slot: doubles, then words, then octets.
const SLOT_BYTES = 512;
const SEC_OFF = 0;
const WORDS_OFF = 8;
const OCTETS_OFF = 64;
const ROUTE_OFF = OCTETS_OFF + TAP_OCTETS;
/** Words of a slot from WORDS_OFF on. */
const F = {
  nsec: 0,
  captureIndex: 1,
  linkType: 2,
  pktType: 3,
  wireLen: 4,
  capLen: 5,
  octets: 6,
  tci: 7,
  tpid: 8,
  verdict: 9,
  routeLen: 10,
} as const;
/** Words of the control block: packets written and read so far, and those that found no room; all wrap. */
const WRITTEN = 0;
const READ = 1;
const SKIPPED = 2;
const CONTROL_WORDS = 4;

const VERDICTS: readonly (RouteVerdict | null)[] = [null, 'deliver', 'forward', 'send', 'drop'];

/** A tap as plain data, to hand to both threads. */
export interface PacketTapShared {
  control: SharedArrayBuffer;
  slots: SharedArrayBuffer;
  /** One octet a capture point: 1 where packets are wanted. */
  wanted: SharedArrayBuffer;
}

/** Allocates a tap: 580 KiB, touched only when it is used. */
export function createPacketTap(): PacketTapShared {
  return {
    control: new SharedArrayBuffer(CONTROL_WORDS * 4),
    slots: new SharedArrayBuffer(SLOTS * SLOT_BYTES),
    wanted: new SharedArrayBuffer(CAPTURES),
  };
}

/** Tells the route decision of the packet in `fields`. Called for IP packets that are copied, and no others. */
export type RouteTeller = (view: DataView, fields: PacketFields) => RouteDecision;

/**
 * The capture thread's end: a sink that hands every packet on to the meter and then copies it, while there is room. It stands
 * in the meter's place only while somebody watches, so that nothing is asked of a packet when nobody does. A reader that is
 * slow, or gone, costs nothing but the count of what it missed.
 */
export class PacketTap implements PacketSink {
  readonly fields: PacketFields;
  readonly #meter: PacketSink;
  readonly #route: RouteTeller;
  readonly #control: Int32Array;
  readonly #wanted: Uint8Array;
  readonly #view: DataView;
  /** As of the last look. */
  #read = 0;
  #written: number;

  constructor(shared: PacketTapShared, meter: PacketSink, route: RouteTeller) {
    this.fields = meter.fields;
    this.#meter = meter;
    this.#route = route;
    this.#control = new Int32Array(shared.control);
    this.#wanted = new Uint8Array(shared.wanted);
    this.#view = new DataView(shared.slots);
    this.#written = this.#control[WRITTEN]!;
  }

  packet(view: DataView, off: number, capLen: number): void {
    this.#meter.packet(view, off, capLen);
    if (this.#wanted[this.fields.captureIndex] !== 1) return;
    if (((this.#written - this.#read) | 0) >= SLOTS) {
      this.#read = Atomics.load(this.#control, READ);
      if (((this.#written - this.#read) | 0) >= SLOTS) {
        this.#control[SKIPPED]!++;
        return;
      }
    }
    this.#copy(view, off, capLen);
    this.#written = (this.#written + 1) | 0;
    Atomics.store(this.#control, WRITTEN, this.#written);
  }

  #copy(view: DataView, off: number, capLen: number): void {
    const f = this.fields;
    const to = this.#view;
    const base = (this.#written & (SLOTS - 1)) * SLOT_BYTES;
    const octets = Math.min(capLen, TAP_OCTETS);
    to.setFloat64(base + SEC_OFF, f.tsSec, true);
    const words = base + WORDS_OFF;
    to.setInt32(words + F.nsec * 4, f.tsNsec, true);
    to.setInt32(words + F.captureIndex * 4, f.captureIndex, true);
    to.setInt32(words + F.linkType * 4, f.linkType, true);
    to.setInt32(words + F.pktType * 4, f.pktType, true);
    to.setInt32(words + F.wireLen * 4, f.wireLen, true);
    to.setInt32(words + F.capLen * 4, capLen, true);
    to.setInt32(words + F.octets * 4, octets, true);
    to.setInt32(words + F.tci * 4, f.strippedTci, true);
    to.setInt32(words + F.tpid * 4, f.strippedTpid, true);
    const whole = octets & ~3;
    for (let i = 0; i < whole; i += 4) to.setInt32(base + OCTETS_OFF + i, view.getInt32(off + i));
    for (let i = whole; i < octets; i++) to.setUint8(base + OCTETS_OFF + i, view.getUint8(off + i));
    const route = f.status === Status.Ok && f.ipVersion !== 0 ? this.#route(view, f) : null;
    const text = route === null ? '' : (route.text ?? route.type);
    const length = Math.min(text.length, ROUTE_MAX);
    for (let i = 0; i < length; i++) to.setUint8(base + ROUTE_OFF + i, text.charCodeAt(i));
    to.setInt32(words + F.routeLen * 4, length, true);
    to.setInt32(words + F.verdict * 4, VERDICTS.indexOf(route?.verdict ?? null), true);
  }
}

/** A packet as the tap's reader gets it. */
export interface TappedPacket {
  captureIndex: number;
  linkType: number;
  tsSec: number;
  tsNsec: number;
  /** PacketType. */
  pktType: number;
  wireLen: number;
  capLen: number;
  /** Its own copy, at most TAP_OCTETS. */
  octets: Uint8Array;
  /** Of a VLAN tag that the kernel took out; -1 and 0 when there is none. */
  strippedTci: number;
  strippedTpid: number;
  route: string;
  verdict: RouteVerdict | null;
}

/** The other end, for one reader. */
export class PacketTapReader {
  readonly #control: Int32Array;
  readonly #wanted: Uint8Array;
  readonly #view: DataView;
  readonly #octets: Buffer;
  #skipped: number;

  constructor(shared: PacketTapShared) {
    this.#control = new Int32Array(shared.control);
    this.#wanted = new Uint8Array(shared.wanted);
    this.#view = new DataView(shared.slots);
    this.#octets = Buffer.from(shared.slots);
    this.#skipped = Atomics.load(this.#control, SKIPPED);
  }

  /** Says whether packets of a capture point are wanted. */
  want(captureIndex: number, isWanted: boolean): void {
    this.#wanted[captureIndex] = isWanted ? 1 : 0;
  }

  /** Packets that found no room since the last call. */
  takeSkipped(): number {
    const now = Atomics.load(this.#control, SKIPPED);
    const since = (now - this.#skipped) >>> 0;
    this.#skipped = now;
    return since;
  }

  /** Takes every packet that is there, oldest first. */
  take(): TappedPacket[] {
    const written = Atomics.load(this.#control, WRITTEN);
    const packets: TappedPacket[] = [];
    let read = this.#control[READ]!;
    for (; read !== written; read = (read + 1) | 0)
      packets.push(this.#packet((read & (SLOTS - 1)) * SLOT_BYTES));
    Atomics.store(this.#control, READ, read);
    return packets;
  }

  #packet(base: number): TappedPacket {
    const word = (field: number): number => this.#view.getInt32(base + WORDS_OFF + field * 4, true);
    const octets = base + OCTETS_OFF;
    const route = base + ROUTE_OFF;
    return {
      captureIndex: word(F.captureIndex),
      linkType: word(F.linkType),
      tsSec: this.#view.getFloat64(base + SEC_OFF, true),
      tsNsec: word(F.nsec),
      pktType: word(F.pktType),
      wireLen: word(F.wireLen) >>> 0,
      capLen: word(F.capLen) >>> 0,
      octets: Uint8Array.from(this.#octets.subarray(octets, octets + word(F.octets))),
      strippedTci: word(F.tci),
      strippedTpid: word(F.tpid),
      route: this.#octets.toString('latin1', route, route + word(F.routeLen)),
      verdict: VERDICTS[word(F.verdict)] ?? null,
    };
  }
}

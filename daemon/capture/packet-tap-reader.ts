import type { RouteDecision } from '../../storage/route-decision.ts';
import {
  DECISION_LENGTH_OFF,
  DECISION_NUMBER_OFF,
  DECISION_TEXT_OFF,
  PACKET_OCTETS_OFF,
  PACKET_SEC_OFF,
  type PacketTapShared,
  PacketWord,
  RecordKind,
  TapWord,
} from './packet-tap-buffer.ts';

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
  /** Its own copy, at most `snapLen` of the tap. */
  octets: Uint8Array;
  /** Of a VLAN tag that the kernel took out; -1 and 0 when there is none. */
  strippedTci: number;
  strippedTpid: number;
  /** null: it is no IP packet. */
  decision: RouteDecision | null;
}

/** Packets since the last call: those that were selected, and of those that found no room. */
export interface TapCounts {
  matched: number;
  skipped: number;
}

/** The other end of a tap, for one reader. */
export class PacketTapReader {
  readonly #control: Int32Array;
  readonly #view: DataView;
  readonly #bytes: Buffer;
  readonly #decisions: RouteDecision[] = [];
  #matched = 0;
  #skipped = 0;

  constructor(shared: PacketTapShared) {
    this.#control = new Int32Array(shared.control);
    this.#view = new DataView(shared.buffer);
    this.#bytes = Buffer.from(shared.buffer);
  }

  /** What was counted since the last call. Exact once the capture thread has let the tap go. */
  takeCounts(): TapCounts {
    const matched = Atomics.load(this.#control, TapWord.matched);
    const skipped = Atomics.load(this.#control, TapWord.skipped);
    const since = { matched: (matched - this.#matched) >>> 0, skipped: (skipped - this.#skipped) >>> 0 };
    this.#matched = matched;
    this.#skipped = skipped;
    return since;
  }

  /**
   * Takes packets that are there, oldest first; what is left stays.
   * @param packetsMax at most so many
   * @param octetsMax  and at most so many octets of them, but for the first
   * @param overhead   octets that each counts for beside its own
   */
  take(packetsMax: number, octetsMax: number, overhead: number): TappedPacket[] {
    const size = this.#bytes.length;
    const written = Atomics.load(this.#control, TapWord.written);
    const packets: TappedPacket[] = [];
    let octets = 0;
    let read = this.#control[TapWord.read]!;
    while (read !== written && packets.length < packetsMax) {
      const at = read & (size - 1);
      const kind = this.#view.getInt32(at + 4, true);
      if (kind === RecordKind.packet) {
        octets += this.#view.getInt32(at + PacketWord.octets * 4, true) + overhead;
        if (octets > octetsMax && packets.length > 0) break;
        packets.push(this.#packet(at));
      } else if (kind === RecordKind.decision) this.#learn(at);
      read = (read + this.#view.getInt32(at, true)) | 0;
    }
    Atomics.store(this.#control, TapWord.read, read);
    return packets;
  }

  #learn(at: number): void {
    const number = this.#view.getInt32(at + DECISION_NUMBER_OFF, true);
    const length = this.#view.getInt32(at + DECISION_LENGTH_OFF, true);
    const text = this.#bytes.toString('utf8', at + DECISION_TEXT_OFF, at + DECISION_TEXT_OFF + length);
    this.#decisions[number] = JSON.parse(text) as RouteDecision;
  }

  #packet(at: number): TappedPacket {
    const word = (number: number): number => this.#view.getInt32(at + number * 4, true);
    const octets = at + PACKET_OCTETS_OFF;
    return {
      captureIndex: word(PacketWord.captureIndex),
      linkType: word(PacketWord.linkType),
      tsSec: this.#view.getFloat64(at + PACKET_SEC_OFF, true),
      tsNsec: word(PacketWord.nsec),
      pktType: word(PacketWord.pktType),
      wireLen: word(PacketWord.wireLen) >>> 0,
      capLen: word(PacketWord.capLen) >>> 0,
      octets: Uint8Array.from(this.#bytes.subarray(octets, octets + word(PacketWord.octets))),
      strippedTci: word(PacketWord.tci),
      strippedTpid: word(PacketWord.tpid),
      decision: this.#decisions[word(PacketWord.decision)] ?? null,
    };
  }
}

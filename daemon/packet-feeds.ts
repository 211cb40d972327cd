import type { CaptureInfo } from '../storage/messages.ts';
import type { RouteDecision } from '../storage/route-decision.ts';
import { sum } from '../storage/sum.ts';
import type { CaptureRequest } from './capture/capture-messages.ts';
import { createPacketTap, type PacketTapShared, tapBytes } from './capture/packet-tap-buffer.ts';
import { PacketTapReader, type TappedPacket } from './capture/packet-tap-reader.ts';
import type { PacketFeed, PacketsWanted } from './control/backend.ts';
import { ControlError } from './control/errors.ts';
import type { LivePacket } from './control/messages.ts';
import { livePacket, liveRoute } from './live-records.ts';
import type { Questions } from './questions.ts';

/** All taps together: one for each client that may be connected, or eight that take whole packets. */
const TAPS_BYTES_MAX = 64 << 20;
/** What a packet comes to in a message beside its octets, at most: a namespace may be named by a path of 4,096. */
const PACKET_OVERHEAD = 4800;

/** Opens taps in the capture thread for clients that watch packets. */
export class PacketFeeds {
  readonly #questions: Questions;
  readonly #captures: ReadonlyMap<number, CaptureInfo>;
  readonly #toCapture: (request: CaptureRequest, thread: number) => void;
  readonly #threads: number;
  #nextThread = 0;
  #nextId = 1;
  #bytes = 0;

  /**
   * @param captures by index; those that have ended may be missing
   * @param threads  capture threads, each with a part of the packets
   */
  constructor(
    questions: Questions,
    captures: ReadonlyMap<number, CaptureInfo>,
    toCapture: (request: CaptureRequest, thread: number) => void,
    threads = 1,
  ) {
    this.#questions = questions;
    this.#captures = captures;
    this.#toCapture = toCapture;
    this.#threads = threads;
  }

  /** Packets from the moment of the answer on. @throws ControlError: CONTROL_BUSY there is no room for another tap */
  async open({ selection, filter, snapLen }: PacketsWanted): Promise<PacketFeed> {
    const bytes = this.#threads * tapBytes(snapLen);
    if (this.#bytes + bytes > TAPS_BYTES_MAX)
      throw new ControlError(
        'CONTROL_BUSY',
        `${TAPS_BYTES_MAX >> 20} MiB are in use by those who watch packets already; try again later, or with a smaller snap length`,
      );
    this.#bytes += bytes;
    const id = this.#nextId++;
    const taps = Array.from({ length: this.#threads }, () => createPacketTap(snapLen));
    const askEach = (ask: (request: number, shared: PacketTapShared) => CaptureRequest): Promise<unknown> =>
      Promise.all(
        taps.map((shared, thread) =>
          this.#questions.ask((request) => this.#toCapture(ask(request, shared), thread)),
        ),
      );
    const close = async (): Promise<void> => {
      try {
        await askEach((request) => ({ type: 'untap', request, id }));
      } finally {
        this.#bytes -= bytes;
      }
    };
    let closing: Promise<void> | null = null;
    const end = (): Promise<void> => {
      closing ??= close();
      return closing;
    };
    try {
      await askEach((request, shared) => ({
        type: 'tap',
        request,
        id,
        wish: { shared, selection, filter },
      }));
    } catch (error) {
      // It may take it yet: whoever waits is told of the first trouble.
      end().catch(() => {});
      throw error;
    }
    const readers = taps.map((shared) => new PacketTapReader(shared));
    return {
      take: (packetsMax, octetsMax) => this.#take(readers, packetsMax, octetsMax, snapLen),
      takeCounts: () => readers.map((reader) => reader.takeCounts()).reduce(sum),
      end,
    };
  }

  #take(
    readers: readonly PacketTapReader[],
    packetsMax: number,
    octetsMax: number,
    snapLen: number,
  ): { packets: LivePacket[]; routes: RouteDecision[] } {
    const indexes = new Map<RouteDecision, number>();
    const packets = this.#takeAll(readers, packetsMax, octetsMax, snapLen).map((packet) => {
      const { decision } = packet;
      let index = 0;
      if (decision !== null) {
        index = indexes.get(decision) ?? indexes.size + 1;
        indexes.set(decision, index);
      }
      return livePacket(packet, this.#captures.get(packet.captureIndex), index);
    });
    return { packets, routes: [...indexes.keys()].map(liveRoute) };
  }

  /** Of each thread what there is, in order of time; another thread's turn is first each time, so that none is left behind. */
  #takeAll(
    readers: readonly PacketTapReader[],
    packetsMax: number,
    octetsMax: number,
    snapLen: number,
  ): TappedPacket[] {
    const all: TappedPacket[] = [];
    let left = octetsMax;
    for (let i = 0; i < readers.length && all.length < packetsMax; i++) {
      if (all.length > 0 && left < snapLen + PACKET_OVERHEAD) break;
      const reader = readers[(this.#nextThread + i) % readers.length]!;
      const packets = reader.take(packetsMax - all.length, left, PACKET_OVERHEAD);
      for (const { octets } of packets) left -= octets.length + PACKET_OVERHEAD;
      all.push(...packets);
    }
    if (readers.length === 1) return all;
    this.#nextThread = (this.#nextThread + 1) % readers.length;
    return all.sort((a, b) => a.tsSec - b.tsSec || a.tsNsec - b.tsNsec);
  }
}

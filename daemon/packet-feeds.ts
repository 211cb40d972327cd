import type { CaptureInfo } from '../storage/messages.ts';
import type { RouteDecision } from '../storage/route-decision.ts';
import type { CaptureRequest } from './capture/capture-messages.ts';
import { createPacketTap, tapBytes } from './capture/packet-tap-buffer.ts';
import { PacketTapReader } from './capture/packet-tap-reader.ts';
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
  readonly #toCapture: (request: CaptureRequest) => void;
  #nextId = 1;
  #bytes = 0;

  /** @param captures by index; those that have ended may be missing */
  constructor(
    questions: Questions,
    captures: ReadonlyMap<number, CaptureInfo>,
    toCapture: (request: CaptureRequest) => void,
  ) {
    this.#questions = questions;
    this.#captures = captures;
    this.#toCapture = toCapture;
  }

  /** Packets from the moment of the answer on. @throws ControlError: CONTROL_BUSY there is no room for another tap */
  async open({ selection, filter, snapLen }: PacketsWanted): Promise<PacketFeed> {
    const bytes = tapBytes(snapLen);
    if (this.#bytes + bytes > TAPS_BYTES_MAX)
      throw new ControlError(
        'CONTROL_BUSY',
        `${TAPS_BYTES_MAX >> 20} MiB are in use by those who watch packets already; try again later, or with a smaller snap length`,
      );
    this.#bytes += bytes;
    const id = this.#nextId++;
    const shared = createPacketTap(snapLen);
    const close = async (): Promise<void> => {
      try {
        await this.#questions.ask((request) => this.#toCapture({ type: 'untap', request, id }));
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
      await this.#questions.ask((request) =>
        this.#toCapture({ type: 'tap', request, id, wish: { shared, selection, filter } }),
      );
    } catch (error) {
      // It may take it yet: whoever waits is told of the first trouble.
      end().catch(() => {});
      throw error;
    }
    const reader = new PacketTapReader(shared);
    return {
      take: (packetsMax, octetsMax) => this.#take(reader, packetsMax, octetsMax),
      takeCounts: () => reader.takeCounts(),
      end,
    };
  }

  #take(
    reader: PacketTapReader,
    packetsMax: number,
    octetsMax: number,
  ): { packets: LivePacket[]; routes: RouteDecision[] } {
    const indexes = new Map<RouteDecision, number>();
    const packets = reader.take(packetsMax, octetsMax, PACKET_OVERHEAD).map((packet) => {
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
}

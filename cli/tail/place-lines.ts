import { PacketLines } from '../packet-line/packet-lines.ts';
import type { ShownPacket } from './shown-packet.ts';

/** Packets in the words of tcpdump, each place by itself: one connection that is seen at several is not taken for one. */
export class PlaceLines {
  readonly #places = new Map<string, PacketLines>();

  /** The packet without time and place. */
  describe({ place, view, fields }: ShownPacket): string {
    let lines = this.#places.get(place);
    if (lines === undefined) {
      lines = new PacketLines();
      this.#places.set(place, lines);
    }
    return lines.describe(view, fields);
  }
}

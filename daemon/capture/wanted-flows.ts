import type { FlowTable } from '../flow/table.ts';

/** What a meter needs of the flow table: where packets are put. */
export type PacketPlaces = Pick<FlowTable, 'packet' | 'innerPacket' | 'flowSeq'> & {
  ahead?: FlowTable['ahead'];
};

/**
 * Which flows are wanted, and whether the packet that was metered last is of one of them: with tunnels a packet is on several. It
 * stands between meter and table where packets are carved, and nowhere else.
 */
export class WantedFlows {
  /** Of the last packet since `next`: it is on a flow; it is on one that is wanted. */
  hasFlow = false;
  isWanted = false;
  readonly #bits: Uint8Array;

  /** @param bits a bit a flow, by its number, the lowest one first; flows beyond are not wanted */
  constructor(bits: SharedArrayBuffer) {
    this.#bits = new Uint8Array(bits);
  }

  /** To be called before each packet. */
  next(): void {
    this.hasFlow = false;
    this.isWanted = false;
  }

  /** The table, looked through at what is put on it. */
  over(table: FlowTable): PacketPlaces {
    return {
      packet: (view, f) => this.#note(table, table.packet(view, f)),
      innerPacket: (view, f, t, outerSeq) => this.#note(table, table.innerPacket(view, f, t, outerSeq)),
      flowSeq: (slot) => table.flowSeq(slot),
    };
  }

  #note(table: FlowTable, slot: number): number {
    const seq = table.flowSeq(slot);
    this.hasFlow = true;
    if (((this.#bits[Math.floor(seq / 8)] ?? 0) & (1 << (seq % 8))) !== 0) this.isWanted = true;
    return slot;
  }
}

import type { LiveSource, PacketSink } from '../../daemon/capture/packet-source.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { until } from '../kernel/lab.ts';

/** One packet as a sink saw it, with a copy of its octets. */
export interface SeenPacket {
  captureIndex: number;
  linkType: number;
  tsSec: number;
  tsNsec: number;
  wireLen: number;
  pktType: number;
  strippedTci: number;
  strippedTpid: number;
  isChecksumFinal: boolean;
  bytes: Buffer;
}

/** Counts packets and octets, and keeps copies of the first ones. */
export class CountingSink implements PacketSink {
  readonly fields = new PacketFields();
  readonly seen: SeenPacket[] = [];
  packets = 0;
  wireBytes = 0;
  readonly #keep: number;

  constructor(keep = 1000) {
    this.#keep = keep;
  }

  packet(view: DataView, off: number, capLen: number): void {
    const f = this.fields;
    this.packets++;
    this.wireBytes += f.wireLen;
    if (this.packets > this.#keep) return;
    this.seen.push({
      captureIndex: f.captureIndex,
      linkType: f.linkType,
      tsSec: f.tsSec,
      tsNsec: f.tsNsec,
      wireLen: f.wireLen,
      pktType: f.pktType,
      strippedTci: f.strippedTci,
      strippedTpid: f.strippedTpid,
      isChecksumFinal: f.isChecksumFinal,
      bytes: Buffer.from(new Uint8Array(view.buffer, view.byteOffset + off, capLen)),
    });
  }
}

/** Drains the source until the sink has `packets` of them, or throws. */
export async function drainUntil(source: LiveSource, sink: CountingSink, packets: number): Promise<void> {
  await until(`${packets} packets`, () => {
    source.drain(sink);
    return sink.packets >= packets;
  });
}

/** Drains for a while, for packets that must not come. */
export async function drainFor(source: LiveSource, sink: PacketSink, ms: number): Promise<void> {
  const end = performance.now() + ms;
  await until('the time is over', () => {
    source.drain(sink);
    return performance.now() > end;
  });
}

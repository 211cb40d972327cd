import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import { decodeTunnel } from '../../decoders/tunnel.ts';
import { TunnelFields, TunnelStatus } from '../../decoders/tunnel-fields.ts';
import { PacketCounters } from './counters.ts';
import type { PacketSink } from './packet-source.ts';
import type { PacketPlaces } from './wanted-flows.ts';

/** Tunnels within tunnels that are followed: deeper ones stay on the flow of the last level. */
export const MAX_TUNNEL_LEVELS = 4;

/**
 * As Meter, and it follows tunnels. With `both` a packet is on one flow a level, each of which names the one around it;
 * with `inner` it is on one flow only: that of the innermost level that could be decoded, which is the outermost for a
 * packet in no tunnel. The counters of packets are about the outermost header in either case.
 */
export class TunnelMeter implements PacketSink {
  readonly fields = new PacketFields();
  readonly counters = new PacketCounters();
  readonly #flows: PacketPlaces;
  readonly #keepsOuter: boolean;
  readonly #levels = Array.from({ length: MAX_TUNNEL_LEVELS }, () => ({
    fields: new PacketFields(),
    tunnel: new TunnelFields(),
  }));
  /** Takes what decodeTunnel says of a level too deep, or of one that could not be followed. */
  readonly #spare = { fields: new PacketFields(), tunnel: new TunnelFields() };

  /** @param flows made with the option `tunnels` */
  constructor(flows: PacketPlaces, mode: 'inner' | 'both') {
    this.#flows = flows;
    this.#keepsOuter = mode === 'both';
  }

  packet(view: DataView, off: number, capLen: number): void {
    const f = this.fields;
    const decoded = decodePacket(view, off, off + capLen, f);
    this.counters.count(f, capLen);
    if (decoded !== Status.Ok || f.ipVersion === 0) return;

    const depth = this.#follow(view, f);
    if (this.#keepsOuter || depth === 0) {
      let slot = this.#flows.packet(view, f);
      for (let i = 0; i < depth; i++) {
        const { fields, tunnel } = this.#levels[i]!;
        slot = this.#flows.innerPacket(view, fields, tunnel, this.#flows.flowSeq(slot));
      }
    } else {
      const { fields, tunnel } = this.#levels[depth - 1]!;
      this.#flows.innerPacket(view, fields, tunnel, -1);
    }
  }

  /** Decodes what is inside, level by level. @returns the number of levels that stand in #levels now */
  #follow(view: DataView, outermost: PacketFields): number {
    let outer = outermost;
    for (let depth = 0; ; depth++) {
      const { fields, tunnel } = this.#levels[depth] ?? this.#spare;
      const status = decodeTunnel(view, outer, fields, tunnel);
      if (status === TunnelStatus.Ok && depth < MAX_TUNNEL_LEVELS) {
        outer = fields;
        continue;
      }
      if (depth > 0 || status !== TunnelStatus.None) {
        this.counters.countTunnel(outermost.captureIndex, status !== TunnelStatus.None);
      }
      return depth;
    }
  }
}

import { type TunnelFields, TunnelType } from '../../decoders/tunnel-fields.ts';

/** What a flow inside a tunnel has beyond its slot; one entry a slot, made only when tunnels are followed. 20 octets a flow. */
export class InnerFlows {
  /** The part of the tunnel's id that is in the flow's key: 0 where the two directions have ids of their own. */
  readonly keyIds: Int32Array;
  /** The id in the flow's first packet, unsigned; -1: the tunnel has none. */
  readonly ids: Float64Array;
  /** `D.flowSeq` of the flow that carried the first packet; -1: that one is not kept. */
  readonly outerSeqs: Float64Array;

  /** @param memory of `bytes(maxFlows)` octets; left out, its own */
  constructor(
    maxFlows: number,
    memory: SharedArrayBuffer = new SharedArrayBuffer(InnerFlows.bytes(maxFlows)),
  ) {
    this.ids = new Float64Array(memory, 0, maxFlows);
    this.outerSeqs = new Float64Array(memory, maxFlows * 8, maxFlows);
    this.keyIds = new Int32Array(memory, maxFlows * 16, maxFlows);
  }

  /** Octets for so many flows. */
  static bytes(maxFlows: number): number {
    return maxFlows * 20;
  }

  /** Takes over what the packet that began the flow in `slot` came in. */
  begin(slot: number, t: TunnelFields, outerSeq: number): void {
    this.keyIds[slot] = tunnelKeyId(t);
    this.ids[slot] = t.hasId ? t.id >>> 0 : -1;
    this.outerSeqs[slot] = outerSeq;
  }
}

/** What of a tunnel's id belongs to a flow's identity. @returns int32 */
export function tunnelKeyId(t: TunnelFields): number {
  return t.type !== TunnelType.none && t.idBothWays ? t.id : 0;
}

import { type RouteEngine, RouteQuery } from '../../daemon/routes/engine.ts';
import { prefixWords } from '../../daemon/routes/words.ts';
import { PacketType } from '../../decoders/packet-fields.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';

/** What a test says of a packet; the rest is as a plain pcap file has it. */
export interface Packet {
  src?: string;
  dst: string;
  type?: keyof typeof PacketType;
  dev?: string;
  proto?: number;
  sport?: number;
  dport?: number;
  tos?: number;
  mark?: number;
  isFragment?: boolean;
}

/** The query for a packet that was captured. @throws Error when an address or interface is not one */
export function packetQuery(engine: RouteEngine, packet: Packet): RouteQuery {
  const q = new RouteQuery();
  const dst = prefixWords(packet.dst);
  const src = packet.src === undefined ? null : prefixWords(packet.src);
  if (dst === null || (packet.src !== undefined && src === null))
    throw new Error(`no addresses: ${JSON.stringify(packet)}`);
  q.version = dst.version;
  q.dst.set(dst.words);
  if (src !== null) q.src.set(src.words);
  q.pktType = PacketType[packet.type ?? 'Unknown'];
  if (packet.dev !== undefined) {
    q.ifIndex = engine.ifIndexOf(packet.dev);
    if (q.ifIndex === 0) throw new Error(`no interface ${packet.dev}`);
  }
  q.proto = packet.proto ?? 0;
  q.sport = packet.sport ?? 0;
  q.dport = packet.dport ?? 0;
  q.tos = packet.tos ?? 0;
  q.isFragment = packet.isFragment ?? false;
  if (packet.mark !== undefined) {
    q.mark = packet.mark;
    q.markKnown = true;
  }
  return q;
}

/** The decision for a packet that was captured. */
export function decide(engine: RouteEngine, packet: Packet): RouteDecision {
  return engine.decision(engine.lookup(packetQuery(engine, packet)));
}

import { PcapWriter } from '../../decoders/pcap-writer.ts';
import { frame, type FrameSpec } from '../support/frames.ts';

/** Octets that each side of a TCP conversation sends in a lap. */
const LAP_OCTETS = 300;
/** NOP, NOP, timestamp; its value and echo are written with each lap. RFC 7323 §3.2 */
const TIMESTAMP = [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0];
/** Of fields in a TCP header. */
const ACK_OFF = 4;
const TS_OFF = 24;

/** A packet, and what of it moves on from lap to lap. */
export interface LapPacket {
  bytes: Uint8Array;
  /** Where its TCP header begins; -1: it is UDP. */
  tcpAt: number;
  /** Sequence and acknowledgement numbers in lap 0. */
  seq: number;
  ack: number;
}

type Line = readonly [isBack: boolean, flags: string, seq: number, ack: number, payload: number];

const OPENING: readonly Line[] = [
  [false, 'S', -1, 0, 0],
  [true, 'SA', -1, 0, 0],
  [false, 'A', 0, 0, 0],
];
/** In sequence, a hole and its duplicate ACK, what fills it, data the other way, sent twice, and its ACK. */
const LAP: readonly Line[] = [
  [false, 'PA', 0, 0, 100],
  [false, 'PA', 200, 0, 100],
  [true, 'A', 0, 100, 0],
  [false, 'PA', 100, 0, 100],
  [true, 'PA', 0, 300, 150],
  [true, 'PA', 150, 300, 150],
  [true, 'PA', 150, 300, 150],
  [false, 'A', 300, 300, 0],
];
/** Packets of a flow in a lap. */
export const LAP_PACKETS = LAP.length;

/** What TCP flows begin with. @param flows how many; every fifth is UDP, every third IPv6 */
export function opening(flows: number): LapPacket[] {
  return OPENING.flatMap((line) => packetsOf(flows, line)).filter(({ tcpAt }) => tcpAt >= 0);
}

/** One lap of so many flows: each packet's place in it is the same in each, so that neighbours are of different flows. */
export function lap(flows: number): LapPacket[] {
  return LAP.flatMap((line) => packetsOf(flows, line));
}

/** Writes what differs in lap `n` into a packet, wherever it lies. */
export function move(view: DataView, at: number, packet: LapPacket, n: number): void {
  if (packet.tcpAt < 0) return;
  const tcp = at + packet.tcpAt;
  // From 1000 below 2^32 on: the numbers wrap in the fourth lap.
  view.setInt32(tcp + 4, (n * LAP_OCTETS + packet.seq - 1000) | 0);
  view.setInt32(tcp + 4 + ACK_OFF, (n * LAP_OCTETS + packet.ack - 1000) | 0);
  view.setInt32(tcp + TS_OFF, n + 2);
  view.setInt32(tcp + TS_OFF + 4, n + 1);
}

function packetsOf(flows: number, [isBack, flags, seq, ack, payload]: Line): LapPacket[] {
  return Array.from({ length: flows }, (_, i) => {
    const isV6 = i % 3 === 0;
    const isUdp = i % 5 === 0;
    const client = {
      address: isV6 ? `fd00::${i.toString(16)}` : `10.1.${i >> 8}.${i & 255}`,
      port: 2000 + i,
    };
    const server = { address: isV6 ? 'fd01::1' : '10.2.0.1', port: 443 };
    const [from, to] = isBack ? [server, client] : [client, server];
    const spec: FrameSpec = {
      src: from.address,
      dst: to.address,
      sport: from.port,
      dport: to.port,
      payload,
      ...(isUdp ? { proto: 'udp' } : { flags, options: TIMESTAMP }),
    };
    return { bytes: frame(spec), tcpAt: isUdp ? -1 : isV6 ? 54 : 34, seq, ack };
  });
}

/** Writes a capture: conversations of so many flows over so many laps, 100 microseconds between packets. @returns its packets */
export function writeConversations(path: string, flows: number, laps: number): number {
  const writer = new PcapWriter(path, { linkType: 1 });
  let packets = 0;
  const write = (packet: LapPacket, n: number): void => {
    const { bytes } = packet;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    move(view, 0, packet, n);
    writer.packet(view, 0, bytes.length, {
      tsSec: 1_790_000_000 + Math.floor(packets / 1e4),
      tsNsec: (packets % 1e4) * 100_000,
      wireLen: bytes.length,
      strippedTci: -1,
      strippedTpid: 0,
      pktType: -1,
    });
    packets++;
  };
  for (const packet of opening(flows)) write(packet, 0);
  const packetsOfLap = lap(flows);
  for (let n = 0; n < laps; n++) for (const packet of packetsOfLap) write(packet, n);
  writer.close();
  return packets;
}

import { formatAddress, formatMac } from '../../decoders/address.ts';
import { IpProto, PacketType } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import { protocolName } from '../../storage/protocols.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { flagLetters } from '../format/tcp-flags.ts';
import { formatTime } from '../format/time.ts';
import { PlaceLines } from './place-lines.ts';
import type { ShownPacket } from './shown-packet.ts';

const DIRECTIONS: Readonly<Record<number, string>> = {
  [PacketType.Host]: 'in',
  [PacketType.Broadcast]: 'broadcast',
  [PacketType.Multicast]: 'multicast',
  [PacketType.OtherHost]: 'other_host',
  [PacketType.Outgoing]: 'out',
};

/** A packet as `nstap tail --format ndjson` prints it; every key is always there, null where it does not apply. */
export interface PacketJson {
  /** RFC 3339, UTC, 9 decimals. */
  time: string;
  netns: string | null;
  interface: string;
  direction: string | null;
  link_type: number;
  /** Octets on the wire, and of those captured. */
  length: number;
  captured_length: number;
  vlan: number[];
  src_mac: string | null;
  dst_mac: string | null;
  ip_version: number | null;
  protocol: string | null;
  proto_number: number | null;
  src: string | null;
  src_port: number | null;
  dst: string | null;
  dst_port: number | null;
  ttl: number | null;
  tcp_flags: string | null;
  payload_bytes: number | null;
  route: RouteDecision | null;
  /** As tcpdump -nn prints it, without the time. */
  line: string;
  /** The octets that came, when they are asked for. */
  hex?: string;
}

/** Packets as objects. */
export class PacketObjects {
  readonly #lines = new PlaceLines();
  readonly #hasHex: boolean;

  constructor(hasHex: boolean) {
    this.#hasHex = hasHex;
  }

  of(packet: ShownPacket): PacketJson {
    const { fields: f, octets, decision } = packet;
    const isIp = f.status === Status.Ok && f.ipVersion !== 0;
    const version = f.ipVersion === 6 ? 6 : 4;
    const hasTransport = isIp && f.l4Status === Status.Ok;
    return {
      time: formatTime(BigInt(f.tsSec) * 1_000_000_000n + BigInt(f.tsNsec)),
      netns: packet.netns === '' ? null : packet.netns,
      interface: packet.interface,
      direction: DIRECTIONS[f.pktType] ?? null,
      link_type: f.linkType,
      length: f.wireLen,
      captured_length: packet.capturedLength,
      vlan: f.vlanCount === 0 ? [] : f.vlanCount === 1 ? [f.vlanOuter] : [f.vlanOuter, f.vlanInner],
      src_mac: f.srcMacOff < 0 ? null : formatMac(octets, f.srcMacOff),
      dst_mac: f.dstMacOff < 0 ? null : formatMac(octets, f.dstMacOff),
      ip_version: isIp ? f.ipVersion : null,
      protocol: isIp ? protocolName(f.ipProto) : null,
      proto_number: isIp ? f.ipProto : null,
      src: isIp ? formatAddress(octets, f.srcOff, version) : null,
      src_port: hasTransport && f.hasPorts ? f.srcPort : null,
      dst: isIp ? formatAddress(octets, f.dstOff, version) : null,
      dst_port: hasTransport && f.hasPorts ? f.dstPort : null,
      ttl: isIp ? f.ttl : null,
      tcp_flags: hasTransport && f.ipProto === IpProto.TCP ? flagLetters(f.tcpFlags & 0xff) : null,
      payload_bytes: hasTransport ? f.payloadLen : null,
      route: decision,
      line: this.#lines.describe(packet),
      ...(this.#hasHex ? { hex: Buffer.from(octets).toString('hex') } : {}),
    };
  }
}

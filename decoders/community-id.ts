import { hash } from 'node:crypto';
import type { IpVersion } from './address.ts';
import { icmpCounterpart } from './icmp.ts';
import { IpProto } from './packet-fields.ts';

/** What a community id is made of. Addresses in network order; only the first 4 or 16 octets are read. */
export interface CommunityIdFlow {
  version: IpVersion;
  /** IANA protocol number of the upper layer. */
  protocol: number;
  src: Uint8Array;
  dst: Uint8Array;
  /** Ports; for ICMP and ICMPv6 the type of the originator in `srcPort`, its code or the answering type in `dstPort`. */
  srcPort: number;
  dstPort: number;
  /** False when the ports are not known (fragments) or the protocol has none. */
  hasPorts: boolean;
}

/** Protocols whose ports are part of the id. Community ID Flow Hashing specification, "Supported protocols". */
const PORT_PROTOCOLS: ReadonlySet<number> = new Set([
  IpProto.ICMP,
  IpProto.TCP,
  IpProto.UDP,
  IpProto.ICMPV6,
  IpProto.SCTP,
]);

/**
 * Community id v1: "1:" and the base64 of SHA-1 over seed, addresses, protocol, a zero octet and ports, the smaller
 * endpoint first; the same for both directions of a flow. ICMP types that have an answering type take it as the other
 * port; the others keep their direction. github.com/corelight/community-id-spec. Not for the hot path: it allocates.
 * @param seed 16 bits, to keep networks with equal addresses apart
 */
export function communityId(flow: CommunityIdFlow, seed = 0): string {
  const size = flow.version === 4 ? 4 : 16;
  const src = flow.src.subarray(0, size);
  const dst = flow.dst.subarray(0, size);
  const withPorts = flow.hasPorts && PORT_PROTOCOLS.has(flow.protocol);
  const srcPort = flow.srcPort;
  let dstPort = flow.dstPort;
  let isOneWay = false;
  if (withPorts && (flow.protocol === IpProto.ICMP || flow.protocol === IpProto.ICMPV6)) {
    const counterpart = icmpCounterpart(flow.protocol, srcPort);
    if (counterpart >= 0) dstPort = counterpart;
    else isOneWay = true;
  }
  const order = Buffer.compare(src, dst);
  const isOrdered = isOneWay || order < 0 || (order === 0 && (!withPorts || srcPort <= dstPort));
  const data = new Uint8Array(2 + 2 * size + 2 + (withPorts ? 4 : 0));
  const view = new DataView(data.buffer);
  view.setUint16(0, seed);
  data.set(isOrdered ? src : dst, 2);
  data.set(isOrdered ? dst : src, 2 + size);
  data[2 + 2 * size] = flow.protocol;
  if (withPorts) {
    view.setUint16(4 + 2 * size, isOrdered ? srcPort : dstPort);
    view.setUint16(6 + 2 * size, isOrdered ? dstPort : srcPort);
  }
  return `1:${hash('sha1', data, 'base64')}`;
}

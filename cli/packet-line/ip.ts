import {
  IPV4_DST_OFF,
  IPV4_FRAGMENT_OFF,
  IPV4_HEADER_MIN,
  IPV4_LENGTH_OFF,
  IPV4_PROTOCOL_OFF,
  IPV4_SRC_OFF,
} from '../../decoders/ipv4.ts';
import {
  IPV6_DST_OFF,
  IPV6_HEADER_LEN,
  IPV6_NEXT_HEADER_OFF,
  IPV6_PAYLOAD_LEN_OFF,
  IPV6_SRC_OFF,
} from '../../decoders/ipv6.ts';
import { IPV6_EXT_MAX, IPV6_EXT_UNIT } from '../../decoders/ipv6-ext.ts';
import { IpProto } from '../../decoders/packet-fields.ts';
import { UDP_HEADER_LEN } from '../../decoders/udp.ts';
import { icmpLine } from './icmp.ts';
import { icmp6Line } from './icmp6.ts';
import { Cut, Octets } from './octets.ts';
import { type SequenceBases, tcpLine } from './tcp.ts';

const FRAGMENT_OFFSET_MASK = 0x1fff;
const MORE_FRAGMENTS = 0x2000;
const IPV6_FRAGMENT_OFFSET_MASK = 0xfff8;
/** IP headers within IP headers that a line goes into. */
const NESTED_MAX = 8;

/** Takes a line piece by piece: what came before a Cut stays. */
export type Put = (text: string) => void;

/** What the network layer hands to the transport layer. */
interface Payload {
  o: Octets;
  off: number;
  /** Octets on the wire, as the IP header says. */
  length: number;
  src: string;
  dst: string;
  version: 4 | 6;
  isFragment: boolean;
  /** Addresses are already on the line: an extension header stood between, so only the ports follow. */
  isBehindExtension: boolean;
  depth: number;
}

/** Protocols whose line has the ports behind the addresses. */
function hasPortsInLine(proto: number): boolean {
  return proto === IpProto.TCP || proto === IpProto.UDP || proto === IpProto.SCTP || proto === IpProto.DCCP;
}

/**
 * An IPv4 packet at `off`. RFC 791 §3.1.
 * @param length octets of it that were on the wire: what the frame has behind its link header
 * @throws Cut
 */
export function ipv4Line(
  outer: Octets,
  off: number,
  length: number,
  bases: SequenceBases,
  put: Put,
  depth = 0,
): void {
  const version = outer.u8(off) >>> 4;
  if (version !== 4) {
    put(`IP${version}, wrong link-layer encapsulation (invalid)`);
    return;
  }
  put('IP ');
  cutAs(put, 'ip', () => outer.need(off, IPV4_HEADER_MIN));
  const headerLen = (outer.u8(off) & 15) << 2;
  if (length < IPV4_HEADER_MIN) {
    put(`truncated-ip ${length}`);
    return;
  }
  if (headerLen < IPV4_HEADER_MIN) {
    put(`bad-hlen ${headerLen} (invalid)`);
    return;
  }
  let total = outer.u16(off + IPV4_LENGTH_OFF);
  if (length < total) put(`truncated-ip - ${total - length} bytes missing! `);
  if (total < headerLen) {
    if (total !== 0) {
      put(`bad-len ${total} (invalid)`);
      return;
    }
    total = length; // segmentation offload leaves it 0
  }
  const o = new Octets(outer.view, Math.min(outer.end, off + total));
  const proto = o.u8(off + IPV4_PROTOCOL_OFF);
  const src = o.address(off + IPV4_SRC_OFF, 4);
  const dst = o.address(off + IPV4_DST_OFF, 4);
  const fragment = o.u16(off + IPV4_FRAGMENT_OFF);
  if ((fragment & FRAGMENT_OFFSET_MASK) !== 0) {
    put(`${src} > ${dst}: ip-proto-${proto}`);
    return;
  }
  if (!hasPortsInLine(proto)) put(`${src} > ${dst}: `);
  if (!o.has(off, headerLen)) {
    put(` [remaining caplen(${o.end - off}) < header length(${headerLen})] [|ip]`);
    throw new Cut();
  }
  const isFragment = (fragment & MORE_FRAGMENTS) !== 0;
  const payload = {
    o,
    off: off + headerLen,
    length: total - headerLen,
    src,
    dst,
    version: 4,
    isFragment,
  } as const;
  transportLine(proto, { ...payload, isBehindExtension: false, depth }, bases, put);
}

/** An IPv6 packet at `off` with its extension headers. RFC 8200 §3, §4. Parameters as for ipv4Line. @throws Cut */
export function ipv6Line(
  outer: Octets,
  off: number,
  length: number,
  bases: SequenceBases,
  put: Put,
  depth = 0,
): void {
  const version = outer.u8(off) >>> 4;
  if (version === 4) {
    put('IP, wrong link-layer encapsulation (invalid)');
    return;
  }
  put('IP6');
  cutAs(put, 'ip6', () => outer.need(off, IPV6_HEADER_LEN));
  if (version !== 6) {
    put(` version error: ${version} != 6`);
    return;
  }
  if (length < IPV6_HEADER_LEN) {
    put(` truncated-ip6 ${length}`);
    return;
  }
  put(' ');
  const payloadLen = outer.u16(off + IPV6_PAYLOAD_LEN_OFF);
  let total = payloadLen + IPV6_HEADER_LEN;
  if (payloadLen === 0)
    total = length; // a jumbogram, or segmentation offload
  else if (length < total) put(`truncated-ip6 - ${total - length} bytes missing!`);
  const o = new Octets(outer.view, Math.min(outer.end, off + total));
  const src = o.address(off + IPV6_SRC_OFF, 6);
  const dst = o.address(off + IPV6_DST_OFF, 6);
  let proto = o.u8(off + IPV6_NEXT_HEADER_OFF);
  if (!hasPortsInLine(proto)) put(`${src} > ${dst}: `);
  let cur = off + IPV6_HEADER_LEN;
  let isFragment = false;
  let n = 0;
  for (; n < IPV6_EXT_MAX; n++) {
    const next = extensionHeader(o, proto, cur, off + total, put);
    if (next === 0) break;
    if (proto === IpProto.FRAGMENT) {
      if ((o.u16(cur + 2) & IPV6_FRAGMENT_OFFSET_MASK) !== 0) return;
      isFragment = true;
    }
    proto = o.u8(cur);
    cur += next;
  }
  const payload = { o, off: cur, length: total - (cur - off), src, dst, version: 6, isFragment } as const;
  transportLine(proto, { ...payload, isBehindExtension: n > 0, depth }, bases, put);
}

/** One extension header of the line. @returns its octets, or 0 when `proto` is none. @throws Cut */
function extensionHeader(o: Octets, proto: number, off: number, wireEnd: number, put: Put): number {
  const length = (): number => (o.u8(off + 1) + 1) << 3;
  switch (proto) {
    case IpProto.HOPOPT:
      cutAs(put, 'hbhopt', () => o.need(off, length()));
      put('HBH ');
      break;
    case IpProto.DSTOPTS:
      cutAs(put, 'dstopt', () => o.need(off, length()));
      put('DSTOPT ');
      break;
    case IpProto.ROUTING:
      cutAs(put, 'rt6', () => putRouting(o, off, put));
      break;
    case IpProto.FRAGMENT: {
      o.need(off, IPV6_EXT_UNIT);
      const offset = o.u16(off + 2) & IPV6_FRAGMENT_OFFSET_MASK;
      put(`frag (${offset}|${wireEnd - off - IPV6_EXT_UNIT})`);
      if (offset === 0) put(' ');
      return IPV6_EXT_UNIT;
    }
    default:
      return 0;
  }
  return length();
}

/** Routing header. RFC 8200 §4.4; type 4 is RFC 8754 §2. */
function putRouting(o: Octets, off: number, put: Put): void {
  const units = o.u8(off + 1);
  const type = o.u8(off + 2);
  const left = o.u8(off + 3);
  put(`RT6 (len=${units}, type=${type}${type === 0 ? ' [Deprecated]' : ''}, segleft=${left}`);
  if (type === 4) put(`, last-entry=${o.u8(off + 4)}, tag=${o.u16(off + 6).toString(16)}`);
  const reserved = type === 0 || type === 2 ? o.u32(off + 4) : 0;
  if (reserved !== 0) put(`, rsv=0x${reserved.toString(16)}`);
  if (type === 0 || type === 2 || type === 4) {
    for (let i = 0; i < units >> 1; i++) put(`, [${i}]${o.address(off + 8 + i * 16, 6)}`);
  }
  put(') ');
}

function transportLine(proto: number, p: Payload, bases: SequenceBases, put: Put): void {
  const { o, off, length } = p;
  switch (proto) {
    case IpProto.TCP:
      putTcp(p, bases, put);
      return;
    case IpProto.UDP:
      putUdp(p, put);
      return;
    case IpProto.ICMP:
      cutAs(put, 'icmp', () => put(icmpLine(o, off, length)));
      return;
    case IpProto.ICMPV6:
      if (p.version === 4) put('[ICMPv6 requires IPv6] (invalid)');
      else cutAs(put, 'icmp6', () => icmp6Line(o, off, length, put));
      return;
    case IpProto.IPIP:
    case IpProto.IPV6:
      if (p.depth === NESTED_MAX) {
        put(`ip-proto-${proto} ${length}`);
        return;
      }
      if (proto === IpProto.IPIP) ipv4Line(o, off, length, bases, put, p.depth + 1);
      else ipv6Line(o, off, length, bases, put, p.depth + 1);
      return;
    case IpProto.SCTP:
    case IpProto.DCCP: {
      const name = proto === IpProto.SCTP ? 'sctp' : 'DCCP';
      cutAs(put, name.toLowerCase(), () =>
        put(`${ends(p, o.u16(off), o.u16(off + 2))}${name}, length ${length}`),
      );
      return;
    }
    case IpProto.ESP:
      cutAs(put, 'esp', () => {
        put(`ESP(spi=0x${o.hex(off, 4)},seq=0x${o.u32(off + 4).toString(16)}), length ${length}`);
      });
      return;
    case IpProto.NONE:
      put('no next header');
      return;
    default:
      put(`ip-proto-${proto} ${length}`);
  }
}

function putTcp(p: Payload, bases: SequenceBases, put: Put): void {
  const { o, off, length, src, dst } = p;
  if (!o.has(off, 4)) {
    put(`${src} > ${dst}:`);
    put(' [|tcp]');
    throw new Cut();
  }
  put(ends(p, o.u16(off), o.u16(off + 2)));
  tcpLine(o, off, { src, dst, length }, bases, put);
}

/** RFC 768. */
function putUdp(p: Payload, put: Put): void {
  const { o, off, length, src, dst } = p;
  if (!o.has(off, 4)) {
    put(`${src} > ${dst}: `);
    put(' [|udp]');
    throw new Cut();
  }
  put(ends(p, o.u16(off), o.u16(off + 2)));
  if (length < UDP_HEADER_LEN) {
    put(`truncated-udp ${length}`);
    return;
  }
  cutAs(put, 'udp', () => {
    const stated = o.u16(off + 4);
    if (stated < UDP_HEADER_LEN && !(stated === 0 && length > 0xffff)) {
      put(`truncated-udplength ${stated}`);
      return;
    }
    const data = (stated === 0 ? length : stated) - UDP_HEADER_LEN;
    const there = length - UDP_HEADER_LEN;
    o.need(off, UDP_HEADER_LEN);
    if (data > there && !p.isFragment) put(`UDP, bad length ${data} > ${there}`);
    else put(`UDP, length ${data}`);
  });
}

function ends({ src, dst, isBehindExtension }: Payload, sport: number, dport: number): string {
  return isBehindExtension ? `${sport} > ${dport}: ` : `${src}.${sport} > ${dst}.${dport}: `;
}

/** Ends the line as tcpdump does when `work` meets the end of what was captured. */
function cutAs(put: Put, name: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof Cut) put(` [|${name}]`);
    throw error;
  }
}

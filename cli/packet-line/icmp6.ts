import { IPV6_DST_OFF, IPV6_HEADER_LEN, IPV6_NEXT_HEADER_OFF, IPV6_SRC_OFF } from '../../decoders/ipv6.ts';
import { IpProto } from '../../decoders/packet-fields.ts';
import { Cut, type Octets } from './octets.ts';

/** Octets before the body or the quoted packet. RFC 4443 §2.1. */
const HEADER_LEN = 8;

/** IANA ICMPv6 types. */
const TYPES: Readonly<Record<number, string>> = {
  1: 'destination unreachable',
  2: 'packet too big',
  3: 'time exceeded',
  4: 'parameter problem',
  128: 'echo request',
  129: 'echo reply',
  130: 'multicast listener query',
  131: 'multicast listener report',
  132: 'multicast listener done',
  133: 'router solicitation',
  134: 'router advertisement',
  135: 'neighbor solicitation',
  136: 'neighbor advertisement',
  137: 'redirect',
  138: 'router renumbering',
  139: 'node information query',
  140: 'node information reply',
  141: 'inverse neighbor solicitation',
  142: 'inverse neighbor advertisement',
  143: 'multicast listener report v2',
  144: 'dst_unreach home agent address discovery request',
  151: 'mobile router advertisement',
};

const UNREACHABLE: Readonly<Record<number, string>> = {
  0: 'unreachable route',
  1: 'unreachable prohibited',
  2: 'beyond scope',
  3: 'unreachable address',
  4: 'unreachable port',
};

const PARAMETER: Readonly<Record<number, string>> = {
  0: 'erroneous',
  1: 'next header',
  2: 'option',
  3: 'incomplete header chain',
};

/** Octets of a multicast listener query of version 1. RFC 2710 §3; a longer one is of version 2, RFC 3810 §5.1. */
const MLD1_LEN = 24;

/**
 * An ICMPv6 message at `off`. RFC 4443, RFC 4861, RFC 2710, RFC 3810.
 * @param length its octets on the wire
 * @param put    takes the line piece by piece: what came before a Cut stays
 * @throws Cut
 */
export function icmp6Line(o: Octets, off: number, length: number, put: (text: string) => void): void {
  const type = o.u8(off);
  put(`ICMP6, ${TYPES[type] ?? `unknown icmp6 type (${type})`}`);
  const isWhole = putDetails(o, off, length, type, put);
  if (isWhole) put(`, length ${length}`);
}

/** @returns false when tcpdump's line ends here */
function putDetails(
  o: Octets,
  off: number,
  length: number,
  type: number,
  put: (text: string) => void,
): boolean {
  const code = o.u8(off + 1);
  const quoted = off + HEADER_LEN;
  switch (type) {
    case 1:
      put(`, ${UNREACHABLE[code] ?? `unknown unreach code (${code})`}`);
      if (UNREACHABLE[code] === undefined) return false;
      if (code === 4) put(quotedPort(o, quoted));
      else put(` ${o.address(quoted + IPV6_DST_OFF, 6)}`);
      if (code === 2) put(`, source address ${o.address(quoted + IPV6_SRC_OFF, 6)}`);
      break;
    case 2:
      put(`, mtu ${o.u32(off + 4)}`);
      break;
    case 3:
      if (code === 0) {
        put(' in-transit');
        put(` for ${o.address(quoted + IPV6_DST_OFF, 6)}`);
      } else put(code === 1 ? ' (reassembly)' : `, unknown code (${code})`);
      break;
    case 4:
      o.need(quoted, IPV6_HEADER_LEN);
      put(
        PARAMETER[code] === undefined ? `, code-#${code}` : `, ${PARAMETER[code]} - octet ${o.u32(off + 4)}`,
      );
      break;
    case 128:
    case 129:
      o.need(off, HEADER_LEN);
      put(`, id ${o.u16(off + 4)}, seq ${o.u16(off + 6)}`);
      break;
    case 130:
      if (length === MLD1_LEN) put(mld1(o, off));
      else {
        put(' v2');
        put(mld2Query(o, off, length));
      }
      break;
    case 131:
    case 132:
      put(mld1(o, off));
      break;
    case 135:
      put(`, who has ${o.address(quoted, 6)}`);
      break;
    case 136:
      put(`, tgt is ${o.address(quoted, 6)}`);
      break;
    case 137:
      put(`, ${o.address(quoted, 6)} to ${o.address(quoted + 16, 6)}`);
      break;
    case 143:
      put(`, ${o.u16(off + 6)} group record(s)`);
  }
  return true;
}

function mld1(o: Octets, off: number): string {
  return `max resp delay: ${o.u16(off + 4)} addr: ${o.address(off + HEADER_LEN, 6)}`;
}

function mld2Query(o: Octets, off: number, length: number): string {
  if (length < 28) return ' (invalid)';
  const sources = o.u16(off + 26);
  const delay = o.u16(off + 4);
  const group = o.address(off + HEADER_LEN, 6);
  const parts: string[] = [];
  const qqi = delay < 32_768 ? delay : ((delay & 0x0fff) | 0x1000) << (((delay >> 12) & 7) + 3);
  if (qqi !== 10_000) parts.push(` [max resp delay=${qqi}]`);
  parts.push(` [gaddr ${group}`);
  if (sources > 0) {
    const each = Array.from({ length: sources }, (_, i) => o.address(off + 28 + i * 16, 6));
    parts.push(` { ${each.join(', ')} }`);
  }
  return `${parts.join('')}]`;
}

/** Where the quoted packet was going, behind the quoted extension headers. */
function quotedPort(o: Octets, quoted: number): string {
  let next = o.u8(quoted + IPV6_NEXT_HEADER_OFF);
  let cur = quoted + IPV6_HEADER_LEN;
  while (
    next === IpProto.HOPOPT ||
    next === IpProto.DSTOPTS ||
    next === IpProto.ROUTING ||
    next === IpProto.FRAGMENT
  ) {
    const length = next === IpProto.FRAGMENT ? 8 : (o.u8(cur + 1) + 1) << 3;
    if (next === IpProto.FRAGMENT && (o.u16(cur + 2) & 0xfff8) !== 0) throw new Cut();
    next = o.u8(cur);
    cur += length;
  }
  const to = o.address(quoted + IPV6_DST_OFF, 6);
  const port = o.u16(cur + 2);
  if (next === IpProto.TCP) return `, ${to} tcp port ${port}`;
  return next === IpProto.UDP
    ? `, ${to} udp port ${port}`
    : `, ${to} protocol ${next} port ${port} unreachable`;
}

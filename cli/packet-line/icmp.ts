import { IPV4_DST_OFF, IPV4_HEADER_MIN, IPV4_PROTOCOL_OFF } from '../../decoders/ipv4.ts';
import { IpProto } from '../../decoders/packet-fields.ts';
import type { Octets } from './octets.ts';

/** Octets before the quoted packet: no message is shorter. RFC 792. */
const HEADER_LEN = 8;

/** Destination unreachable by code; %s is where the quoted packet was going. RFC 792, RFC 1812 §5.2.7.1. */
const UNREACHABLE: Readonly<Record<number, string>> = {
  0: 'net %s unreachable',
  1: 'host %s unreachable',
  5: '%s unreachable - source route failed',
  6: 'net %s unreachable - unknown',
  7: 'host %s unreachable - unknown',
  8: '%s unreachable - source host isolated',
  9: 'net %s unreachable - admin prohibited',
  10: 'host %s unreachable - admin prohibited',
  11: 'net %s unreachable - tos prohibited',
  12: 'host %s unreachable - tos prohibited',
  13: 'host %s unreachable - admin prohibited filter',
  14: 'host %s unreachable - host precedence violation',
  15: 'host %s unreachable - precedence cutoff',
};

/** Redirect by code. */
const REDIRECT: Readonly<Record<number, string>> = {
  0: 'redirect %s to net',
  1: 'redirect %s to host',
  2: 'redirect-tos %s to net',
  3: 'redirect-tos %s to host',
};

const PLAIN: Readonly<Record<number, string>> = {
  4: 'source quench',
  10: 'router solicitation',
  15: 'information request',
  16: 'information reply',
  17: 'address mask request',
};

/** An ICMP message at `off`. RFC 792, RFC 950, RFC 1256. @param length its octets on the wire @throws Cut */
export function icmpLine(o: Octets, off: number, length: number): string {
  o.need(off, HEADER_LEN);
  return `ICMP ${message(o, off)}, length ${length}`;
}

function message(o: Octets, off: number): string {
  const type = o.u8(off);
  const code = o.u8(off + 1);
  const pair = (): string => `id ${o.u16(off + 4)}`;
  switch (type) {
    case 0:
      return `echo reply, ${pair()}, seq ${o.u16(off + 6)}`;
    case 8:
      return `echo request, ${pair()}, seq ${o.u16(off + 6)}`;
    case 3:
      return unreachable(o, off, code);
    case 5: {
      const text = REDIRECT[code] ?? `redirect-#${code} %s to net`;
      return `${text.replace('%s', quotedDestination(o, off))} ${o.address(off + 4, 4)}`;
    }
    case 9:
      return routerAdvertisement(o, off);
    case 11:
      o.need(off + HEADER_LEN, IPV4_HEADER_MIN);
      if (code === 0) return 'time exceeded in-transit';
      return code === 1 ? 'ip reassembly time exceeded' : `time exceeded-#${code}`;
    case 12:
      return code !== 0 ? `parameter problem - code ${code}` : `parameter problem - octet ${o.u8(off + 4)}`;
    case 13:
      return `time stamp query ${pair()} seq ${o.u16(off + 6)}`;
    case 14: {
      const times = [8, 12, 16].map((at) => timeOfDay(o.u32(off + at)));
      return `time stamp reply ${pair()} seq ${o.u16(off + 6)}: org ${times[0]}, recv ${times[1]}, xmit ${times[2]}`;
    }
    case 18:
      return `address mask is 0x${o.hex(off + HEADER_LEN, 4)}`;
    default:
      return PLAIN[type] ?? `type-#${type}`;
  }
}

function unreachable(o: Octets, off: number, code: number): string {
  const to = quotedDestination(o, off);
  const quoted = off + HEADER_LEN;
  switch (code) {
    case 2:
      return `${to} protocol ${o.u8(quoted + IPV4_PROTOCOL_OFF)} unreachable`;
    case 3: {
      const proto = o.u8(quoted + IPV4_PROTOCOL_OFF);
      const port = o.u16(quoted + ((o.u8(quoted) & 15) << 2) + 2);
      if (proto === IpProto.TCP) return `${to} tcp port ${port} unreachable`;
      return proto === IpProto.UDP
        ? `${to} udp port ${port} unreachable`
        : `${to} protocol ${proto} port ${port} unreachable`;
    }
    case 4: {
      const mtu = o.u16(off + 6);
      return `${to} unreachable - need to frag${mtu === 0 ? '' : ` (mtu ${mtu})`}`;
    }
    default:
      return (UNREACHABLE[code] ?? `#${code} %s unreachable`).replace('%s', to);
  }
}

function quotedDestination(o: Octets, off: number): string {
  return o.address(off + HEADER_LEN + IPV4_DST_OFF, 4);
}

/** RFC 1256 §3: lifetime, then addresses with their preference. */
function routerAdvertisement(o: Octets, off: number): string {
  const count = o.u8(off + 4);
  const lifetime = o.u16(off + 6);
  const head = `router advertisement lifetime ${duration(lifetime)} ${count}:`;
  const size = o.u8(off + 5);
  if (size !== 2) return `${head} [size ${size}]`;
  const each = Array.from({ length: count }, (_, i) => {
    const at = off + HEADER_LEN + i * 8;
    return ` {${o.address(at, 4)} ${o.u32(at + 4)}}`;
  });
  return head + each.join('');
}

function duration(sec: number): string {
  if (sec < 60) return String(sec);
  const [h, m, s] = [Math.floor(sec / 3600), Math.floor(sec / 60) % 60, sec % 60].map((n) =>
    String(n).padStart(2, '0'),
  );
  return sec < 3600 ? `${Number(m)}:${s}` : `${Number(h)}:${m}:${s}`;
}

/** Milliseconds since midnight UT. RFC 792. */
function timeOfDay(ms: number): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const sec = Math.floor(ms / 1000);
  return `${two(Math.floor(sec / 3600))}:${two(Math.floor(sec / 60) % 60)}:${two(sec % 60)}.${String(ms % 1000).padStart(3, '0')}`;
}

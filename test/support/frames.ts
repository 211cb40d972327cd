import { foldChecksum, sumWords } from '../../decoders/checksum.ts';

/** Builds frames for tests: only what a test names differs from a plain Ethernet/IPv4 packet. */
export interface FrameSpec {
  src?: string;
  dst?: string;
  proto?: 'tcp' | 'udp' | 'icmp' | number;
  sport?: number;
  dport?: number;
  /** TCP flag letters out of FSRPAUEC. */
  flags?: string;
  seq?: number;
  ack?: number;
  window?: number;
  /** TCP options, a multiple of 4 octets. */
  options?: number[];
  /** Octets, or how many that mean nothing. */
  payload?: number | Uint8Array;
  ttl?: number;
  tos?: number;
  vlan?: number[];
  ipId?: number;
  /** In octets, a multiple of 8. */
  fragOff?: number;
  moreFragments?: boolean;
}

const FLAG_BITS: Record<string, number> = { F: 1, S: 2, R: 4, P: 8, A: 16, U: 32, E: 64, C: 128 };
const PROTO = { tcp: 6, udp: 17, icmp: 1 } as const;

function ipv4(text: string): number[] {
  return text.split('.').map(Number);
}

function ipv6(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((g) => Number.parseInt(g, 16));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const middle = new Array(8 - left.length - right.length).fill(0);
  return [...left, ...middle, ...right].flatMap((g) => [g >> 8, g & 0xff]);
}

/** An Ethernet frame with an IPv4 (or, when `src` has a colon, IPv6) packet; checksums are left at 0. */
export function frame(spec: FrameSpec): Uint8Array {
  const { src = '10.0.0.1', dst = '10.0.0.2', sport = 1000, dport = 80 } = spec;
  const filler = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i);
  const payload = typeof spec.payload === 'object' ? spec.payload : filler(spec.payload ?? 0);
  const proto = typeof spec.proto === 'number' ? spec.proto : PROTO[spec.proto ?? 'tcp'];
  const later = (spec.fragOff ?? 0) > 0;
  const l4: number[] = [];
  if (!later && proto === 6) {
    const flags = [...(spec.flags ?? 'A')].reduce((sum, letter) => sum | FLAG_BITS[letter]!, 0);
    const options = spec.options ?? [];
    l4.push(...u16(sport), ...u16(dport), ...u32(spec.seq ?? 1), ...u32(spec.ack ?? 1));
    l4.push((5 + options.length / 4) << 4, flags, ...u16(spec.window ?? 1000), 0, 0, 0, 0, ...options);
  } else if (!later && proto === 17) l4.push(...u16(sport), ...u16(dport), ...u16(8 + payload.length), 0, 0);
  else if (!later && (proto === 1 || proto === 58)) l4.push(sport, dport, 0, 0, 0, 0, 0, 0);
  l4.push(...payload);
  const v6 = src.includes(':');
  const ip = v6
    ? [0x60, 0, 0, 0, ...u16(l4.length), proto, spec.ttl ?? 64, ...ipv6(src), ...ipv6(dst)]
    : [
        0x45,
        spec.tos ?? 0,
        ...u16(20 + l4.length),
        ...u16(spec.ipId ?? 0),
        ...u16(((spec.fragOff ?? 0) >> 3) | (spec.moreFragments ? 0x2000 : 0)),
        spec.ttl ?? 64,
        proto,
        0,
        0,
        ...ipv4(src),
        ...ipv4(dst),
      ];
  const vlan = (spec.vlan ?? []).flatMap((id) => [0x81, 0x00, ...u16(id)]);
  return Uint8Array.from([
    2,
    0,
    0,
    0,
    0,
    2,
    2,
    0,
    0,
    0,
    0,
    1,
    ...vlan,
    ...(v6 ? [0x86, 0xdd] : [8, 0]),
    ...ip,
    ...l4,
  ]);
}

function u16(n: number): number[] {
  return [(n >> 8) & 0xff, n & 0xff];
}

/** Four octets in network order. */
export function u32(n: number): number[] {
  return [(n >>> 24) & 0xff, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff];
}

/** Fills in the TCP or UDP checksum of an untagged frame over IPv4 without options, which it is in place. @returns the frame */
export function withChecksum(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const l4 = 34;
  const proto = bytes[23]!;
  const at = l4 + (proto === 6 ? 16 : 6);
  view.setUint16(at, 0);
  // Pseudo-header: addresses, protocol, length.
  const sum = sumWords(view, 26, l4, proto + bytes.length - l4);
  view.setUint16(at, foldChecksum(sumWords(view, l4, bytes.length, sum)));
  return bytes;
}

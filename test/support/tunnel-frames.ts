import { type FrameSpec, frame } from './frames.ts';

const LINK_LEN = 14;
const u16 = (n: number): number[] => [(n >> 8) & 0xff, n & 0xff];
const u32 = (n: number): number[] => [...u16(n >>> 16), ...u16(n)];

/** The packet of a frame: what is behind the Ethernet header. */
export function ipOf(inner: Uint8Array): Uint8Array {
  return inner.subarray(LINK_LEN);
}

/** VXLAN header of RFC 7348 §5 and the frame behind it. */
export function vxlan(vni: number, inner: Uint8Array): Uint8Array {
  return Uint8Array.from([8, 0, 0, 0, ...u32(vni << 8), ...inner]);
}

/** VXLAN-GPE of draft-ietf-nvo3-vxlan-gpe §3: flags I and P, and the next protocol. */
export function vxlanGpe(vni: number, next: number, inner: Uint8Array): Uint8Array {
  return Uint8Array.from([0x0c, 0, 0, next, ...u32(vni << 8), ...inner]);
}

/** GENEVE header of RFC 8926 §3.4. @param options octets, a multiple of 4 */
export function geneve(vni: number, protocol: number, inner: Uint8Array, options: number[] = []): Uint8Array {
  return Uint8Array.from([options.length / 4, 0, ...u16(protocol), ...u32(vni << 8), ...options, ...inner]);
}

/** What a GRE header has beyond flags and protocol; each field that is given is there. */
export interface GreSpec {
  checksum?: boolean;
  key?: number;
  sequence?: number;
  /** Bits that go into the flags besides. */
  flags?: number;
}

/** GRE header of RFC 2784 and RFC 2890. */
export function gre(protocol: number, inner: Uint8Array, spec: GreSpec = {}): Uint8Array {
  const { checksum = false, key, sequence, flags = 0 } = spec;
  const bits =
    flags |
    (checksum ? 0x8000 : 0) |
    (key === undefined ? 0 : 0x2000) |
    (sequence === undefined ? 0 : 0x1000);
  return Uint8Array.from([
    ...u16(bits),
    ...u16(protocol),
    ...(checksum ? [0xab, 0xcd, 0, 0] : []),
    ...(key === undefined ? [] : u32(key)),
    ...(sequence === undefined ? [] : u32(sequence)),
    ...inner,
  ]);
}

/** ERSPAN Type II header of draft-foschiano-erspan §4.2: version 1, the session's 10 bits. */
export function erspan2(session: number, inner: Uint8Array): Uint8Array {
  return Uint8Array.from([0x10, 0, ...u16(session), 0, 0, 0, 0, ...inner]);
}

/** ERSPAN Type III header of §4.3: version 2. @param platform eight octets behind it, announced by the O bit */
export function erspan3(session: number, inner: Uint8Array, platform: number[] = []): Uint8Array {
  const last = platform.length > 0 ? 1 : 0;
  return Uint8Array.from([0x20, 0, ...u16(session), 0, 0, 0, 0, 0, 0, 0, last, ...platform, ...inner]);
}

/** GTP-U header of 3GPP TS 29.281 §5.1. @param extensions octets of the optional part, sequence number first */
export function gtpU(
  teid: number,
  inner: Uint8Array,
  type = 255,
  flags = 0x30,
  optional: number[] = [],
): Uint8Array {
  return Uint8Array.from([
    flags,
    type,
    ...u16(inner.length + optional.length),
    ...u32(teid),
    ...optional,
    ...inner,
  ]);
}

/** PPTP's GRE of RFC 2637 §4.1 with a sequence number, around PPP. */
export function pptp(call: number, ppp: Uint8Array): Uint8Array {
  return Uint8Array.from([0x30, 0x01, 0x88, 0x0b, ...u16(ppp.length), ...u16(call), 0, 0, 0, 9, ...ppp]);
}

/** An IPv4 UDP frame to this port around a payload. */
export function overUdp(dport: number, payload: Uint8Array, outer: FrameSpec = {}): Uint8Array {
  return frame({ ...outer, proto: 'udp', dport, payload });
}

/** A frame of this IP protocol around a payload. */
export function overIp(proto: number, payload: Uint8Array, outer: FrameSpec = {}): Uint8Array {
  return frame({ ...outer, proto, payload });
}

/** One frame of each kind of tunnel, around a TCP segment. */
export function tunnelFrames(): Uint8Array[] {
  const v4 = frame({ src: '192.168.0.1', dst: '192.168.0.2', payload: 4 });
  const v6 = frame({ src: 'fd00::1', dst: 'fd00::2', payload: 4 });
  const outer6: FrameSpec = { src: '2001:db8::1', dst: '2001:db8::2' };
  return [
    overIp(4, ipOf(v4)),
    overIp(4, ipOf(v4), outer6),
    overIp(41, ipOf(v6)),
    overIp(41, ipOf(v6), outer6),
    overIp(47, gre(0x0800, ipOf(v4))),
    overIp(47, gre(0x86dd, ipOf(v6), { checksum: true, key: 7, sequence: 1 })),
    overIp(47, gre(0x6558, v4, { key: 7 }), outer6),
    overIp(47, gre(0x88be, v4)),
    overIp(47, gre(0x88be, erspan2(100, v4), { sequence: 1 })),
    overIp(47, gre(0x22eb, erspan3(100, v4), { sequence: 1 })),
    overIp(47, gre(0x22eb, erspan3(100, v4, new Array(8).fill(1)), { sequence: 1 })),
    overIp(47, pptp(5, Uint8Array.from([0xff, 3, 0, 0x21, ...ipOf(v4)]))),
    overUdp(4789, vxlan(42, v4)),
    overUdp(8472, vxlan(42, v6), outer6),
    overUdp(4790, vxlanGpe(42, 1, ipOf(v4))),
    overUdp(4790, vxlanGpe(42, 3, v6)),
    overUdp(6081, geneve(42, 0x6558, v4, [0, 1, 2, 1, 9, 9, 9, 9])),
    overUdp(6081, geneve(42, 0x0800, ipOf(v4))),
    overUdp(2152, gtpU(42, ipOf(v4))),
    overUdp(2152, gtpU(42, ipOf(v6), 255, 0x34, [0, 0, 0, 0x85, 1, 0, 9, 0])),
  ];
}

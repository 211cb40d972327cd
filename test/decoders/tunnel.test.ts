import { describe, expect, it } from 'vitest';
import { LinkType } from '../../decoders/link-types.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { decodeTunnel } from '../../decoders/tunnel.ts';
import { TUNNEL_NAMES, TunnelFields, TunnelStatus } from '../../decoders/tunnel-fields.ts';
import { TUNNEL_TYPES } from '../../storage/flow-batch.ts';
import { type FrameSpec, frame } from '../support/frames.ts';
import {
  erspan2,
  erspan3,
  geneve,
  gre,
  gtpU,
  ipOf,
  overIp,
  overUdp,
  pptp,
  tunnelFrames,
  vxlan,
  vxlanGpe,
} from '../support/tunnel-frames.ts';
import { decode, hex } from './bytes.ts';

const ETHERNET_LEN = 14;
const IPV4_LEN = 20;
const IPV6_LEN = 40;
const INNER = frame({ src: '192.168.0.1', dst: '192.168.0.2', payload: 4 });
const INNER6 = frame({ src: 'fd00::1', dst: 'fd00::2', payload: 4 });
const OUTER6: FrameSpec = { src: '2001:db8::1', dst: '2001:db8::2' };

/** decodeTunnel on a frame. @param wireLen of the frame, when it was cut */
function tunnel(bytes: Uint8Array, wireLen = bytes.length) {
  const outer = decode(bytes, { wireLen });
  const all = new Uint8Array(bytes.length + 25).fill(0xee); // as `place` has it
  all.set(bytes, 25);
  const inner = new PacketFields();
  const t = new TunnelFields();
  const status = decodeTunnel(new DataView(all.buffer), outer.f, inner, t);
  return { status, t, inner, outer: outer.f, type: TUNNEL_NAMES[t.type], at: outer.at };
}

it('has the names and codes that storage has', () => {
  expect(TUNNEL_NAMES.slice(1)).toEqual(TUNNEL_TYPES.slice(1));
  expect(TUNNEL_TYPES[0]).toBeNull();
});

/** [what, frame, type, id or null, the id is of both directions, octets before the inner frame or packet, its link type] */
type Kind = [string, Uint8Array, string, number | null, boolean, number, number];
const V4 = ETHERNET_LEN + IPV4_LEN;
const V6 = ETHERNET_LEN + IPV6_LEN;
const BIG = 0xffff_fffe;

const KINDS: Kind[] = [
  ['IPv4 in IPv4', overIp(4, ipOf(INNER)), 'ipip', null, false, V4, LinkType.IPV4],
  ['IPv4 in IPv6', overIp(4, ipOf(INNER), OUTER6), '4in6', null, false, V6, LinkType.IPV4],
  ['IPv6 in IPv4', overIp(41, ipOf(INNER6)), '6in4', null, false, V4, LinkType.IPV6],
  ['IPv6 in IPv6', overIp(41, ipOf(INNER6), OUTER6), '6in6', null, false, V6, LinkType.IPV6],
  ['GRE', overIp(47, gre(0x0800, ipOf(INNER))), 'gre', null, false, V4 + 4, LinkType.IPV4],
  [
    'GRE with key',
    overIp(47, gre(0x86dd, ipOf(INNER6), { key: BIG })),
    'gre',
    BIG,
    true,
    V4 + 8,
    LinkType.IPV6,
  ],
  [
    'GRE with all of its fields, over IPv6',
    overIp(47, gre(0x6558, INNER, { checksum: true, key: 0, sequence: 5 }), OUTER6),
    'gre',
    0,
    true,
    V6 + 16,
    LinkType.ETHERNET,
  ],
  [
    'MPLS in GRE',
    overIp(47, gre(0x8847, Uint8Array.from([0, 0, 0x11, 64, ...ipOf(INNER)]))),
    'gre',
    null,
    false,
    V4 + 4,
    LinkType.MPLS,
  ],
  [
    'PPTP',
    overIp(47, pptp(5, Uint8Array.from([0xff, 3, 0, 0x21, ...ipOf(INNER)]))),
    'gre',
    5,
    false,
    V4 + 12,
    LinkType.PPP,
  ],
  ['ERSPAN type I', overIp(47, gre(0x88be, INNER)), 'erspan', null, false, V4 + 4, LinkType.ETHERNET],
  [
    'ERSPAN type II',
    overIp(47, gre(0x88be, erspan2(1023, INNER), { sequence: 0 })),
    'erspan',
    1023,
    true,
    V4 + 16,
    LinkType.ETHERNET,
  ],
  [
    'ERSPAN type III',
    overIp(47, gre(0x22eb, erspan3(7, INNER), { sequence: 0 })),
    'erspan',
    7,
    true,
    V4 + 20,
    LinkType.ETHERNET,
  ],
  [
    'ERSPAN type III with subheader',
    overIp(47, gre(0x22eb, erspan3(7, INNER, [1, 2, 3, 4, 5, 6, 7, 8]), { sequence: 0 })),
    'erspan',
    7,
    true,
    V4 + 28,
    LinkType.ETHERNET,
  ],
  ['VXLAN', overUdp(4789, vxlan(0xfffffe, INNER)), 'vxlan', 0xfffffe, true, V4 + 16, LinkType.ETHERNET],
  [
    'VXLAN on the port of Linux',
    overUdp(8472, vxlan(0, INNER6), OUTER6),
    'vxlan',
    0,
    true,
    V6 + 16,
    LinkType.ETHERNET,
  ],
  [
    'VXLAN-GPE of IPv4',
    overUdp(4790, vxlanGpe(9, 1, ipOf(INNER))),
    'vxlan-gpe',
    9,
    true,
    V4 + 16,
    LinkType.IPV4,
  ],
  [
    'VXLAN-GPE of IPv6',
    overUdp(4790, vxlanGpe(9, 2, ipOf(INNER6))),
    'vxlan-gpe',
    9,
    true,
    V4 + 16,
    LinkType.IPV6,
  ],
  [
    'VXLAN-GPE of Ethernet',
    overUdp(4790, vxlanGpe(9, 3, INNER)),
    'vxlan-gpe',
    9,
    true,
    V4 + 16,
    LinkType.ETHERNET,
  ],
  [
    'VXLAN-GPE without the P flag',
    overUdp(4790, vxlan(9, INNER)),
    'vxlan-gpe',
    9,
    true,
    V4 + 16,
    LinkType.ETHERNET,
  ],
  ['GENEVE', overUdp(6081, geneve(42, 0x6558, INNER)), 'geneve', 42, true, V4 + 16, LinkType.ETHERNET],
  [
    'GENEVE with options, of IPv6',
    overUdp(6081, geneve(42, 0x86dd, ipOf(INNER6), [0, 1, 0x80, 1, 9, 9, 9, 9])),
    'geneve',
    42,
    true,
    V4 + 24,
    LinkType.IPV6,
  ],
  ['GTP-U', overUdp(2152, gtpU(BIG, ipOf(INNER))), 'gtp-u', BIG, false, V4 + 16, LinkType.RAW],
  [
    'GTP-U with a sequence number, of IPv6',
    overUdp(2152, gtpU(1, ipOf(INNER6), 255, 0x32, [0, 9, 0, 0])),
    'gtp-u',
    1,
    false,
    V4 + 20,
    LinkType.RAW,
  ],
  [
    'GTP-U with two extension headers',
    overUdp(2152, gtpU(1, ipOf(INNER), 255, 0x34, [0, 0, 0, 0x85, 1, 0, 9, 0xc0, 2, 1, 1, 1, 1, 1, 1, 0])),
    'gtp-u',
    1,
    false,
    V4 + 32,
    LinkType.RAW,
  ],
];

describe('each kind of tunnel', () => {
  it.each(KINDS)('%s', (_, bytes, type, id, isBothWays, innerOff, linkType) => {
    const r = tunnel(bytes);
    expect(r.status).toBe(TunnelStatus.Ok);
    expect([r.type, r.t.hasId ? r.t.id >>> 0 : null, r.t.idBothWays]).toEqual([type, id, isBothWays]);
    expect([r.t.innerLinkType, r.at(r.t.innerOff)]).toEqual([linkType, innerOff]);
    expect(r.inner.wireLen).toBe(bytes.length - innerOff);
    expect([r.inner.srcPort, r.inner.dstPort, r.inner.payloadLen]).toEqual([1000, 80, 4]);
    expect(r.inner.tsSec).toBe(r.outer.tsSec);
  });

  it.each(KINDS)(
    '%s: cut anywhere, it is followed from a whole inner IP header on',
    (_, bytes, type, _id, _both, innerOff) => {
      const whole = tunnel(bytes);
      const followedFrom = whole.at(whole.inner.srcOff) + (whole.inner.ipVersion === 6 ? 32 : 8);
      const headersEnd = whole.outer.hasPorts ? whole.at(whole.outer.l4Off) + 8 : whole.at(whole.outer.l4Off);
      for (let length = headersEnd; length < bytes.length; length++) {
        const r = tunnel(bytes.subarray(0, length), bytes.length);
        // An empty datagram on the port of GTP-U is a keep-alive, which a cut one cannot be told from.
        if (type === 'gtp-u' && length === headersEnd) continue;
        const expected = length >= followedFrom ? TunnelStatus.Ok : TunnelStatus.Undecoded;
        expect([length, r.status]).toEqual([length, expected]);
        if (r.status === TunnelStatus.Ok) expect(r.inner.wireLen).toBe(bytes.length - innerOff);
      }
    },
  );

  it.each(KINDS.filter(([, bytes]) => bytes[12] === 8))(
    '%s: a fragment of it is not followed',
    (_, bytes) => {
      const first = Uint8Array.from(bytes);
      first[ETHERNET_LEN + 6] = 0x20; // more fragments
      expect(tunnel(first).status).toBe(TunnelStatus.Undecoded);
      const later = Uint8Array.from(bytes);
      later[ETHERNET_LEN + 7] = 9;
      // A later fragment of a datagram does not say which port it is for.
      expect(tunnel(later).status).toBe(bytes[23] === 17 ? TunnelStatus.None : TunnelStatus.Undecoded);
    },
  );

  it('is in the frames that fuzzing begins with', () => {
    const types = tunnelFrames()
      .map((bytes) => tunnel(bytes))
      .map((r) => [r.status, r.type]);
    expect(new Set(types.map(([status]) => status))).toEqual(new Set([TunnelStatus.Ok]));
    expect([...new Set(types.map(([, type]) => type))].sort()).toEqual(TUNNEL_NAMES.slice(1).sort());
  });
});

describe('what is inside', () => {
  it('has the inner frame its own VLAN tags and addresses, and none that the kernel took from the outer one', () => {
    const bytes = overUdp(4789, vxlan(1, frame({ src: '192.168.0.1', vlan: [7] })), { vlan: [5] });
    const r = tunnel(bytes);
    expect([r.outer.vlanOuter, r.inner.vlanOuter, r.inner.vlanCount, r.inner.strippedTci]).toEqual([
      5, 7, 1, -1,
    ]);
    expect(r.inner.srcMacOff).toBeGreaterThan(r.outer.l4Off);
  });

  it('ends where the outer IP header says, not where the frame does', () => {
    const padded = Uint8Array.from([...overIp(4, ipOf(frame({ proto: 'udp' }))), ...new Array(10).fill(0)]);
    const r = tunnel(padded);
    expect([r.status, r.inner.wireLen, r.inner.payloadLen]).toEqual([TunnelStatus.Ok, 28, 0]);
  });

  it.each<[string, Uint8Array]>([
    [
      'ARP',
      overUdp(4789, vxlan(1, hex('ffffffffffff 020000000001 0806 0001 0800 0604 0001'.padEnd(120, '0')))),
    ],
    ['an IP header that is none', overIp(4, Uint8Array.from(new Array(40).fill(0xff)))],
    ['the other IP version', overIp(4, ipOf(INNER6))],
    ['nothing', overIp(41, new Uint8Array(0))],
    ['a protocol that we do not know', overIp(47, gre(0x1234, ipOf(INNER)))],
    ['LCP', overIp(47, pptp(5, hex('ff03 c021 0101 0004')))],
    ['NSH', overUdp(4790, vxlanGpe(9, 4, ipOf(INNER)))],
    ['a GENEVE payload that we do not know', overUdp(6081, geneve(1, 0x1234, INNER))],
    ['an Ethernet PDU session of GTP-U', overUdp(2152, gtpU(1, INNER))],
    [
      'another ERSPAN frame type',
      overIp(47, gre(0x22eb, hex('2000 0007 00000000 0000 0800'.concat('00'.repeat(40))), { sequence: 1 })),
    ],
  ])('%s is not followed', (_, bytes) => {
    expect(tunnel(bytes).status).toBe(TunnelStatus.Undecoded);
  });
});

describe('headers that lie', () => {
  it.each<[string, Uint8Array]>([
    ['GRE of version 7', overIp(47, gre(0x0800, ipOf(INNER), { flags: 7 }))],
    ['GRE with a source route', overIp(47, gre(0x0800, ipOf(INNER), { flags: 0x4000 }))],
    ['PPTP without a key', overIp(47, gre(0x880b, INNER, { flags: 1 }))],
    ['PPTP of another protocol', overIp(47, gre(0x0800, INNER, { flags: 1, key: 1 }))],
    [
      'GENEVE options behind the end',
      overUdp(6081, Uint8Array.from([0x3f, 0, 0x65, 0x58, 0, 0, 1, 0, ...INNER.subarray(0, 60)])),
    ],
    [
      'a GTP-U extension of no length',
      overUdp(2152, gtpU(1, ipOf(INNER), 255, 0x34, [0, 0, 0, 0x85, 0, 0, 0, 0])),
    ],
    [
      'a GTP-U extension behind the end',
      overUdp(2152, gtpU(1, hex('45'), 255, 0x34, [0, 0, 0, 0x85, 60, 0, 0, 0])),
    ],
    [
      'GTP-U extensions without end',
      overUdp(2152, gtpU(1, hex('010000c0'.repeat(40)), 255, 0x34, [0, 0, 0, 0xc0])),
    ],
    ['ERSPAN type II of version 3', overIp(47, gre(0x88be, hex('30000000 00000000'), { sequence: 1 }))],
    ['ERSPAN type III of version 1', overIp(47, gre(0x22eb, erspan2(1, INNER), { sequence: 1 }))],
  ])('%s is undecoded', (_, bytes) => {
    expect(tunnel(bytes).status).toBe(TunnelStatus.Undecoded);
  });
});

describe('no tunnel', () => {
  it.each<[string, Uint8Array]>([
    ['TCP on the port of VXLAN', frame({ dport: 4789, payload: vxlan(1, INNER) })],
    ['UDP from the port of VXLAN', frame({ proto: 'udp', sport: 4789, dport: 53, payload: vxlan(1, INNER) })],
    ['VXLAN without the I flag', overUdp(4789, Uint8Array.from([0, 0, 0, 0, 0, 0, 1, 0, ...INNER]))],
    ['VXLAN-GPE of another version', overUdp(4790, Uint8Array.from([0x1c, 0, 0, 3, 0, 0, 1, 0, ...INNER]))],
    ['GENEVE of version 1', overUdp(6081, Uint8Array.from([0x40, 0, 0x65, 0x58, 0, 0, 1, 0, ...INNER]))],
    ["GTP'", overUdp(2152, gtpU(1, ipOf(INNER), 255, 0x20))],
    ['GTP of version 2', overUdp(2152, gtpU(1, ipOf(INNER), 255, 0x50))],
    ['a GTP-U echo request', overUdp(2152, gtpU(0, new Uint8Array(0), 1, 0x32, [0, 1, 0, 0]))],
    ['a GTP-U end marker', overUdp(2152, gtpU(7, new Uint8Array(0), 254))],
    ['a keep-alive on the port of GTP-U', overUdp(2152, new Uint8Array(0))],
    ['an acknowledgement of PPTP', overIp(47, hex('2081 880b 0000 0005 00000009'))],
  ])('%s', (_, bytes) => {
    expect(tunnel(bytes).status).toBe(TunnelStatus.None);
  });
});

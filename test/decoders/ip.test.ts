import { describe, expect, it } from 'vitest';
import { decodeIPv4, IPV4_HEADER_MIN } from '../../decoders/ipv4.ts';
import { decodeIPv6, IPV6_HEADER_LEN } from '../../decoders/ipv6.ts';
import { IPV6_EXT_MAX } from '../../decoders/ipv6-ext.ts';
import { IpProto } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import { decode, everyPrefix, hex, runDecoder, touched } from './bytes.ts';

/** An IPv4 header with the given first octets changed; 20 octets, UDP. */
function ipv4(changes: Record<number, number> = {}): Uint8Array {
  const bytes = hex('4500001c 12340000 40110000 0a000001 0a000002');
  for (const [at, value] of Object.entries(changes)) bytes[Number(at)] = value;
  return bytes;
}

/** An IPv6 header with that payload length and next header, then `rest`. */
function ipv6(payloadLen: number, next: number, rest = ''): Uint8Array {
  const bytes = hex(`60000000 0000 0040 ${'20010db8000000000000000000000001'.repeat(2)} ${rest}`);
  bytes[4] = payloadLen >>> 8;
  bytes[5] = payloadLen & 0xff;
  bytes[6] = next;
  return bytes;
}

describe('ipv4', () => {
  it('is Truncated and touches nothing for each shorter prefix', () => {
    for (const cut of everyPrefix(decodeIPv4, ipv4(), { wireEnd: 28 }))
      expect(cut).toEqual({ length: cut.length, status: Status.Truncated, untouched: true });
    expect(runDecoder(decodeIPv4, ipv4(), { wireEnd: 28 }).status).toBe(Status.Ok);
  });

  it.each([
    ['version 6', { 0: 0x65 }],
    ['version 0', { 0: 0x05 }],
    ['IHL 4', { 0: 0x44 }],
    ['IHL 0', { 0: 0x40 }],
    ['total length 19', { 3: 19 }],
    ['total length below the options', { 0: 0x46, 3: 23 }],
  ])('rejects %s', (_name, changes) => {
    const { status, f } = runDecoder(
      decodeIPv4,
      hex(`${Buffer.from(ipv4(changes)).toString('hex')}00000000`),
    );
    expect([status, touched(f)]).toEqual([Status.Malformed, {}]);
  });

  it('accepts a total length of exactly the header', () => {
    const { f, status } = runDecoder(decodeIPv4, ipv4({ 3: 20 }), { wireEnd: 20 });
    expect([status, f.ipLen, f.l4Off, f.l4End]).toEqual([Status.Ok, 20, 20, 20]);
  });

  it('rejects a TSO length of 0 when the wire has no room for the header', () => {
    const { status, f } = runDecoder(decodeIPv4, ipv4({ 3: 0 }), { wireEnd: 19 });
    expect([status, touched(f)]).toEqual([Status.Malformed, { wireEnd: 19 }]);
  });

  it('does not reject a total length beyond the wire: offsets are clamped, ipLen is as stated', () => {
    const { f } = decode(Uint8Array.from([...ipv4({ 2: 0xff, 3: 0xff }), ...hex('00010002 00080000')]), {
      linkType: 228,
    });
    expect(f).toMatchObject({ ipLen: 65535, hasPorts: true, payloadLen: 0, l4Status: Status.Ok });
    expect([f.l4End, f.ipWireEnd]).toEqual([f.capEnd, f.wireEnd]);
  });

  it('stays decoded when the snaplen cuts its options', () => {
    const { f, status } = decode(ipv4({ 0: 0x4f, 3: 80 }), { linkType: 228, wireLen: 80 });
    expect(status).toBe(Status.Ok);
    expect(f).toMatchObject({
      ipVersion: 4,
      l4Status: Status.Truncated,
      l4Off: -1,
      l4End: -1,
      hasPorts: false,
    });
  });

  it.each([
    [0x2000, true, 0, true],
    [0x0001, true, 8, false],
    [0x3fff, true, 65528, true],
    [0x4000, false, 0, false],
    [0x8000, false, 0, false],
  ])('reads flags and offset 0x%s', (word, isFragment, fragOff, moreFragments) => {
    const { f } = runDecoder(decodeIPv4, ipv4({ 6: word >>> 8, 7: word & 0xff }), { wireEnd: 28 });
    expect([f.isFragment, f.fragOff, f.moreFragments]).toEqual([isFragment, fragOff, moreFragments]);
  });

  it('does not read ports from padding behind the total length', () => {
    const { f } = decode(Uint8Array.from([...ipv4({ 3: 23 }), ...hex('00010002 00080000')]), {
      linkType: 228,
    });
    expect(f).toMatchObject({ hasPorts: false, l4Status: Status.Malformed });
  });

  it('has the length that its constant says', () => {
    expect(ipv4().length).toBe(IPV4_HEADER_MIN);
  });
});

describe('ipv6', () => {
  it('is Truncated and touches nothing for each shorter prefix', () => {
    for (const cut of everyPrefix(decodeIPv6, ipv6(0, 59)))
      expect(cut).toEqual({ length: cut.length, status: Status.Truncated, untouched: true });
    expect(runDecoder(decodeIPv6, ipv6(0, 59)).status).toBe(Status.Ok);
    expect(ipv6(0, 59).length).toBe(IPV6_HEADER_LEN);
  });

  it('rejects every other version', () => {
    for (let version = 0; version < 16; version++) {
      const bytes = ipv6(0, 59);
      bytes[0] = version << 4;
      const { status, f } = runDecoder(decodeIPv6, bytes);
      expect(status).toBe(version === 6 ? Status.Ok : Status.Malformed);
      if (version !== 6) expect(touched(f)).toEqual({});
    }
  });

  it('takes the wire length for a payload length of 0: jumbogram and offload', () => {
    const tcp = '00500051 00000001 00000002 50100000 00000000 0102';
    const tso = decode(ipv6(0, IpProto.TCP, tcp), { linkType: 229, wireLen: 100_060 });
    expect(tso.f).toMatchObject({ ipLen: 40, hasPorts: true, srcPort: 80, payloadLen: 100_000 });
    const jumbo = decode(ipv6(0, IpProto.HOPOPT, `0600c204 00018704 ${tcp}`), {
      linkType: 229,
      wireLen: 100_068,
    });
    expect(jumbo.f).toMatchObject({ ipLen: 40, l3HeaderLen: 48, srcPort: 80, payloadLen: 100_000 });
  });

  it('takes a payload length of 0 at its word before a fragment header, and for no next header', () => {
    const fragment = decode(ipv6(0, IpProto.FRAGMENT, '1100000100000000'), { linkType: 229 });
    expect(fragment.f).toMatchObject({
      status: Status.Ok,
      isFragment: false,
      l4Status: Status.Malformed,
      l4Off: -1,
    });
    const none = decode(ipv6(0, IpProto.NONE, '00'.repeat(20)), { linkType: 229 });
    expect(none.f).toMatchObject({ payloadLen: 0, payloadOff: -1, l4Status: Status.Ok });
  });

  it('drops padding behind the payload length', () => {
    const { f } = decode(ipv6(8, IpProto.UDP, '00010002 00080000 eeee'), { linkType: 229 });
    expect([f.l4End, f.payloadLen, f.payloadOff]).toEqual([f.capEnd - 2, 0, -1]);
  });
});

describe('ipv6 extension headers', () => {
  const udp = '00010002 00080000';
  it.each([
    ['hop-by-hop', IpProto.HOPOPT],
    ['routing', IpProto.ROUTING],
    ['destination options', IpProto.DSTOPTS],
  ])('walks %s of 8 and of 2048 octets', (_name, next) => {
    const short = decode(ipv6(16, next, `1100010400000000 ${udp}`), { linkType: 229 }).f;
    expect(short).toMatchObject({
      ipProto: 17,
      l3HeaderLen: 48,
      srcPort: 1,
      dstPort: 2,
      l4Status: Status.Ok,
    });
    const long = decode(ipv6(2056, next, `11ff${'00'.repeat(2046)} ${udp}`), { linkType: 229 }).f;
    expect(long).toMatchObject({ ipProto: 17, l3HeaderLen: 2088, srcPort: 1, dstPort: 2 });
  });

  it.each([
    ['AH', IpProto.AH],
    ['ESP', IpProto.ESP],
    ['mobility', IpProto.MOBILITY],
  ])('takes %s for the upper layer', (_name, next) => {
    const { f } = decode(ipv6(16, next, `0600010400000000 ${udp}`), { linkType: 229 });
    expect(f).toMatchObject({ ipProto: next, l3HeaderLen: 40, hasPorts: false, payloadLen: 16 });
  });

  it('stops behind a non-first fragment: no ports, whatever the next header', () => {
    for (const next of ['11', '3c', '2c']) {
      const { f } = decode(ipv6(16, IpProto.FRAGMENT, `${next}00 0009 89abcdef ${udp}`), { linkType: 229 });
      expect(f).toMatchObject({
        ipProto: Number.parseInt(next, 16),
        isFragment: true,
        fragOff: 8,
        moreFragments: true,
        ipId: 0x89abcdef | 0,
        hasPorts: false,
        payloadLen: 8,
        l4Status: Status.Ok,
      });
    }
  });

  it('takes an atomic fragment for none (RFC 6946)', () => {
    const { f } = decode(ipv6(16, IpProto.FRAGMENT, `11000000 00000001 ${udp}`), { linkType: 229 });
    expect(f).toMatchObject({ isFragment: false, fragOff: 0, hasPorts: true, srcPort: 1 });
  });

  it('tells a chain that the snaplen cut from one that the payload length cuts', () => {
    const bytes = ipv6(16, IpProto.HOPOPT, `1101010c${'00'.repeat(12)}`);
    for (let length = 40; length < 56; length++) {
      const { f, status } = decode(bytes.subarray(0, length), { linkType: 229, wireLen: 56 });
      expect([status, f.l4Status, f.l4Off, f.hasPorts]).toEqual([Status.Ok, Status.Truncated, -1, false]);
      expect(f.ipProto).toBe(length === 40 ? IpProto.HOPOPT : IpProto.UDP);
    }
    const short = decode(ipv6(8, IpProto.HOPOPT, `1101010c${'00'.repeat(12)}`), { linkType: 229 });
    expect(short.f).toMatchObject({ status: Status.Ok, l4Status: Status.Malformed, l4Off: -1 });
  });

  it('keeps the number of a fragment header that is cut, as nobody knows what follows', () => {
    const bytes = ipv6(16, IpProto.FRAGMENT, `11000000 00000001 ${udp}`);
    for (let length = 40; length < 48; length++) {
      const { f } = decode(bytes.subarray(0, length), { linkType: 229, wireLen: 56 });
      expect(f).toMatchObject({ ipProto: IpProto.FRAGMENT, l4Status: Status.Truncated, isFragment: false });
    }
  });

  it('gives up behind IPV6_EXT_MAX headers', () => {
    const chain = (count: number) =>
      decode(
        ipv6(
          count * 8 + 8,
          IpProto.DSTOPTS,
          `${'3c00010400000000'.repeat(count - 1)}1100010400000000 ${udp}`,
        ),
        { linkType: 229 },
      ).f;
    expect(chain(IPV6_EXT_MAX)).toMatchObject({ l4Status: Status.Ok, srcPort: 1 });
    expect(chain(IPV6_EXT_MAX + 1)).toMatchObject({
      status: Status.Ok,
      l4Status: Status.Malformed,
      l4Off: -1,
      hasPorts: false,
    });
  });
});

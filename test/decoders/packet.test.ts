import { describe, expect, it } from 'vitest';
import { decodePacket, MAX_ENCAPSULATIONS } from '../../decoders/packet.ts';
import { PacketFields, PacketType } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import { decode, frame, hex, place } from './bytes.ts';

describe('decodePacket on whole frames', () => {
  it('reads Ethernet, IPv4 and a TCP SYN', () => {
    const { f, status, at } = decode(frame('eth-ipv4-tcp-syn'));
    expect(status).toBe(Status.Ok);
    expect(f).toMatchObject({
      status: Status.Ok,
      etherType: 0x0800,
      vlanCount: 0,
      ipVersion: 4,
      isArp: false,
      l3HeaderLen: 20,
      ipLen: 60,
      ipProto: 6,
      ttl: 64,
      tos: 0xb8,
      isFragment: false,
      ipId: 0x1234,
      l4Status: Status.Ok,
      hasPorts: true,
      srcPort: 40000,
      dstPort: 443,
      tcpFlags: 0xc2,
      tcpSeq: -16,
      tcpAck: 0,
      tcpWindow: 64240,
      tcpHeaderLen: 40,
      payloadLen: 0,
      payloadOff: -1,
    });
    expect([f.dstMacOff, f.srcMacOff, f.l3Off, f.srcOff, f.dstOff, f.l4Off, f.l4End].map(at)).toEqual([
      0, 6, 14, 26, 30, 34, 74,
    ]);
  });

  it('reads two tags, IPv6 and UDP, and drops the padding', () => {
    const { f, status, at } = decode(frame('eth-qinq-ipv6-udp'));
    expect(status).toBe(Status.Ok);
    expect(f).toMatchObject({
      etherType: 0x86dd,
      vlanCount: 2,
      vlanOuter: 100,
      vlanInner: 7,
      ipVersion: 6,
      l3HeaderLen: 40,
      ipLen: 52,
      ipProto: 17,
      ttl: 255,
      tos: 0x48,
      srcPort: 5353,
      dstPort: 5353,
      payloadLen: 4,
      l4Status: Status.Ok,
    });
    expect([f.l3Off, f.srcOff, f.dstOff, f.l4Off, f.payloadOff, f.l4End, f.capEnd].map(at)).toEqual([
      22, 30, 46, 62, 70, 74, 76,
    ]);
  });

  it('reads IPv4 in SNAP, and the type and code of ICMP', () => {
    const { f, status } = decode(frame('eth-snap-ipv4-icmp'));
    expect(status).toBe(Status.Ok);
    expect(f).toMatchObject({
      etherType: 0x0800,
      ipProto: 1,
      srcPort: 8,
      dstPort: 0,
      hasPorts: true,
      payloadLen: 2,
    });
  });

  it('walks the IPv6 extension chain through a first fragment to UDP', () => {
    const { f, at } = decode(frame('eth-ipv6-ext-fragment'));
    expect(f).toMatchObject({
      l3HeaderLen: 80,
      ipLen: 92,
      ipProto: 17,
      isFragment: true,
      fragOff: 0,
      moreFragments: true,
      ipId: 0xcafe0001 | 0,
      hasPorts: true,
      srcPort: 1000,
      dstPort: 2000,
      payloadLen: 4,
    });
    expect([f.l4Off, f.payloadOff].map(at)).toEqual([94, 102]);
  });

  it('takes direction and sender from a cooked header', () => {
    const { f, at } = decode(frame('sll2-ipv4-tcp-rst'), { linkType: 276 });
    expect(f).toMatchObject({
      pktType: PacketType.Outgoing,
      tcpFlags: 0x14,
      tcpSeq: 1,
      tcpAck: 2,
      dstMacOff: -1,
    });
    expect(at(f.srcMacOff)).toBe(12);
  });

  it('walks PPPoE, and MPLS with an inner frame', () => {
    expect(decode(frame('eth-pppoe-ipv4-udp')).f).toMatchObject({ ipVersion: 4, srcPort: 53, dstPort: 1024 });
    expect(decode(frame('eth-mpls-pw-arp')).f).toMatchObject({
      isArp: true,
      status: Status.Ok,
      ipVersion: 0,
    });
  });

  it('takes the length on the wire where segmentation offload left 0', () => {
    const bytes = frame('eth-ipv4-tso');
    const { f } = decode(bytes, { wireLen: 9014 });
    expect(f).toMatchObject({ ipLen: 9000, payloadLen: 8960, tcpSeq: -0x80000000, tcpAck: 0x7fffffff });
    const untagged = decode(bytes, { wireLen: 9018, strippedTci: 5, strippedTpid: 0x8100 });
    expect(untagged.f.ipLen).toBe(9000);
  });

  it('gives a non-first fragment no ports', () => {
    const { f } = decode(frame('eth-ipv4-fragment-2'));
    expect(f).toMatchObject({
      isFragment: true,
      fragOff: 1480,
      moreFragments: true,
      ipId: 0xbeef,
      l3HeaderLen: 24,
      hasPorts: false,
      srcPort: 0,
      l4Status: Status.Ok,
      payloadLen: 8,
    });
  });
});

describe('a tag that the kernel took out', () => {
  it('is the outermost VLAN, before those in the frame', () => {
    const { f } = decode(frame('eth-qinq-ipv6-udp'), {
      strippedTci: 0x6064,
      strippedTpid: 0x88a8,
      wireLen: 80,
    });
    expect(f).toMatchObject({ vlanCount: 3, vlanOuter: 100, vlanInner: 100 });
    expect(f.wireEnd).toBe(f.capEnd);
  });
  it('counts with id 0, which is a priority tag', () => {
    expect(decode(frame('eth-ipv4-tcp-syn'), { strippedTci: 0, strippedTpid: 0x8100 }).f).toMatchObject({
      vlanCount: 1,
      vlanOuter: 0,
    });
  });
});

describe('status', () => {
  const mac = '02 00 00 00 00 01  02 00 00 00 00 02';

  it('is Ok for EtherTypes and LLC that are not IP', () => {
    expect(decode(hex(`${mac} 88 cc 02 07`))).toMatchObject({
      status: Status.Ok,
      f: { ipVersion: 0, isArp: false },
    });
    expect(decode(hex(`${mac} 00 03 42 42 03`)).status).toBe(Status.Ok);
  });
  it('counts RARP as ARP', () => {
    expect(decode(hex(`${mac} 80 35 0001 0800 06 04 0003`)).f.isArp).toBe(true);
  });
  it('is Unsupported for a link type without a decoder', () => {
    expect(decode(hex('45'), { linkType: 147 })).toMatchObject({
      status: Status.Unsupported,
      f: { status: Status.Unsupported, l3Off: -1 },
    });
  });
  it('is Malformed for tags without end', () => {
    const tags = '81 00 00 01 '.repeat(MAX_ENCAPSULATIONS);
    expect(decode(hex(`${mac} ${tags} 08 00`)).status).toBe(Status.Malformed);
    const fewer = '81 00 00 01 '.repeat(MAX_ENCAPSULATIONS - 1);
    expect(decode(hex(`${mac} ${fewer} 88 cc`)).status).toBe(Status.Ok);
  });
  it.each([
    [0, '02000000'],
    [108, '00000002'],
    [9, 'ff030021'],
    [50, 'ff030021'],
    [51, '1100001700000021'],
    [12, ''],
    [14, ''],
    [101, ''],
    [104, '0f000800'],
    [228, ''],
    [239, '02000000 20000900'],
  ])('finds IPv4 under link type %i', (linkType, header) => {
    const ip = '4500001c 00000000 40112667 c6336401 c6336402 00350400 00080000';
    const { f, status } = decode(hex(header + ip), { linkType });
    expect([status, f.ipVersion, f.srcPort, f.dstPort]).toEqual([Status.Ok, 4, 53, 1024]);
  });
  it('finds IPv6 under LINKTYPE_IPV6 and refuses IPv4 there', () => {
    const ip = `60000000 0000 3b 40 ${'00'.repeat(32)}`;
    expect(decode(hex(ip), { linkType: 229 })).toMatchObject({
      status: Status.Ok,
      f: { ipVersion: 6, ipProto: 59 },
    });
    expect(decode(hex(`45${'00'.repeat(39)}`), { linkType: 229 }).status).toBe(Status.Malformed);
  });
});

describe('every prefix of every frame', () => {
  const frames = [
    ['eth-ipv4-tcp-syn', 1, 34],
    ['eth-qinq-ipv6-udp', 1, 62],
    ['eth-snap-ipv4-icmp', 1, 42],
    ['eth-ipv6-ext-fragment', 1, 54],
    ['sll2-ipv4-tcp-rst', 276, 40],
    ['eth-pppoe-ipv4-udp', 1, 42],
    ['eth-ipv4-tso', 1, 34],
    ['eth-ipv4-fragment-2', 1, 34],
    ['eth-mpls-pw-arp', 1, 48],
  ] as const;
  it.each(frames)(
    '%s is decoded from the end of its fixed network header on, and never misread',
    (name, linkType, decodedFrom) => {
      const bytes = frame(name);
      const whole = decode(bytes, { linkType }).f;
      for (let length = 0; length < bytes.length; length++) {
        const { f, status } = decode(bytes.subarray(0, length), { linkType, wireLen: bytes.length });
        expect([length, status]).toEqual([length, length < decodedFrom ? Status.Truncated : Status.Ok]);
        if (status !== Status.Ok) {
          expect([f.ipVersion, f.isArp, f.l4Off, f.hasPorts]).toEqual([0, false, -1, false]);
          continue;
        }
        expect([f.ipVersion, f.srcOff, f.ipLen, f.ttl]).toEqual([
          whole.ipVersion,
          whole.srcOff,
          whole.ipLen,
          whole.ttl,
        ]);
        expect(f.l4End).toBeLessThanOrEqual(f.capEnd);
        if (f.hasPorts) expect([f.srcPort, f.dstPort]).toEqual([whole.srcPort, whole.dstPort]);
        if (f.payloadLen > 0) expect(f.payloadLen).toBe(whole.payloadLen);
        if (f.tcpFlags !== 0) expect(f.tcpFlags).toBe(whole.tcpFlags);
      }
    },
  );
});

it('leaves nothing of the packet before', () => {
  const f = new PacketFields();
  const first = place(frame('eth-qinq-ipv6-udp'));
  f.wireLen = first.end - first.off;
  decodePacket(first.view, first.off, first.end, f);
  const names = [
    'eth-ipv4-tcp-syn',
    'eth-ipv6-ext-fragment',
    'eth-mpls-pw-arp',
    'eth-ipv4-fragment-2',
  ] as const;
  for (const name of names) {
    const { view, off, end } = place(frame(name));
    f.wireLen = end - off;
    decodePacket(view, off, end, f);
    expect({ ...f }).toEqual({ ...decode(frame(name)).f });
  }
  const empty = place(new Uint8Array(0));
  f.wireLen = 0;
  decodePacket(empty.view, empty.off, empty.end, f);
  expect({ ...f }).toEqual({ ...decode(new Uint8Array(0)).f });
});

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ipv4View } from '../../decoders/views/ipv4-view.ts';
import { PacketView } from '../../decoders/views/packet-view.ts';
import { type FrameSpec, frame } from '../support/frames.ts';
import { gre, overIp, tunnelFrames } from '../support/tunnel-frames.ts';
import { hex, place } from './bytes.ts';
import { CORPUS, corpusFiles, corpusMissing, tally } from './corpus.ts';

const MACS = '02 00 00 00 00 01  02 00 00 00 00 02';
const SYN = `${MACS} 08 00
  45 b9 00 3c 1c 46 40 00 40 06 ab cd  c0 a8 00 01  c0 a8 00 02
  30 39 00 50  80 00 00 01 00 00 00 02  a0 02 fa f0 12 34 00 07
  02 04 05 b4 04 02 08 0a 00 00 00 01 00 00 00 00 01 03 03 07`;

function packet(text: string, cut?: number): PacketView {
  const { view, off, end } = place(hex(text).subarray(0, cut));
  return new PacketView(view, off, end, 1, hex(text).length);
}

describe('typed views', () => {
  it('of Ethernet, IPv4 and TCP with its options', () => {
    const { ethernet, ipv4, ipv6, tcp, udp, arp, icmp } = packet(SYN);
    expect([ethernet?.dst, ethernet?.src, ethernet?.typeOrLength]).toEqual([
      '02:00:00:00:00:01',
      '02:00:00:00:00:02',
      0x0800,
    ]);
    expect([ipv4?.version, ipv4?.headerLen, ipv4?.dscp, ipv4?.ecn, ipv4?.totalLen]).toEqual([
      4, 20, 46, 1, 60,
    ]);
    expect([ipv4?.id, ipv4?.dontFragment, ipv4?.moreFragments, ipv4?.fragmentOffset]).toEqual([
      0x1c46,
      true,
      false,
      0,
    ]);
    expect([ipv4?.ttl, ipv4?.protocol, ipv4?.checksum, ipv4?.src, ipv4?.dst, ipv4?.options.length]).toEqual([
      64,
      6,
      0xabcd,
      '192.168.0.1',
      '192.168.0.2',
      0,
    ]);
    expect([tcp?.srcPort, tcp?.dstPort, tcp?.seq, tcp?.ack, tcp?.headerLen]).toEqual([
      12345,
      80,
      2 ** 31 + 1,
      2,
      40,
    ]);
    expect([tcp?.flags, tcp?.window, tcp?.checksum, tcp?.urgentPointer]).toEqual([2, 64240, 0x1234, 7]);
    expect(tcp?.options).toMatchObject({ mss: 1460, windowScale: 7, sackPermitted: true, tsVal: 1 });
    expect([ipv6, udp, arp, icmp]).toEqual([null, null, null, null]);
  });

  it('of IPv6 and UDP', () => {
    const { ipv6, udp } = packet(`${MACS} 86 dd  6b 91 23 45 00 0a 11 40
      20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01  fe 80 00 00 00 00 00 00 00 00 00 00 00 00 00 02
      00 35 ff ff 00 0a be ef 01 02`);
    expect([ipv6?.version, ipv6?.trafficClass, ipv6?.flowLabel, ipv6?.payloadLen]).toEqual([
      6, 0xb9, 0x12345, 10,
    ]);
    expect([ipv6?.nextHeader, ipv6?.hopLimit, ipv6?.src, ipv6?.dst]).toEqual([
      17,
      64,
      '2001:db8::1',
      'fe80::2',
    ]);
    expect([udp?.srcPort, udp?.dstPort, udp?.length, udp?.checksum]).toEqual([53, 65535, 10, 0xbeef]);
  });

  it('of ARP, whose addresses are null where the capture cut them', () => {
    const text = `${MACS} 08 06 00 01 08 00 06 04 00 01  020000000002 0a000001  000000000000 0a000002`;
    const { arp } = packet(text);
    expect([arp?.hardwareType, arp?.protocolType, arp?.operation]).toEqual([1, 0x0800, 1]);
    expect([arp?.senderMac, arp?.senderAddress, arp?.targetMac, arp?.targetAddress]).toEqual([
      '02:00:00:00:00:02',
      '10.0.0.1',
      '00:00:00:00:00:00',
      '10.0.0.2',
    ]);
    expect([packet(text, 41).arp?.targetMac, packet(text, 41).arp?.targetAddress]).toEqual([
      '00:00:00:00:00:00',
      null,
    ]);
    expect(packet(text, 27).arp?.senderMac).toBe(null);
  });

  it('of ICMP, whose second word may be cut', () => {
    const text = `${MACS} 08 00 45 00 00 1c 00 00 00 00 40 01 00 00 0a 00 00 01 0a 00 00 02  08 00 be ef 12 34 00 07`;
    const { icmp } = packet(text);
    expect([icmp?.type, icmp?.code, icmp?.checksum, icmp?.identifier, icmp?.sequence]).toEqual([
      8, 0, 0xbeef, 0x1234, 7,
    ]);
    expect(packet(text, 41).icmp?.rest).toBe(null);
  });

  const of = (bytes: Uint8Array, linkType = 1): PacketView => {
    const { view, off, end } = place(bytes);
    return new PacketView(view, off, end, linkType, bytes.length);
  };
  const over = (proto: number, text: string, more: FrameSpec = {}): PacketView =>
    of(frame({ ...more, proto, payload: hex(text) }));

  it('of VLAN tags, outermost first', () => {
    const { vlans } = of(frame({ vlan: [0xb005, 7] }));
    expect(vlans.map((tag) => [tag.priority, tag.dropEligible, tag.id, tag.typeOrLength])).toEqual([
      [5, true, 5, 0x8100],
      [0, false, 7, 0x0800],
    ]);
    expect(of(frame({})).vlans).toEqual([]);
  });

  it('of SCTP with its chunks, padded and cut, and of DCCP', () => {
    const chunks = '00 03 00 07 aa bb cc 00  0e 00 00 04  03 00 00 02';
    const { sctp } = over(132, `00 05 00 06 80 00 00 01 de ad be ef ${chunks}`);
    expect([sctp?.srcPort, sctp?.dstPort, sctp?.verificationTag, sctp?.checksum]).toEqual([
      5,
      6,
      2 ** 31 + 1,
      0xdeadbeef,
    ]);
    expect(sctp?.chunks.map(({ type, flags, off, length }) => [type, flags, off - sctp.off, length])).toEqual(
      [
        [0, 3, 12, 7],
        [14, 0, 20, 4],
      ],
    );
    const short = over(33, '00 05 00 06 03 00 00 00 04 12 34 56').dccp;
    expect([
      short?.srcPort,
      short?.dstPort,
      short?.headerLen,
      short?.type,
      short?.isExtended,
      short?.seq,
    ]).toEqual([5, 6, 12, 2, false, 0x123456]);
    const long = over(33, '00 05 00 06 04 00 00 00 01 00 ff ff ff ff ff ff').dccp;
    expect([long?.type, long?.isExtended, long?.seq]).toEqual([0, true, 2 ** 48 - 1]);
    expect(over(33, '00 05 00 06 03 00 00 00 01 00 ff ff').dccp?.seq).toBe(null);
  });

  it('of cooked headers', () => {
    const first = of(hex(`0004 0001 0006 020000000009 0000 0800`), 113).sll;
    expect(first).toMatchObject({
      packetType: 4,
      deviceType: 1,
      addressLen: 6,
      src: '02:00:00:00:00:09',
      protocol: 0x0800,
    });
    const second = of(hex(`86dd 0000 00000007 0304 03 04 0a000001 00000000`), 276).sll;
    expect(second).toMatchObject({
      packetType: 3,
      deviceType: 772,
      addressLen: 4,
      src: null,
      protocol: 0x86dd,
      ifIndex: 7,
    });
    expect([of(frame({})).sll, of(hex('0004 0001'), 113).sll, of(frame({}), 113).ethernet]).toEqual([
      null,
      null,
      null,
    ]);
  });

  it('of GRE, IGMP, ESP and AH', () => {
    const full = of(
      overIp(47, gre(0x6558, new Uint8Array(2), { checksum: true, key: 2 ** 32 - 1, sequence: 5 })),
    ).gre;
    expect([full?.version, full?.protocol, full?.key, full?.sequence]).toEqual([0, 0x6558, 2 ** 32 - 1, 5]);
    const bare = of(overIp(47, gre(0x0800, new Uint8Array(0)))).gre;
    expect([bare?.flags, bare?.key, bare?.sequence]).toEqual([0, null, null]);
    expect(over(47, '30 00 08 00 00 00').gre?.key).toBe(null);
    expect(over(2, '16 0a ee ff e0 00 00 05').igmp).toMatchObject({
      type: 0x16,
      maxResponse: 10,
      checksum: 0xeeff,
      group: '224.0.0.5',
    });
    expect(over(50, 'ff ff ff fe 00 00 00 02 aa').esp).toMatchObject({ spi: 2 ** 32 - 2, sequence: 2 });
    const { ah } = over(51, '06 02 00 00 00 00 00 01 00 00 00 02 01 02 03 04 05');
    expect([ah?.nextHeader, ah?.headerLen, ah?.spi, ah?.sequence, ah?.icv]).toEqual([
      6,
      16,
      1,
      2,
      Uint8Array.of(1, 2, 3, 4),
    ]);
    expect(over(50, 'ff', { fragOff: 8 }).esp).toBe(null);
  });

  it('of the chain of IPv6 extension headers', () => {
    const chain =
      '2b 00 00 00 00 00 00 00  2c 00 00 00 00 00 00 00  3c 00 00 01 00 00 00 09  11 00 00 00 00 00 00 00';
    const v6 = { src: 'fd00::1', dst: 'fd00::2' };
    const { ipv6, fields } = over(0, chain, v6);
    expect(ipv6?.extensions.map(({ header, off, length }) => [header, off - ipv6.off, length])).toEqual([
      [0, 40, 8],
      [43, 48, 8],
      [44, 56, 8],
      [60, 64, 8],
    ]);
    expect(fields.ipProto).toBe(17);
    expect(over(44, '3c 00 00 09 00 00 00 09 11 00 00 00 00 00 00 00', v6).ipv6?.extensions).toHaveLength(1);
    expect(over(17, '', v6).ipv6?.extensions).toEqual([]);
  });

  it('refuses fewer octets than the fixed header, and what lies outside of the view', () => {
    const view = new DataView(new ArrayBuffer(40));
    expect(() => new Ipv4View(view, 0, 19)).toThrow(
      new RangeError('IPv4 header: 19 octets at 0, where 20 are needed'),
    );
    expect(() => new Ipv4View(view, 21, 41)).toThrow(RangeError);
    expect(() => new Ipv4View(view, -1, 20)).toThrow(RangeError);
    expect(new Ipv4View(view, 20, 40).totalLen).toBe(0);
  });

  it('reads whatever octets without throwing, and never past the captured end', () => {
    const seeds = [
      hex(SYN),
      ...tunnelFrames(),
      frame({ proto: 132, vlan: [5, 6], payload: 40 }),
      frame({ proto: 0, src: 'fd00::1', dst: 'fd00::2', payload: 40 }),
      frame({ proto: 51, payload: 40 }),
    ];
    let transport = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
        fc.nat(),
        (whole, edits, cutAt) => {
          const bytes = Uint8Array.from(whole);
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          const cut = cutAt % (whole.length + 1);
          const { view, off, end } = place(bytes.subarray(0, cut));
          if (readEverything(new PacketView(view, off, end, 1, whole.length)) > 0) transport++;
        },
      ),
      { numRuns: 2000 },
    );
    expect(transport).toBeGreaterThan(50);
  });

  it('are not used by the hot path', () => {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const hot = ['daemon', 'storage', 'decoders'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !name.startsWith('views'))
        .map((name) => join(root, folder, name)),
    );
    expect(hot.length).toBeGreaterThan(100);
    expect(hot.filter((file) => /from '[^']*\/views\//.test(readFileSync(file, 'utf8')))).toEqual([]);
  });
});

/** Calls every getter. @returns how many transport headers there were */
function readEverything(packet: PacketView): number {
  const transport = [packet.tcp, packet.udp, packet.icmp, packet.sctp, packet.dccp];
  const others = [packet.gre, packet.igmp, packet.esp, packet.ah, packet.sll, ...packet.vlans];
  for (const view of [packet.ethernet, packet.arp, packet.ipv4, packet.ipv6, ...others, ...transport]) {
    if (view === null) continue;
    const getters = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(view)));
    for (const [, { get }] of getters) get?.call(view);
  }
  return transport.filter((view) => view !== null).length;
}

const tshark = spawnSync('tshark', ['--version']).error === undefined ? null : 'needs tshark';
const reason = corpusMissing ?? tshark;

describe.skipIf(reason !== null)(`views against tshark${reason === null ? '' : ` (${reason})`}`, () => {
  const FIELDS =
    'ip.ttl ip.id ip.checksum tcp.seq_raw tcp.ack_raw tcp.window_size_value tcp.checksum udp.length'.split(
      ' ',
    );
  // Plain Ethernet and IP: deeper headers would be tshark's first and not ours, or the other way round.
  const files = corpusFiles().filter((name) =>
    /^(nDPI|tcpdump)\/(ftp|http2|dns_udp|tcp-handshake|quic|tls)/.test(name),
  );

  it('has files to compare', () => expect(files.length).toBeGreaterThan(2));

  it.each(files)('%s', async (name) => {
    const path = join(CORPUS, name);
    const preferences = ['-o', 'ip.defragment:FALSE', '-o', 'tcp.desegment_tcp_streams:FALSE'];
    const words = ['-r', path, '-n', ...preferences, '-T', 'fields', '-E', 'occurrence=f'];
    const { stdout } = spawnSync('tshark', [...words, ...FIELDS.flatMap((field) => ['-e', field])], {
      encoding: 'utf8',
    });
    const theirs = stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split('\t').map((value) => (value === '' ? null : Number(value))));
    const ours: (number | null)[][] = [];
    await tally(path, (f, view) => {
      const { ipv4, tcp, udp } = new PacketView(view, f.frameOff, f.capEnd, f.linkType, f.wireLen);
      ours.push([
        ...[
          ipv4?.ttl,
          ipv4?.id,
          ipv4?.checksum,
          tcp?.seq,
          tcp?.ack,
          tcp?.window,
          tcp?.checksum,
          udp?.length,
        ].map((value) => value ?? null),
      ]);
    });
    expect(ours).toEqual(theirs);
  });
});

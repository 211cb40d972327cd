import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ipv4View } from '../../decoders/views/ipv4-view.ts';
import { PacketView } from '../../decoders/views/packet-view.ts';
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
    const whole = hex(SYN);
    let transport = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }),
        fc.nat(whole.length),
        (edits, cut) => {
          const bytes = Uint8Array.from(whole);
          for (const [at, value] of edits) bytes[at] = value;
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
  const transport = [packet.tcp, packet.udp, packet.icmp];
  for (const view of [packet.ethernet, packet.arp, packet.ipv4, packet.ipv6, ...transport]) {
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

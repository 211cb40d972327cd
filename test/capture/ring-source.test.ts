import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RingSource } from '../../daemon/capture/ring-source.ts';
import { listInterfaces } from '../../daemon/kernel/interfaces.ts';
import { compileSocketFilter } from '../../daemon/kernel/libpcap.ts';
import {
  linkLayerOf,
  openPacketSocket,
  ringGeometry,
  snapLenFilter,
} from '../../daemon/kernel/packet-socket.ts';
import { PacketType } from '../../decoders/packet-fields.ts';
import { Lab, labMissing, run, Tcpdump, until } from '../kernel/lab.ts';
import { ethernetFrame, sendFrames, sendUdp, Tun, udpPacket } from '../kernel/traffic.ts';
import { CountingSink, drainFor, drainUntil } from './counting-sink.ts';

const missing = labMissing();

/** Packets and original octets of a pcap file as tcpdump wrote it. */
function countPcap(file: string): { packets: number; bytes: number } {
  const data = readFileSync(file);
  let packets = 0;
  let bytes = 0;
  for (let off = 24; off + 16 <= data.length; off += 16 + data.readUInt32LE(off + 8)) {
    packets++;
    bytes += data.readUInt32LE(off + 12);
  }
  return { packets, bytes };
}

describe.skipIf(missing !== null)(`ring source on the live kernel${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('ring');
  const dir = mkdtempSync(join(tmpdir(), 'nsd-ring-'));
  let a = '';
  let b = '';

  function open(
    netns: string,
    dev: string,
    options: { filter?: string; snapLen?: number; captureIndex?: number; ringMib?: number } = {},
  ): RingSource {
    return lab.inside(netns, () => {
      const found = listInterfaces().find((i) => i.name === dev);
      if (!found) throw new Error(`no ${dev} in ${netns}`);
      const link = linkLayerOf(found.arpType);
      const snapLen = options.snapLen ?? 262144;
      const ring = ringGeometry(options.ringMib ?? 8);
      const object = `${dev} in ${netns}`;
      const filter =
        options.filter !== undefined
          ? compileSocketFilter(options.filter, link, snapLen)
          : snapLenFilter(snapLen);
      const fd = openPacketSocket({ ifIndex: found.ifIndex, link, ring, filter, object });
      return new RingSource(fd, {
        captureIndex: options.captureIndex ?? 0,
        linkType: link.linkType,
        cooked: link.cooked,
        loopback: (found.flags & 8) !== 0,
        ring,
        object,
      });
    });
  }

  beforeAll(() => {
    a = lab.add('a');
    b = lab.add('b');
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
  });
  afterAll(() => {
    lab.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('delivers what tcpdump sees with the same filter: packets, octets, direction and nanosecond times', async () => {
    const file = join(dir, 'same.pcap');
    using source = open(a, 'v0', { filter: 'udp port 4000 or udp port 4001' });
    const dump = await Tcpdump.start(lab, a, 'v0', file, 'udp port 4000 or udp port 4001');
    const sink = new CountingSink();
    sendUdp(lab, a, '10.9.0.2', 4000, 333, 20);
    sendUdp(lab, a, '10.9.0.2', 4002, 333, 20);
    sendUdp(lab, b, '10.9.0.1', 4001, 10, 30);
    await drainUntil(source, sink, 50);
    await dump.stop();
    expect({ packets: sink.packets, bytes: sink.wireBytes }).toEqual(countPcap(file));
    expect(sink.wireBytes).toBe(20 * (42 + 333) + 30 * (42 + 10));
    expect(sink.seen.filter((p) => p.pktType === PacketType.Outgoing)).toHaveLength(20);
    expect(sink.seen.filter((p) => p.pktType === PacketType.Host)).toHaveLength(30);
    const times = sink.seen.map((p) => BigInt(p.tsSec) * 1_000_000_000n + BigInt(p.tsNsec));
    expect(times).toEqual(times.toSorted((x, y) => (x < y ? -1 : x > y ? 1 : 0)));
    expect(sink.seen.some((p) => p.tsNsec % 1000 !== 0)).toBe(true);
    expect(Math.abs(sink.seen[0]!.tsSec - Date.now() / 1000)).toBeLessThan(3600);
    expect(source.stats()).toEqual({ received: 50, drops: 0, freezes: 0 });
    // PACKET_STATISTICS was cleared by that; the source's numbers are not.
    expect(source.stats()).toEqual({ received: 50, drops: 0, freezes: 0 });
  });

  it('holds a trickle for longer than a reader may be busy: each block is retired with one packet in it', async () => {
    using source = open(a, 'v0', { filter: 'udp port 4003', ringMib: 4 });
    const sink = new CountingSink();
    for (let i = 0; i < 12; i++) {
      sendUdp(lab, a, '10.9.0.2', 4003, 10, 1);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    await drainUntil(source, sink, 12);
    expect(source.stats()).toEqual({ received: 12, drops: 0, freezes: 0 });
  });

  it('may be left alone after many packets in a large ring, not in a small one, nor after a few', async () => {
    const rests: number[] = [];
    for (const [ringMib, packets] of [
      [32, 2000],
      [8, 2000],
      [2, 2000],
      [32, 100],
    ] as const) {
      using source = open(a, 'v0', { filter: 'udp port 4003', ringMib });
      const sink = new CountingSink(0);
      let longest = 0;
      const burst = (): void => {
        sendUdp(lab, a, '10.9.0.2', 4003, 10, packets);
        while (source.pending() > 0) {
          source.drain(sink);
          longest = Math.max(longest, source.restMs);
        }
      };
      expect(source.restMs).toBe(0);
      burst();
      // On a busy host the burst may have been cut into many blocks.
      if (ringMib > 2 && packets > 100)
        await until('a burst leaves most of the ring free', () => {
          if (longest === 0) burst();
          return longest > 0;
        });
      rests.push(longest);
      source.drain(sink);
      expect(source.restMs).toBe(0);
    }
    expect(rests).toEqual([10, 2, 0, 0]);
  });

  it('counts a packet of lo once, and says how many it left out', async () => {
    const file = join(dir, 'lo.pcap');
    using source = open(a, 'lo', { filter: 'udp' });
    const dump = await Tcpdump.start(lab, a, 'lo', file, 'udp');
    const sink = new CountingSink();
    sendUdp(lab, a, '127.0.0.1', 4000, 10, 10);
    await drainUntil(source, sink, 10);
    await drainFor(source, sink, 60);
    await dump.stop();
    expect(countPcap(file).packets).toBe(10);
    expect(sink.packets).toBe(10);
    expect(source.duplicates).toBe(10);
    expect(source.stats().received).toBe(20);
    expect(sink.seen.every((p) => p.pktType === PacketType.Host && p.linkType === 1)).toBe(true);
  });

  it('gives a VLAN tag that the kernel took out, and counts its octets as on the wire', async () => {
    const file = join(dir, 'vlan.pcap');
    const packet = udpPacket('10.9.7.1', '10.9.7.2', 1, 2, 100);
    using source = open(b, 'v0', { filter: 'vlan 7 and udp' });
    using other = open(b, 'v0', { filter: 'vlan 8' });
    using untagged = open(b, 'v0', { filter: 'udp dst port 2' });
    const dump = await Tcpdump.start(lab, b, 'v0', file, 'vlan', '7', 'and', 'udp');
    const frames = [1, 2, 3].map(() => ethernetFrame(0x0800, packet, [[0x8100, 0x6007]]));
    sendFrames(lab, a, 'v0', frames);
    const sink = new CountingSink();
    await drainUntil(source, sink, 3);
    await dump.stop();
    expect({ packets: sink.packets, bytes: sink.wireBytes }).toEqual(countPcap(file));
    expect(sink.wireBytes).toBe(3 * (14 + 4 + 28 + 100));
    for (const seen of sink.seen) {
      expect([seen.strippedTci, seen.strippedTpid]).toEqual([0x6007, 0x8100]);
      expect(seen.bytes.readUInt16BE(12)).toBe(0x0800);
      expect(seen.bytes.length).toBe(seen.wireLen - 4);
    }
    const none = new CountingSink();
    await drainFor(other, none, 60);
    expect(none.packets).toBe(0);
    const plain = new CountingSink();
    await drainUntil(untagged, plain, 3);
  });

  it('names the tag of 802.1ad (TPID 0x88a8) and leaves the inner tag in the frame', async () => {
    using source = open(b, 'v0', { filter: 'vlan 9' });
    using inner = open(b, 'v0', { filter: 'vlan 9 and vlan 5 and udp' });
    sendFrames(lab, a, 'v0', [
      ethernetFrame(0x0800, udpPacket('10.9.7.1', '10.9.7.2', 1, 2, 0), [
        [0x88a8, 9],
        [0x8100, 5],
      ]),
    ]);
    const sink = new CountingSink();
    await drainUntil(source, sink, 1);
    expect(sink.seen.map((p) => [p.strippedTci, p.strippedTpid, p.bytes.readUInt32BE(12)])).toEqual([
      [9, 0x88a8, 0x81000005],
    ]);
    await drainUntil(inner, new CountingSink(), 1);
  });

  it('does not carry a tag over to the next packet', async () => {
    using source = open(b, 'v0', { filter: 'udp dst port 77' });
    const packet = udpPacket('10.9.7.1', '10.9.7.2', 1, 77, 0);
    sendFrames(lab, a, 'v0', [ethernetFrame(0x0800, packet, [[0x8100, 3]]), ethernetFrame(0x0800, packet)]);
    const sink = new CountingSink();
    await drainUntil(source, sink, 2);
    expect(sink.seen.map((p) => [p.strippedTci, p.wireLen])).toEqual([
      [3, 46],
      [-1, 42],
    ]);
  });

  it('cuts packets at the snap length and keeps their length on the wire', async () => {
    for (const filter of [undefined, 'udp']) {
      using source = open(a, 'v0', filter === undefined ? { snapLen: 60 } : { snapLen: 60, filter });
      const sink = new CountingSink();
      sendUdp(lab, a, '10.9.0.2', 4000, 1000, 2);
      await until('the two datagrams', () => {
        source.drain(sink);
        return sink.seen.filter((p) => p.wireLen === 1042).length >= 2;
      });
      expect(sink.seen.filter((p) => p.wireLen === 1042).map((p) => p.bytes.length)).toEqual([60, 60]);
    }
  });

  it('binds an interface that is down and loses nothing that comes once it is up', async () => {
    lab.ip(a, 'link add d0 type veth peer name d1');
    for (const dev of ['d0', 'd1']) lab.sysctl(a, `net.ipv6.conf.${dev}.disable_ipv6=1`);
    using source = open(a, 'd0', { filter: 'udp' });
    const sink = new CountingSink();
    await drainFor(source, sink, 30);
    expect([sink.packets, source.ended]).toEqual([0, null]);
    const frame = ethernetFrame(0x0800, udpPacket('10.9.7.1', '10.9.7.2', 1, 2, 0));
    lab.ip(a, 'link set d1 up');
    lab.ip(a, 'link set d0 up');
    sendFrames(lab, a, 'd1', Array(50).fill(frame));
    await drainUntil(source, sink, 50);

    lab.ip(a, 'link set d0 down');
    await drainFor(source, sink, 120);
    expect(source.ended).toBe(null);
    lab.ip(a, 'link set d0 up');
    sendFrames(lab, a, 'd1', Array(7).fill(frame));
    await drainUntil(source, sink, 57);
    expect(sink.packets).toBe(57);
    lab.ip(a, 'link del d0');
  });

  it('ends with what was in the last block when the interface is removed', async () => {
    lab.veth(a, 'r0', '10.9.2.1/24', b, 'r0', '10.9.2.2/24');
    using source = open(a, 'r0', { filter: 'udp' });
    const sink = new CountingSink();
    const frame = ethernetFrame(0x0800, udpPacket('10.9.7.1', '10.9.7.2', 1, 2, 0));
    sendFrames(lab, b, 'r0', [frame, frame, frame]);
    lab.ip(a, 'link del r0');
    await until('the source ends', () => {
      source.drain(sink);
      return source.ended !== null;
    });
    expect(source.ended).toBe('interface removed');
    expect(sink.packets).toBe(3);
    expect(source.drain(sink)).toBe(0);
  });

  it('sees the removal of an interface that was down', async () => {
    lab.ip(a, 'link add x0 type bridge');
    using source = open(a, 'x0');
    await drainFor(source, new CountingSink(), 20);
    lab.ip(a, 'link del x0');
    await until('the source ends', () => {
      source.drain(new CountingSink());
      return source.ended !== null;
    });
    expect(source.ended).toBe('interface removed');
  });

  it('goes on as another capture: each has its own packets and counters', async () => {
    using source = open(a, 'lo', { filter: 'udp', captureIndex: 3 });
    const sink = new CountingSink();
    sendUdp(lab, a, '127.0.0.1', 4000, 10, 10);
    await drainUntil(source, sink, 10);
    expect([source.stats().received, source.duplicates]).toEqual([20, 10]);
    source.handOver(7);
    sendUdp(lab, a, '127.0.0.1', 4000, 10, 4);
    await drainUntil(source, sink, 14);
    expect([source.stats().received, source.duplicates, source.pending()]).toEqual([8, 4, 0]);
    expect(sink.seen.map(({ captureIndex }) => captureIndex)).toEqual([
      ...Array(10).fill(3),
      ...Array(4).fill(7),
    ]);
  });

  it('knows until when it has been drained: as of the last look at its counters that found nothing waiting', async () => {
    using source = open(a, 'v0', { filter: 'udp port 4010' });
    expect(source.drainedUntilMs).toBe(0);
    const begin = Date.now();
    source.stats();
    const idle = source.drainedUntilMs;
    // Packets are stamped before they are counted.
    expect([idle < Date.now(), idle >= begin - 20]).toEqual([true, true]);
    sendUdp(lab, a, '10.9.0.2', 4010, 10, 1);
    source.stats();
    expect(source.drainedUntilMs).toBe(idle);
    const sink = new CountingSink();
    await drainUntil(source, sink, 1);
    expect(source.drainedUntilMs).toBe(idle);
    await until('its packet is older than that', () => {
      source.stats();
      return source.drainedUntilMs > sink.seen[0]!.tsSec * 1000 + sink.seen[0]!.tsNsec / 1e6;
    });
  });

  it('takes nothing new once it is stopped, and delivers all that it received before', async () => {
    using source = open(a, 'v0', { filter: 'udp port 4009' });
    const sink = new CountingSink();
    sendUdp(lab, a, '10.9.0.2', 4009, 10, 10);
    source.stop();
    source.stop();
    sendUdp(lab, a, '10.9.0.2', 4009, 10, 10);
    expect(source.pending()).toBe(10);
    await drainUntil(source, sink, 10);
    await drainFor(source, sink, 100);
    expect(sink.packets).toBe(10);
    expect(source.stats().received).toBe(10);
    expect(source.pending()).toBe(0);
  });

  it('captures two namespaces at once, with overlapping addresses, each its own packets', async () => {
    const c = lab.add('c');
    const d = lab.add('d');
    lab.veth(c, 'v0', '10.9.0.1/24', d, 'v0', '10.9.0.2/24');
    using first = open(a, 'v0', { filter: 'udp', captureIndex: 0 });
    using second = open(c, 'v0', { filter: 'udp', captureIndex: 1 });
    const sink = new CountingSink();
    sendUdp(lab, a, '10.9.0.2', 4000, 10, 6);
    sendUdp(lab, c, '10.9.0.2', 4000, 10, 10);
    await until('both captures', () => {
      first.drain(sink);
      second.drain(sink);
      return sink.packets >= 16;
    });
    expect(sink.seen.filter((p) => p.captureIndex === 0)).toHaveLength(6);
    expect(sink.seen.filter((p) => p.captureIndex === 1)).toHaveLength(10);
    // The sockets were opened while this thread was in the namespace; the thread is back home.
    expect(run('sh', '-c', 'ls /sys/class/net')).not.toContain('v0');
  });

  it('reads a tun device as raw IP', async () => {
    using tun = new Tun(lab, a, 't0');
    lab.ip(a, 'addr add 10.9.3.1/24 dev t0');
    lab.ip(a, 'link set t0 up');
    using source = open(a, 't0', { filter: 'udp port 4242' });
    const sink = new CountingSink();
    sendUdp(lab, a, '10.9.3.9', 4242, 5, 1);
    tun.receive(udpPacket('10.9.3.9', '10.9.3.1', 4242, 1, 9));
    await drainUntil(source, sink, 2);
    expect(sink.seen.map((p) => [p.linkType, p.bytes[0], p.wireLen, p.pktType])).toEqual([
      [101, 0x45, 28 + 5, PacketType.Outgoing],
      [101, 0x45, 28 + 9, PacketType.Host],
    ]);
  });

  it('reads a device of another kind cooked, with a LINUX_SLL header and a filter that fits it', async () => {
    const ARPHRD_IPGRE = 778;
    using tun = new Tun(lab, a, 'g0', ARPHRD_IPGRE);
    lab.ip(a, 'addr add 10.9.4.1/24 dev g0');
    lab.ip(a, 'link set g0 up');
    const file = join(dir, 'cooked.pcap');
    const filter = 'udp and dst host 10.9.4.1 and inbound';
    using source = open(a, 'g0', { filter: 'udp and dst host 10.9.4.1 and udp[4:2] > 8' });
    const dump = await Tcpdump.start(lab, a, 'g0', file, filter);
    const sink = new CountingSink();
    for (let i = 0; i < 4; i++) tun.receive(udpPacket('10.9.4.2', '10.9.4.1', 5, 6, 30));
    sendUdp(lab, a, '10.9.4.2', 4000, 10, 1);
    await drainUntil(source, sink, 4);
    await dump.stop();
    expect({ packets: sink.packets, bytes: sink.wireBytes }).toEqual(countPcap(file));
    const packet = sink.seen[0]!;
    expect(packet.linkType).toBe(113);
    expect(packet.bytes.readUInt16BE(0)).toBe(PacketType.Host);
    expect(packet.bytes.readUInt16BE(2)).toBe(ARPHRD_IPGRE);
    expect(packet.bytes.readUInt16BE(14)).toBe(0x0800);
    expect(packet.bytes[16]).toBe(0x45);
    expect(packet.wireLen).toBe(16 + 28 + 30);
    expect(readFileSync(file).readUInt32LE(20)).toBe(113);
    // tcpdump's file holds the very same octets after its 24-octet file and 16-octet record header.
    expect(packet.bytes.equals(readFileSync(file).subarray(40, 40 + 74))).toBe(true);
  });

  it('takes over a super-frame whole', async () => {
    const server = lab.start(b, 'iperf3', '-s', '-1');
    await until('iperf3 listens', () => lab.exec(b, 'ss', '-Htln').includes(':5201'));
    using source = open(a, 'v0', { filter: 'tcp and greater 20000' });
    const sink = new CountingSink(20);
    lab.exec(a, 'iperf3', '-c', '10.9.0.2', '-n', '8M');
    await drainUntil(source, sink, 1);
    server.kill();
    expect(sink.seen[0]!.wireLen).toBeGreaterThan(20_000);
    expect(sink.seen[0]!.bytes.length).toBe(sink.seen[0]!.wireLen);
  });

  it('loses its views with close instead of the process', async () => {
    const source = open(a, 'v0');
    let kept: DataView | undefined;
    const sink = new CountingSink();
    sink.packet = (view) => {
      kept = view;
    };
    sendUdp(lab, a, '10.9.0.2', 4000, 10, 1);
    await until('a packet', () => {
      source.drain(sink);
      return kept !== undefined;
    });
    source.close();
    source.close();
    expect(() => kept!.getUint8(0)).toThrow(TypeError);
    expect(source.drain(sink)).toBe(0);
  });
});

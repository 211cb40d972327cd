import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PcapSource } from '../../daemon/capture/pcap-source.ts';
import { PcapHandle } from '../../daemon/kernel/libpcap.ts';
import { PacketType } from '../../decoders/packet-fields.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';
import { ethernetFrame, sendFrames, sendUdp, udpPacket } from '../kernel/traffic.ts';
import { CountingSink, drainFor, drainUntil } from './counting-sink.ts';

const missing = labMissing();

describe.skipIf(missing !== null)(
  `libpcap source on the live kernel${missing ? ` (${missing})` : ''}`,
  () => {
    const lab = new Lab('pcap');
    let a = '';
    let b = '';

    function open(netns: string, device: string, filter: string | null, snapLen = 262144): PcapSource {
      return lab.inside(
        netns,
        () =>
          new PcapSource(new PcapHandle({ device, snapLen, bufferBytes: 2 ** 21, timeoutMs: 20, filter }), 5),
      );
    }

    beforeAll(() => {
      a = lab.add('a');
      b = lab.add('b');
      lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    });
    afterAll(() => lab.close());

    it("delivers packets with nanosecond times, lengths and libpcap's counters", async () => {
      using source = open(a, 'v0', 'udp', 60);
      const sink = new CountingSink();
      sendUdp(lab, a, '10.9.0.2', 4000, 100, 30);
      await drainUntil(source, sink, 30);
      expect(sink.packets).toBe(30);
      for (const packet of sink.seen) {
        expect(packet).toMatchObject({
          captureIndex: 5,
          linkType: 1,
          wireLen: 142,
          pktType: PacketType.Unknown,
        });
        expect(packet.bytes.length).toBe(60);
        expect(packet.bytes.readUInt16BE(12)).toBe(0x0800);
        expect(packet.tsNsec).toBeLessThan(1_000_000_000);
        expect(Math.abs(packet.tsSec - Date.now() / 1000)).toBeLessThan(3600);
      }
      expect(sink.seen.some((packet) => packet.tsNsec % 1000 !== 0)).toBe(true);
      expect(source.stats()).toEqual({ received: 30, drops: 0, freezes: 0 });
    });

    it('has the VLAN tag in the frame, and counts lo once', async () => {
      using source = open(b, 'v0', 'vlan 7');
      const packet = udpPacket('10.9.7.1', '10.9.7.2', 1, 2, 0);
      sendFrames(lab, a, 'v0', [ethernetFrame(0x0800, packet, [[0x8100, 7]])]);
      const sink = new CountingSink();
      await drainUntil(source, sink, 1);
      expect([sink.seen[0]!.bytes.readUInt32BE(12), sink.seen[0]!.wireLen]).toEqual([0x81000007, 46]);
      expect(sink.seen[0]!.strippedTci).toBe(-1);

      using loopback = open(a, 'lo', 'udp');
      const once = new CountingSink();
      sendUdp(lab, a, '127.0.0.1', 4000, 10, 10);
      await drainUntil(loopback, once, 10);
      await drainFor(loopback, once, 60);
      expect(once.packets).toBe(10);
    });

    it('reads the device "any", which no ring has, as LINUX_SLL', async () => {
      using source = open(a, 'any', 'udp and port 4444');
      const sink = new CountingSink();
      sendUdp(lab, a, '10.9.0.2', 4444, 10, 2);
      sendUdp(lab, a, '127.0.0.1', 4444, 10, 1);
      await drainUntil(source, sink, 3);
      expect(new Set(sink.seen.map((packet) => packet.linkType))).toEqual(new Set([113]));
    });

    it("ends with libpcap's reason when the interface is removed", async () => {
      lab.ip(a, 'link add x0 type veth peer name x1');
      lab.ip(a, 'link set x0 up');
      using source = open(a, 'x0', null);
      lab.ip(a, 'link del x0');
      const sink = new CountingSink();
      await until('the source ends', () => {
        source.drain(sink);
        return source.ended !== null;
      });
      expect(source.ended).toMatch(/disappeared|went down/);
      expect(source.drain(sink)).toBe(0);
      source.close();
      source.close();
    });
  },
);

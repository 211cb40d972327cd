import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RingSource } from '../../daemon/capture/ring-source.ts';
import { listInterfaces } from '../../daemon/kernel/interfaces.ts';
import { openPacketFanout } from '../../daemon/kernel/packet-fanout.ts';
import { linkLayerOf, ringGeometry } from '../../daemon/kernel/packet-socket.ts';
import { CountingSink } from '../capture/counting-sink.ts';
import { Lab, labMissing, until } from './lab.ts';
import { ethernetFrame, sendFrames, udpPacket } from './traffic.ts';

const missing = labMissing();
const MEMBERS = 4;

/** An IPv6 packet of some protocol. */
function ipv6Packet(src: number, dst: number, next: number): Buffer {
  const packet = Buffer.alloc(60);
  packet[0] = 0x60;
  packet.writeUInt16BE(20, 4);
  packet[6] = next;
  packet[7] = 64;
  for (const [off, host] of [
    [8, src],
    [24, dst],
  ] as const) {
    packet.writeUInt16BE(0xfd00, off);
    packet.writeUInt16BE(host, off + 14);
  }
  return packet;
}

/** As a fragment that is not the first: no ports. */
function laterFragment(packet: Buffer): Buffer {
  const fragment = Buffer.from(packet);
  fragment.writeUInt16BE(185, 6);
  fragment.fill(0xee, 20);
  return fragment;
}

describe.skipIf(missing !== null)(`rings that share an interface${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('fanout');
  let a = '';
  let b = '';

  function open(netns: string): RingSource[] {
    return lab.inside(netns, () => {
      const found = listInterfaces().find((i) => i.name === 'v0')!;
      const ring = ringGeometry(2);
      const object = `v0 in ${netns}`;
      const link = linkLayerOf(found.arpType);
      const fds = openPacketFanout({ ifIndex: found.ifIndex, link, ring, filter: null, object }, MEMBERS);
      return fds.map(
        (fd) =>
          new RingSource(fd, {
            captureIndex: 0,
            linkType: link.linkType,
            cooked: false,
            loopback: false,
            ring,
            object,
          }),
      );
    });
  }

  /** Sends the frames each way, and gives for each of them the rings that have it. */
  async function ringsOf(netns: string, exchanges: (readonly [Buffer, Buffer])[]): Promise<Set<number>[]> {
    const sources = open(netns);
    try {
      const sinks = sources.map(() => new CountingSink(100_000));
      for (const [there, back] of exchanges) {
        sendFrames(lab, a, 'v0', [there]);
        sendFrames(lab, b, 'v0', [back]);
        // A small ring has few blocks, and the timer fills one with a packet or two.
        for (const [i, source] of sources.entries()) source.drain(sinks[i]!);
      }
      const wanted = exchanges.length * 2;
      await until('all frames are there', () => {
        for (const [i, source] of sources.entries()) source.drain(sinks[i]!);
        return sinks.reduce((sum, { packets }) => sum + packets, 0) >= wanted;
      });
      expect(sinks.reduce((sum, { packets }) => sum + packets, 0)).toBe(wanted);
      const received = sources.map((source) => source.stats());
      expect(received.map((each) => each.received)).toEqual(sinks.map(({ packets }) => packets));
      expect(received.every(({ drops }) => drops === 0)).toBe(true);
      const rings = exchanges.map(() => new Set<number>());
      const seen = sinks.flatMap(({ seen: packets }, ring) => packets.map(({ bytes }) => ({ ring, bytes })));
      for (const [i, frames] of exchanges.entries())
        for (const frame of frames)
          for (const { ring, bytes } of seen)
            if (bytes.subarray(-40).equals(frame.subarray(-40))) rings[i]!.add(ring);
      return rings;
    } finally {
      for (const source of sources) source.close();
    }
  }

  beforeAll(() => {
    a = lab.add('a');
    b = lab.add('b');
    lab.veth(a, 'v0', null, b, 'v0', null);
  });
  afterAll(() => lab.close());

  const tagged = [
    ['untagged', []],
    ['one tag', [[0x8100, 7]]],
    [
      'two tags',
      [
        [0x88a8, 7],
        [0x8100, 9],
      ],
    ],
  ] as [string, [number, number][]][];

  it.each(tagged)('both directions of a flow and its fragments are in one ring: %s', async (_, tags) => {
    for (const netns of [a, b]) {
      const exchanges: [Buffer, Buffer][] = [];
      for (let host = 1; host <= 40; host++) {
        const [x, y] = [`10.1.0.${host}`, `10.2.0.${(host * 7) % 250}`];
        const there = udpPacket(x, y, 1000 + host, 53, 60);
        const back = udpPacket(y, x, 53, 1000 + host, 60);
        // What tells the packets apart.
        there.writeUInt32BE(host, 80);
        back.writeUInt32BE(host | 0x10000, 80);
        exchanges.push([
          ethernetFrame(0x0800, there, tags),
          ethernetFrame(0x0800, laterFragment(back), tags),
        ]);
        exchanges.push([
          ethernetFrame(0x86dd, ipv6Packet(host, 0x8000 + host, 17), tags),
          ethernetFrame(0x86dd, ipv6Packet(0x8000 + host, host, 44), tags),
        ]);
        exchanges.at(-2)![1].writeUInt32BE(host | 0x20000, exchanges.at(-2)![1].length - 8);
      }
      const rings = await ringsOf(netns, exchanges);
      expect(rings.every((each) => each.size === 1)).toBe(true);
      expect(new Set(rings.flatMap((each) => [...each])).size).toBe(MEMBERS);
    }
  });

  it('what has no IP addresses, or not whole ones, is in the first ring', async () => {
    const arp = (host: number): Buffer => ethernetFrame(0x0806, Buffer.alloc(46, host));
    const cut = ethernetFrame(0x0800, udpPacket('10.1.0.1', '10.2.0.9', 1, 2, 0).subarray(0, 18));
    const exchanges: [Buffer, Buffer][] = [1, 2, 3].map((host) => [arp(host), arp(host + 10)]);
    const rings = await ringsOf(a, exchanges);
    expect(rings.map((each) => [...each])).toEqual([[0], [0], [0]]);
    const sources = open(a);
    const sink = new CountingSink();
    sendFrames(lab, a, 'v0', [cut]);
    await until('it is there', () => sources[0]!.drain(sink) > 0);
    for (const source of sources) source.close();
  });

  it('a flow stays in its ring when the interface goes down and comes up again', async () => {
    const sources = open(a);
    const exchange = (): Buffer[] =>
      Array.from({ length: 50 }, (_, i) =>
        ethernetFrame(0x0800, udpPacket(`10.1.0.${i}`, '10.2.0.1', 1, 2, 60)),
      );
    const countsOf = async (): Promise<number[]> => {
      const sinks = sources.map(() => new CountingSink(0));
      sendFrames(lab, a, 'v0', exchange());
      await until('all are there', () => {
        for (const [i, source] of sources.entries()) source.drain(sinks[i]!);
        return sinks.reduce((sum, { packets }) => sum + packets, 0) >= 50;
      });
      return sinks.map(({ packets }) => packets);
    };
    const before = await countsOf();
    for (let i = 0; i < 3; i++) {
      lab.ip(a, 'link set v0 down');
      lab.ip(a, 'link set v0 up');
      await until('the link is up', () => lab.ip(a, '-o link show v0').includes('state UP'));
      expect(await countsOf()).toEqual(before);
    }
    for (const source of sources) source.close();
  });

  it('an interface that is down is shared out as well', async () => {
    lab.ip(a, 'link set v0 down');
    const sources = open(a);
    lab.ip(a, 'link set v0 up');
    await until('the link is up', () => lab.ip(a, '-o link show v0').includes('state UP'));
    const sinks = sources.map(() => new CountingSink(0));
    sendFrames(
      lab,
      a,
      'v0',
      Array.from({ length: 50 }, (_, i) =>
        ethernetFrame(0x0800, udpPacket(`10.1.0.${i}`, '10.2.0.1', 1, 2, 60)),
      ),
    );
    await until('all are there', () => {
      for (const [i, source] of sources.entries()) source.drain(sinks[i]!);
      return sinks.reduce((sum, { packets }) => sum + packets, 0) === 50;
    });
    expect(sinks.every(({ packets }) => packets > 0)).toBe(true);
    for (const source of sources) source.close();
  });

  it('says why it cannot be made', () => {
    const ring = ringGeometry(2);
    const options = { ifIndex: 999_999, link: linkLayerOf(1), ring, filter: null, object: 'x' };
    expect(() => lab.inside(a, () => openPacketFanout(options, MEMBERS))).toThrow(/ENODEV/);
  });
});

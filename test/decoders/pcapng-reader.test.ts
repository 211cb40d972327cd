import { afterAll, describe, expect, it } from 'vitest';
import { PacketType } from '../../decoders/packet-fields.ts';
import { PCAPNG_INTERFACES_MAX } from '../../decoders/pcapng-reader.ts';
import {
  block,
  interfaceBlock,
  option,
  packetBlock,
  sectionBlock,
  TempDir,
  Writer,
} from './savefile-build.ts';

const dir = new TempDir();
afterAll(() => dir.remove());

const A = Uint8Array.of(1, 2, 3);
const text = (value: string) => new TextEncoder().encode(value);
const u32 = (little: boolean, value: number) => new Writer(little).u32(value).done();

describe.each([true, false])('pcapng, little-endian %s', (little) => {
  it('reads interfaces with names, resolutions and offsets', async () => {
    const offset = Buffer.alloc(8);
    if (little) offset.writeBigInt64LE(-3600n);
    else offset.writeBigInt64BE(-3600n);
    const got = await dir.read(
      Buffer.concat([
        sectionBlock(little),
        interfaceBlock(little, 1, 0, option(little, 2, text('eth0\0')), option(little, 3, text('uplink ü'))),
        interfaceBlock(little, 101, 96, option(little, 9, Uint8Array.of(9)), option(little, 14, offset)),
        packetBlock(little, 0, 0x0005d3c8, 0x7e5f2b01, A),
        packetBlock(little, 1, 0x17a1b2c3, 0x00000001, A, 1500),
      ]),
    );
    expect(got.error).toBeNull();
    expect(got.interfaces).toEqual([
      { index: 0, linkType: 1, snapLen: 0, name: 'eth0', description: 'uplink ü' },
      { index: 1, linkType: 101, snapLen: 96, name: null, description: null },
    ]);
    const micro = (0x0005d3c8n << 32n) + 0x7e5f2b01n;
    const nano = (0x17a1b2c3n << 32n) + 1n;
    expect(got.packets).toMatchObject([
      {
        interfaceIndex: 0,
        data: '010203',
        wireLen: 3,
        tsSec: Number(micro / 1_000_000n),
        tsNsec: Number(micro % 1_000_000n) * 1000,
        timeKnown: true,
        pktType: PacketType.Unknown,
      },
      {
        interfaceIndex: 1,
        wireLen: 1500,
        tsSec: Number(nano / 1_000_000_000n) - 3600,
        tsNsec: Number(nano % 1_000_000_000n),
      },
    ]);
  });

  it('reads simple and obsolete packet blocks', async () => {
    const got = await dir.read(
      Buffer.concat([
        sectionBlock(little),
        interfaceBlock(little, 1, 4),
        block(little, 3, new Writer(little).u32(3).bytes(A).done()),
        block(little, 2, new Writer(little).u16(0, 9).u32(0, 5_000_001, 3, 60).bytes(A).done()),
        block(
          little,
          3,
          new Writer(little)
            .u32(100)
            .bytes(Uint8Array.of(9, 8, 7, 6))
            .done(),
        ),
      ]),
    );
    expect(got.error).toBeNull();
    expect(got.packets).toMatchObject([
      { data: '010203', wireLen: 3, timeKnown: false, tsSec: 0, tsNsec: 0 },
      { data: '010203', wireLen: 60, timeKnown: true, tsSec: 5, tsNsec: 1000 },
      { data: '09080706', wireLen: 100, timeKnown: false, tsSec: 5, tsNsec: 1000 },
    ]);
  });

  it.each([
    ['inbound', 1, PacketType.Host],
    ['outbound', 2, PacketType.Outgoing],
    ['outbound broadcast', 2 | (3 << 2), PacketType.Outgoing],
    ['inbound unicast', 1 | (1 << 2), PacketType.Host],
    ['inbound multicast', 1 | (2 << 2), PacketType.Multicast],
    ['inbound broadcast', 1 | (3 << 2), PacketType.Broadcast],
    ['promiscuous', 1 | (4 << 2), PacketType.OtherHost],
    ['no information', 0, PacketType.Unknown],
  ])('takes the direction from epb_flags: %s', async (_name, flags, pktType) => {
    const options = Buffer.concat([
      option(little, 1, text('a comment')),
      option(little, 2, u32(little, flags)),
      new Writer(little).u16(0, 0).done(),
    ]);
    const got = await dir.read(
      Buffer.concat([
        sectionBlock(little),
        interfaceBlock(little, 1, 0),
        packetBlock(little, 0, 0, 0, A, 3, options),
      ]),
    );
    expect(got.packets).toMatchObject([{ data: '010203', pktType }]);
  });

  it('leaves a packet whole whose options are broken', async () => {
    const options = new Writer(little).u16(2, 4000).done();
    const got = await dir.read(
      Buffer.concat([
        sectionBlock(little),
        interfaceBlock(little, 1, 0),
        packetBlock(little, 0, 0, 0, A, 3, options),
      ]),
    );
    expect([got.error, got.packets.length]).toEqual([null, 1]);
  });

  it('skips unknown blocks, short and far longer than the window', async () => {
    const good = packetBlock(little, 0, 0, 1, A);
    const file = Buffer.concat([
      sectionBlock(little),
      interfaceBlock(little, 1, 0),
      block(little, 0x0bad, new Uint8Array(20)),
      good,
      block(little, 0x0bad, new Uint8Array(200_000)),
      good,
    ]);
    const got = await dir.read(file, { chunkLen: 4096 });
    expect([got.error, got.packets.length]).toEqual([null, 2]);
    const cut = await dir.read(file.subarray(0, file.length - good.length - 7), { chunkLen: 4096 });
    expect(cut.packets.length).toBe(1);
    expect(cut.error).toMatchObject({ code: 'SAVEFILE_TRUNCATED' });
    expect(cut.error?.reason).toContain('a block of 200012 octets');
  });

  it.each<[string, (good: Buffer) => Buffer, string, RegExp]>([
    [
      'a packet longer than its block',
      () => edit(packetBlock(little, 0, 0, 0, A), 20, 65536),
      'SAVEFILE_DAMAGED',
      /65536 octets in a block/,
    ],
    [
      'an interface that is not described',
      () => packetBlock(little, 7, 0, 0, A),
      'SAVEFILE_DAMAGED',
      /interface 7/,
    ],
    ['a block of 8 octets', (good) => edit(good, 4, 8), 'SAVEFILE_DAMAGED', /a block of 8 octets/],
    [
      'lengths that differ',
      (good) => edit(good, good.length - 4, 99),
      'SAVEFILE_DAMAGED',
      /two lengths differ/,
    ],
    [
      'a packet block without room for its fields',
      () => block(little, 6, new Uint8Array(16)),
      'SAVEFILE_DAMAGED',
      /packet block of 28/,
    ],
    [
      'an obsolete block without room',
      () => block(little, 2, new Uint8Array(16)),
      'SAVEFILE_DAMAGED',
      /packet block of 28/,
    ],
    [
      'a simple block without room',
      () => block(little, 3, new Uint8Array(0)),
      'SAVEFILE_DAMAGED',
      /packet block of 12/,
    ],
    [
      'a simple block longer than it is',
      () => block(little, 3, u32(little, 9)),
      'SAVEFILE_DAMAGED',
      /9 octets in a block/,
    ],
    [
      'an interface block without room',
      () => block(little, 1, new Uint8Array(4)),
      'SAVEFILE_DAMAGED',
      /interface block of 16/,
    ],
    [
      'a section header without room',
      () => block(little, 0x0a0d0d0a, u32(little, 0x1a2b3c4d)),
      'SAVEFILE_DAMAGED',
      /section header of 16/,
    ],
    [
      'a section header without magic',
      () => block(little, 0x0a0d0d0a, new Uint8Array(16)),
      'SAVEFILE_DAMAGED',
      /byte-order magic/,
    ],
    ['version 2.0', () => sectionBlock(little, 2, 0), 'SAVEFILE_VERSION', /version 2.0/],
    ['version 1.1', () => sectionBlock(little, 1, 1), 'SAVEFILE_VERSION', /version 1.1/],
    [
      'an option longer than its block',
      () => sectionBlock(little, 1, 0, new Writer(little).u16(4, 500).done()),
      'SAVEFILE_DAMAGED',
      /option of 500/,
    ],
    [
      'a block of 4 GiB that is a packet',
      (good) => edit(good, 4, 0xfffffffc),
      'SAVEFILE_DAMAGED',
      /4294967292 octets/,
    ],
  ])('delivers what came before %s', async (_name, make, code, reason) => {
    const good = packetBlock(little, 0, 0, 1, A);
    const head = Buffer.concat([sectionBlock(little), interfaceBlock(little, 1, 0), good]);
    const got = await dir.read(Buffer.concat([head, make(good)]));
    expect(got.packets.length).toBe(1);
    expect(got.error).toMatchObject({ code });
    expect(got.error?.reason).toMatch(reason);
    expect(got.error?.offset).toBeGreaterThanOrEqual(head.length);
  });

  /** The block with a 32-bit value changed. */
  function edit(bytes: Buffer, at: number, value: number): Buffer {
    const copy = Buffer.from(bytes);
    if (little) copy.writeUInt32LE(value, at);
    else copy.writeUInt32BE(value, at);
    return copy;
  }
});

describe('pcapng', () => {
  it('reads sections of both byte orders; interface numbers go on, ids begin anew', async () => {
    const section = (little: boolean, linkType: number) =>
      Buffer.concat([
        sectionBlock(little, 1, linkType === 1 ? 0 : 2),
        interfaceBlock(little, linkType, 0),
        packetBlock(little, 0, 0, 1, A),
      ]);
    const got = await dir.read(Buffer.concat([section(true, 1), section(false, 101), section(true, 113)]));
    expect(got.error).toBeNull();
    expect(got.interfaces.map((info) => [info.index, info.linkType])).toEqual([
      [0, 1],
      [1, 101],
      [2, 113],
    ]);
    expect(got.packets.map((packet) => packet.interfaceIndex)).toEqual([0, 1, 2]);
  });

  it('accepts a section without interfaces, and a total length that leaves the padding out', async () => {
    expect(await dir.read(sectionBlock(true))).toMatchObject({ error: null, interfaces: [], packets: [] });
    const unpadded = packetBlock(true, 0, 0, 1, A);
    unpadded.writeUInt32LE(unpadded.length - 1, 4);
    unpadded.writeUInt32LE(unpadded.length - 1, unpadded.length - 4);
    const got = await dir.read(
      Buffer.concat([
        sectionBlock(true),
        interfaceBlock(true, 1, 0),
        unpadded,
        packetBlock(true, 0, 0, 1, A),
      ]),
    );
    expect([got.error, got.packets.length]).toEqual([null, 2]);
  });

  it('refuses more interfaces than its bound', async () => {
    const many = Buffer.concat(
      Array.from({ length: PCAPNG_INTERFACES_MAX + 1 }, () => interfaceBlock(true, 1, 0)),
    );
    const got = await dir.read(Buffer.concat([sectionBlock(true), many]));
    expect(got.interfaces.length).toBe(PCAPNG_INTERFACES_MAX);
    expect(got.error).toMatchObject({ code: 'SAVEFILE_DAMAGED', reason: 'more than 65536 interfaces' });
  });

  it('tells at every cut where the file ends', async () => {
    const blocks = [sectionBlock(true), interfaceBlock(true, 1, 0), packetBlock(true, 0, 0, 1, A)];
    const bytes = Buffer.concat(blocks);
    const starts = [0, 28, 48, bytes.length];
    for (let length = 4; length <= bytes.length; length++) {
      const got = await dir.read(bytes.subarray(0, length));
      if (starts.includes(length)) expect(got.error).toBeNull();
      else
        expect(got.error).toMatchObject({
          code: 'SAVEFILE_TRUNCATED',
          offset: Math.max(...starts.filter((start) => start <= length)),
        });
      expect(got.packets.length).toBe(length === bytes.length ? 1 : 0);
    }
  });
});

describe('an interface statistics block that is broken', () => {
  const isb = (body: Uint8Array): Buffer => block(true, 5, body);
  it.each([
    ['too short', isb(new Uint8Array(4))],
    [
      'of an interface that is not there',
      isb(Uint8Array.from([9, ...new Array(11).fill(0), 5, 0, 8, 0, ...new Array(8).fill(1)])),
    ],
    ['with an option longer than the block', isb(Uint8Array.from([...new Array(12).fill(0), 5, 0, 99, 0]))],
  ])('%s costs no packet', async (_, octets) => {
    const file = Buffer.concat([
      sectionBlock(true),
      interfaceBlock(true, 1, 0),
      octets,
      packetBlock(true, 0, 0, 0, new Uint8Array(60)),
    ]);
    const got = await dir.read(file);
    expect([got.error, got.packets.length]).toEqual([null, 1]);
  });
});

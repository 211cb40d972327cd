import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { frame } from '../support/frames.ts';
import {
  interfaceBlock,
  packetBlock,
  pcapFile,
  type Record,
  sectionBlock,
  TempDir,
  Writer,
} from './savefile-build.ts';

const dir = new TempDir();
afterAll(() => dir.remove());

const A = Uint8Array.of(1, 2, 3);
const B = Uint8Array.of(4, 5, 6, 7, 8);
const TWO: Record[] = [
  { sec: 1_700_000_000, fraction: 999_999, data: A },
  { sec: 1_700_000_001, fraction: 5, data: B, wireLen: 1500 },
];

describe('pcap', () => {
  it.each([
    ['microseconds, little-endian', 0xa1b2c3d4, true, 999_999_000, 5_000],
    ['microseconds, big-endian', 0xa1b2c3d4, false, 999_999_000, 5_000],
    ['nanoseconds, little-endian', 0xa1b23c4d, true, 999_999, 5],
    ['nanoseconds, big-endian', 0xa1b23c4d, false, 999_999, 5],
  ])('reads %s', async (_name, magic, little, nsecA, nsecB) => {
    const got = await dir.read(pcapFile(TWO, { magic, little, linkType: 113, snapLen: 4096 }));
    expect(got.error).toBeNull();
    expect(got.interfaces).toEqual([
      { index: 0, linkType: 113, snapLen: 4096, name: null, description: null },
    ]);
    expect(got.packets).toEqual([
      {
        interfaceIndex: 0,
        data: '010203',
        wireLen: 3,
        tsSec: 1_700_000_000,
        tsNsec: nsecA,
        timeKnown: true,
        pktType: -1,
      },
      {
        interfaceIndex: 0,
        data: '0405060708',
        wireLen: 1500,
        tsSec: 1_700_000_001,
        tsNsec: nsecB,
        timeKnown: true,
        pktType: -1,
      },
    ]);
  });

  it('carries a fraction of a second or more into the seconds', async () => {
    const micro = await dir.read(pcapFile([{ sec: 10, fraction: 3_000_001, data: A }]));
    expect(micro.packets[0]).toMatchObject({ tsSec: 13, tsNsec: 1000 });
    const nano = await dir.read(
      pcapFile([{ sec: 10, fraction: 0xffffffff, data: A }], { magic: 0xa1b23c4d }),
    );
    expect(nano.packets[0]).toMatchObject({ tsSec: 14, tsNsec: 294_967_295 });
  });

  it('keeps times behind 2038 and up to 2106', async () => {
    const got = await dir.read(pcapFile([{ sec: 0xffffffff, fraction: 999_999, data: A }]));
    expect(got.packets[0]).toMatchObject({ tsSec: 4_294_967_295, tsNsec: 999_999_000 });
  });

  it('reads the packet type of the modified format', async () => {
    const record = new Writer(true)
      .u32(1, 2, 3, 3)
      .u32(7)
      .u16(0x0800)
      .bytes(Uint8Array.of(4, 0, 0xaa, 0xbb, 0xcc));
    const got = await dir.read(Buffer.concat([pcapFile([], { magic: 0xa1b2cd34 }), record.done()]));
    expect(got.packets).toMatchObject([{ data: 'aabbcc', tsSec: 1, tsNsec: 2000, pktType: 4 }]);
  });

  it('turns swapped lengths of old versions round', async () => {
    const swapped = [{ sec: 1, fraction: 0, data: A, capLen: 1500, wireLen: 3 }];
    for (const header of [{ minor: 2 }, { minor: 3 }, { major: 543, minor: 0 }])
      expect((await dir.read(pcapFile(swapped, header))).packets).toMatchObject([
        { data: '010203', wireLen: 1500 },
      ]);
    const straight = await dir.read(
      pcapFile([{ sec: 1, fraction: 0, data: A, wireLen: 1500 }], { minor: 3 }),
    );
    expect(straight.packets).toMatchObject([{ data: '010203', wireLen: 1500 }]);
  });

  it('never has more captured than was on the wire, and caps absurd wire lengths', async () => {
    const got = await dir.read(
      pcapFile([
        { sec: 1, fraction: 0, data: B, wireLen: 2 },
        { sec: 1, fraction: 0, data: A, wireLen: 0xffffffff },
      ]),
    );
    expect(got.packets).toMatchObject([
      { data: '0405', wireLen: 2 },
      { data: '010203', wireLen: 0x7fffffff },
    ]);
  });

  it('takes the link type without the FCS length, and rejects reserved bits', async () => {
    const fcs = await dir.read(pcapFile(TWO, { linkType: 0x24000001 }));
    expect([fcs.interfaces[0]?.linkType, fcs.packets.length]).toEqual([1, 2]);
    const reserved = await dir.read(pcapFile(TWO, { linkType: 0x00010001 }));
    expect(reserved.error).toMatchObject({ code: 'SAVEFILE_VERSION', offset: 0 });
  });

  it('rejects unknown versions', async () => {
    const got = await dir.read(pcapFile(TWO, { major: 3 }));
    expect(got.error).toMatchObject({ code: 'SAVEFILE_VERSION', reason: 'pcap version 3.4 is not known' });
  });

  it('delivers what came before a length that cannot be', async () => {
    const bad = { sec: 1, fraction: 1, data: A, capLen: 262_145 };
    const got = await dir.read(pcapFile([...TWO, bad], {}));
    expect(got.packets.length).toBe(2);
    expect(got.error).toMatchObject({ code: 'SAVEFILE_DAMAGED', offset: 24 + 16 + 3 + 16 + 5 });
    expect(got.error?.message).toContain('262145 captured octets, where at most 262144 can be (at octet 64)');
  });

  it('reads records as large as the file says they may be', async () => {
    const data = new Uint8Array(300_000).fill(7);
    const got = await dir.read(pcapFile([{ sec: 1, fraction: 0, data }], { snapLen: 300_000 }), {
      chunkLen: 1024,
    });
    expect([got.error, got.packets[0]?.wireLen, got.packets[0]?.data.length]).toEqual([
      null,
      300_000,
      600_000,
    ]);
  });

  it('tells at every cut where the file ends, after what is whole', async () => {
    const bytes = pcapFile(TWO);
    const starts = [0, 24, 43];
    for (let length = 1; length <= bytes.length; length++) {
      const got = await dir.read(bytes.subarray(0, length));
      const packets = length === bytes.length ? 2 : length >= 43 ? 1 : 0;
      expect([length, got.packets.length]).toEqual([length, packets]);
      if (length < 4) expect(got.error).toMatchObject({ code: 'SAVEFILE_FORMAT' });
      else if ([24, 43, bytes.length].includes(length)) expect(got.error).toBeNull();
      else
        expect(got.error).toMatchObject({
          code: 'SAVEFILE_TRUNCATED',
          offset: Math.max(...starts.filter((start) => start <= length)),
        });
    }
  });
});

describe("IXIA's lcap", () => {
  const data = frame({ payload: 9 });
  const lcap = (magic: number, little: boolean): Buffer => {
    const file = pcapFile([{ sec: 5, fraction: 123_456, data }], { magic, little });
    const length = new Writer(little).u32(file.length - 24).done();
    return Buffer.concat([file.subarray(0, 24), length, file.subarray(24)]);
  };

  it.each([
    ['hardware', 0x1c0001ac, true],
    ['hardware, big-endian', 0x1c0001ac, false],
    ['software', 0x1c0001ab, true],
  ] as const)('%s', async (_, magic, little) => {
    const octets = lcap(magic, little);
    const got = await dir.read(octets);
    expect(got.error).toBeNull();
    expect(got.packets).toMatchObject([
      { tsSec: 5, tsNsec: 123_456_000, data: Buffer.from(data).toString('hex') },
    ]);
    for (let length = 24; length < octets.length; length++)
      expect([length, (await dir.read(octets.subarray(0, length))).error === null]).toEqual([
        length,
        length === 28,
      ]);
  });

  it.skipIf(spawnSync('tshark', ['--version']).status !== 0)('as tshark reads it (needs tshark)', () => {
    const fields = ['-T', 'fields', '-e', 'frame.time_epoch', '-e', 'frame.len', '-e', 'ip.src'];
    const path = dir.write(lcap(0x1c0001ac, true));
    const { stdout } = spawnSync('tshark', ['-n', '-r', path, ...fields], { encoding: 'utf8' });
    expect(stdout).toBe(`5.123456000\t${data.length}\t10.0.0.1\n`);
  });
});

it.each([true, false])(
  'two files joined with cat: the packets of the first, then what to do; little-endian %s',
  async (little) => {
    const one = pcapFile([{ sec: 5, fraction: 1, data: new Uint8Array(60) }], { little });
    const got = await dir.read(Buffer.concat([one, one]));
    expect(got.packets).toHaveLength(1);
    expect(got.error).toMatchObject({ code: 'SAVEFILE_DAMAGED', offset: one.length });
    expect(got.error?.reason).toBe(
      'another pcap file begins here, joined with cat; join them with mergecap, or give nstap both files',
    );
  },
);

it('pcapng files joined with cat are one file', async () => {
  const one = Buffer.concat([
    sectionBlock(true),
    interfaceBlock(true, 1, 0),
    packetBlock(true, 0, 0, 0, new Uint8Array(60)),
  ]);
  const other = Buffer.concat([
    sectionBlock(false),
    interfaceBlock(false, 101, 0),
    packetBlock(false, 0, 0, 0, new Uint8Array(60)),
  ]);
  const got = await dir.read(Buffer.concat([one, other, one]));
  expect([got.error, got.packets.map((p) => p.interfaceIndex)]).toEqual([null, [0, 1, 2]]);
});

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { SavefileReader } from '../../decoders/savefile.ts';
import { SavefileError } from '../../decoders/savefile-error.ts';
import { hex } from './bytes.ts';
import {
  interfaceBlock,
  packetBlock,
  pcapFile,
  readSavefile,
  sectionBlock,
  TempDir,
} from './savefile-build.ts';

const dir = new TempDir();
afterAll(() => dir.remove());

const FIXTURES = fileURLToPath(new URL('../../fixtures/pcap/', import.meta.url));
const CHILD = fileURLToPath(new URL('savefile-child.ts', import.meta.url));
const NOTHING = { onInterface: () => {}, onPacket: () => {} };

/** A pcap file of so many packets of 100 to 1100 octets that do not compress well. */
function manyPackets(count: number): Buffer {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state >>> 15; // the low bits repeat early, which zstd would find
  };
  return pcapFile(
    Array.from({ length: count }, (_, i) => ({
      sec: i,
      fraction: 0,
      data: Uint8Array.from({ length: 100 + (next() % 1000) }, () => next() & 0xff),
    })),
  );
}

const MANY = manyPackets(300);
const PLAIN = await dir.read(MANY);

interface ChildResult {
  packets: number;
  bytes: number;
  bufferPeak: number;
  error: string | null;
}

/** Runs the reader in another process, with `feed` writing to its stdin. */
async function child(
  feed: (write: (octets: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<ChildResult> {
  const run = spawn(process.execPath, [CHILD, '-'], { stdio: ['pipe', 'pipe', 'inherit'] });
  run.stdin.on('error', () => {}); // the reader may end before we do; its answer tells
  let output = '';
  run.stdout.on('data', (text: Buffer) => {
    output += text;
  });
  const closed = new Promise((resolve) => run.on('close', resolve));
  await feed((octets) => new Promise<void>((resolve) => run.stdin.write(octets, () => resolve())));
  run.stdin.end();
  await closed;
  return JSON.parse(output);
}

describe('files that other programs wrote', () => {
  const frames = ['eth-ipv4-tcp-syn', 'eth-qinq-ipv6-udp', 'eth-snap-ipv4-icmp'].map((name) =>
    Buffer.from(hex(readFileSync(join(FIXTURES, `../frames/${name}.hex`), 'utf8'))).toString('hex'),
  );
  it.each([
    ['three-frames.pcapng', [123_456_789, 123_456_790, 123_456_791]],
    ['three-frames-nsecpcap.pcap', [123_456_789, 123_456_790, 123_456_791]],
    ['three-frames.pcap', [123_456_000, 123_456_000, 123_456_000]],
    ['three-frames-modpcap.pcap', [123_456_000, 123_456_000, 123_456_000]],
  ])('%s', async (name, nsec) => {
    const got = await readSavefile(join(FIXTURES, name));
    expect(got.error).toBeNull();
    expect(got.packets.map((packet) => packet.data)).toEqual(frames);
    expect(got.packets.map((packet) => packet.tsNsec)).toEqual(nsec);
    expect(got.packets.map((packet) => packet.tsSec)).toEqual([1_795_435_200, 1_795_435_201, 1_795_435_202]);
    expect([got.bytesRead, got.totalBytes]).toEqual([got.totalBytes, got.totalBytes]);
  });
});

describe('windows', () => {
  it('deliver the same whatever their size', async () => {
    let isSplit = 0;
    const packet = fc.record({
      sec: fc.nat(0x7fffffff),
      fraction: fc.nat(999_999),
      data: fc.uint8Array({ maxLength: 3000, size: 'max' }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(packet, { maxLength: 12, size: 'max' }),
        fc.integer({ min: 512, max: 5000 }),
        fc.boolean(),
        async (records, chunkLen, isNg) => {
          const file = isNg
            ? Buffer.concat([
                sectionBlock(false),
                interfaceBlock(false, 1, 0),
                ...records.map((record) => packetBlock(false, 0, 0, record.sec, record.data)),
              ])
            : pcapFile(records);
          const got = await dir.read(file, { chunkLen });
          expect(got.error).toBeNull();
          expect(got.packets.map((delivered) => delivered.data)).toEqual(
            records.map((record) => Buffer.from(record.data).toString('hex')),
          );
          if (file.length > chunkLen) isSplit++;
        },
      ),
      { numRuns: 300, seed: 4 },
    );
    expect(isSplit).toBeGreaterThan(100);
  });

  it('are read synchronously from a plain file', () => {
    using reader = new SavefileReader(dir.write(MANY), NOTHING, { chunkLen: 4096 });
    const first = reader.next();
    expect([first, reader.bytesRead, reader.totalBytes]).toEqual([true, 4096, MANY.length]);
  });
});

describe('compression', () => {
  const half = Math.floor(MANY.length / 2);
  const halves = [MANY.subarray(0, half), MANY.subarray(half)] as const;
  const skippable = hex('502a4d18 04000000 01020304');
  const cases: [string, Uint8Array][] = [
    ['gzip', gzipSync(MANY)],
    ['gzip, two members', Buffer.concat(halves.map((part) => gzipSync(part)))],
    ['gzip, a member of its own for each 700 octets', members(700, gzipSync)],
    ['gzip, padded with zeros', Buffer.concat([gzipSync(MANY), Buffer.alloc(40_000)])],
    ['zstd', zstdCompressSync(MANY)],
    ['zstd, two frames', Buffer.concat(halves.map((part) => zstdCompressSync(part)))],
    ['zstd, a frame of its own for each 700 octets', members(700, zstdCompressSync)],
    ['zstd, skippable frames around', Buffer.concat([skippable, zstdCompressSync(MANY), skippable])],
  ];

  function members(size: number, compress: (part: Buffer) => Buffer): Buffer {
    const count = Math.ceil(MANY.length / size);
    return Buffer.concat(
      Array.from({ length: count }, (_, i) => compress(MANY.subarray(i * size, (i + 1) * size))),
    );
  }

  it.each(cases)('%s gives every packet', async (_name, octets) => {
    const got = await dir.read(octets, { chunkLen: 8192 });
    expect(got.error).toBeNull();
    expect(got.packets).toEqual(PLAIN.packets);
    expect([got.bytesRead, got.totalBytes]).toEqual([octets.length, octets.length]);
  });

  it('reads what gzip and zstd themselves wrote', async () => {
    const path = dir.write(MANY);
    for (const tool of ['gzip', 'zstd']) {
      if (spawnSync(tool, ['--version']).error !== undefined) continue;
      const got = await dir.read(execFileSync(tool, ['-c', path], { maxBuffer: 1 << 26 }));
      expect([tool, got.error, got.packets.length]).toEqual([tool, null, 300]);
    }
  });

  it.each([
    ['gzip', gzipSync(MANY)],
    ['zstd', zstdCompressSync(MANY)],
  ])('%s cut short: everything that can be unpacked is delivered, then the error', async (_kind, octets) => {
    for (const share of [0.3, 0.9, 1]) {
      const length = Math.floor(octets.length * share) - 3;
      const got = await dir.read(octets.subarray(0, length));
      expect(got.error).toMatchObject({ code: 'SAVEFILE_COMPRESSION' });
      expect(got.packets).toEqual(PLAIN.packets.slice(0, got.packets.length));
      // The octets are noise that does not shrink, so what is left of the file is left of the packets.
      expect(got.packets.length).toBeGreaterThan(300 * share - 12);
    }
  });

  it('gives all packets of a gzip file whose checksum alone is wrong', async () => {
    const octets = gzipSync(MANY);
    octets[octets.length - 8]! ^= 0xff;
    const got = await dir.read(octets);
    expect(got.packets).toEqual(PLAIN.packets);
    expect(got.error).toMatchObject({ code: 'SAVEFILE_COMPRESSION', offset: MANY.length });
    expect(got.error?.reason).toContain('incorrect data check');
  });

  it('gives all packets before garbage behind a gzip stream', async () => {
    const got = await dir.read(Buffer.concat([gzipSync(MANY), Buffer.from('garbage')]));
    expect(got.packets).toEqual(PLAIN.packets);
    expect(got.error).toMatchObject({ code: 'SAVEFILE_COMPRESSION' });
  });

  it('does not unpack twice, and says what the inner file looks like', async () => {
    expect((await dir.read(gzipSync(gzipSync(MANY)))).error?.reason).toBe(
      'neither pcap nor pcapng inside the compression; it looks like gzip-compressed data once more',
    );
    expect((await dir.read(zstdCompressSync(Buffer.from('hello, world\n')))).error?.reason).toMatch(
      /looks like text$/,
    );
    expect((await dir.read(gzipSync(Buffer.alloc(0)))).error?.reason).toMatch(/looks like an empty file$/);
  });

  it('can be closed while unpacking: the promise under way resolves to false', async () => {
    const reader = new SavefileReader(dir.write(gzipSync(MANY)), NOTHING, { chunkLen: 512 });
    expect(await reader.next()).toBe(true);
    const underWay = reader.next();
    reader.close();
    expect(await underWay).toBe(false);
    expect(reader.next()).toBe(false);
  });

  it('holds no more memory for a file that unpacks to 400 times its size', async () => {
    const record = { sec: 1, fraction: 0, data: new Uint8Array(1000) };
    const piece = pcapFile(Array.from({ length: 20_000 }, () => record)).subarray(24);
    for (const compress of [gzipSync, zstdCompressSync]) {
      const path = dir.write(compress(pcapFile([])));
      const member = compress(piece);
      for (let i = 0; i < 8; i++) appendFileSync(path, member);
      const run = spawnSync(process.execPath, ['--expose-gc', CHILD, path], { encoding: 'utf8' });
      const got: ChildResult = JSON.parse(run.stdout);
      expect(got).toMatchObject({ packets: 160_000, bytes: 160_000_000, error: null });
      expect(got.bufferPeak).toBeLessThan(16_000_000);
    }
  });
});

describe('stdin', () => {
  it('is read to its end, plain and compressed', async () => {
    for (const octets of [MANY, gzipSync(MANY), zstdCompressSync(MANY)])
      expect(await child((write) => write(octets))).toMatchObject({
        packets: 300,
        bytes: PLAIN.packets.reduce((sum, packet) => sum + packet.data.length / 2, 0),
        error: null,
      });
  });

  it('may come a few octets at a time', async () => {
    const small = pcapFile([{ sec: 1, fraction: 0, data: Uint8Array.of(1, 2, 3) }]);
    const got = await child(async (write) => {
      for (const octet of small) await write(Uint8Array.of(octet));
    });
    expect(got).toMatchObject({ packets: 1, bytes: 3, error: null });
  });

  it('may be a file of which the shell has read a part', () => {
    const path = dir.write(Buffer.concat([Buffer.alloc(100), MANY]));
    const run = spawnSync(
      'sh',
      [
        '-c',
        `{ dd bs=100 count=1 of=/dev/null 2>/dev/null; "$0" "$1" -; } <"$2"`,
        process.execPath,
        CHILD,
        path,
      ],
      { encoding: 'utf8' },
    );
    expect(JSON.parse(run.stdout)).toMatchObject({ packets: 300, error: null });
  });

  it('does not take memory on the word of a length', async () => {
    const lie = pcapFile([{ sec: 1, fraction: 0, data: new Uint8Array(10), capLen: 250_000_000 }], {
      snapLen: 0x0fffffff,
    });
    const got = await child((write) => write(Buffer.concat([lie, Buffer.alloc(1_000_000)])));
    expect(got).toMatchObject({ packets: 0, error: 'SAVEFILE_TRUNCATED 24' });
    expect(got.bufferPeak).toBeLessThan(20_000_000);
  });
});

describe('files that are no savefiles', () => {
  it.each([
    ['an empty file', new Uint8Array(0), 'an empty file'],
    ['text', Buffer.from('Mon Nov 23 eth0 up\n'), 'text'],
    ['HTML', Buffer.from('<!doctype html>\n<title>404</title>\n'), 'markup text (HTML or XML)'],
    ['an ELF executable', hex('7f454c46 02010100'), 'an ELF executable'],
    ['a PNG image', hex('89504e47 0d0a1a0a 0000000d'), 'a PNG image'],
    ['xz', hex('fd377a58 5a0000'), 'xz-compressed data; unpack it: xz -dc FILE | nstap replay -'],
    ['snoop', hex('736e6f6f 70000000 00000002 00000004'), 'a Solaris snoop capture; convert it with editcap'],
    ['SQLite', Buffer.from('SQLite format 3\0\x10\0'), 'an SQLite database'],
    [
      'tar',
      Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\0'), Buffer.alloc(300)]),
      'a tar archive; unpack it first',
    ],
    [
      'ERF',
      hex('0000000000000001 02 04 0040 0000 002c 0000'),
      'an Endace ERF capture; convert it with editcap',
    ],
    ['zeros', new Uint8Array(100), 'a file of zeros'],
    ['anything else', hex('deadbeef 00'), 'unknown data (it begins with de ad be ef)'],
    ['one octet', hex('80'), 'unknown data (it begins with 80)'],
  ])('%s', async (_name, octets, looksLike) => {
    const { error } = await dir.read(octets);
    expect(error).toMatchObject({ code: 'SAVEFILE_FORMAT', offset: null });
    expect(error?.reason).toBe(`neither pcap nor pcapng; it looks like ${looksLike}`);
    expect(error?.message).toBe(`${error?.file}: ${error?.reason}`);
  });

  it('a name that does not exist, and a directory', () => {
    const missing = join(dir.path, 'missing.pcap');
    expect(() => new SavefileReader(missing, NOTHING)).toThrow(
      `${missing}: cannot be read: there is no such file`,
    );
    const folder = join(dir.path, 'folder');
    mkdirSync(folder);
    expect(() => new SavefileReader(folder, NOTHING)).toThrow('it is a directory');
    try {
      new SavefileReader(missing, NOTHING).close();
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(SavefileError);
      expect(error).toMatchObject({ code: 'SAVEFILE_OPEN', cause: { code: 'ENOENT' } });
    }
  });
});

describe('the end', () => {
  it('comes once, closes the reader, and closing again is harmless', async () => {
    const reader = new SavefileReader(dir.write(MANY), NOTHING);
    while (await reader.next());
    expect(reader.next()).toBe(false);
    reader.close();
    reader.close();
    expect(reader.next()).toBe(false);
  });

  it('comes by an error of the sink too', () => {
    const reader = new SavefileReader(dir.write(MANY), {
      onInterface: () => {},
      onPacket: () => {
        throw new RangeError('full');
      },
    });
    expect(() => reader.next()).toThrow('full');
    expect(reader.next()).toBe(false);
  });
});

import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { SavefileReader } from '../../decoders/savefile.ts';
import { SavefileError } from '../../decoders/savefile-error.ts';
import { corpus } from '../support/truth.ts';
import {
  block,
  interfaceBlock,
  option,
  packetBlock,
  pcapFile,
  sectionBlock,
  TempDir,
} from './savefile-build.ts';

const dir = new TempDir();
afterAll(() => dir.remove());

interface Packet {
  offset: number;
  text: string;
}

/** A reader that notes what it delivers. */
class Noting {
  readonly packets: Packet[] = [];
  readonly interfaces: string[] = [];
  readonly reader: SavefileReader;

  constructor(path: string, chunkLen?: number) {
    this.reader = new SavefileReader(
      path,
      {
        onInterface: (info) => this.interfaces.push(`${info.index} ${info.linkType} ${info.name}`),
        onPacket: (index, view, off, capLen, wireLen, sec, nsec) => {
          const data = Buffer.from(view.buffer as ArrayBuffer, view.byteOffset + off, Math.min(capLen, 16));
          const text = `${index} ${wireLen} ${sec}.${nsec} ${data.toString('hex')}`;
          this.packets.push({ offset: this.reader.packetOffset, text });
        },
      },
      chunkLen === undefined ? {} : { chunkLen },
    );
  }

  async all(): Promise<this> {
    while (await this.reader.next());
    return this;
  }
}

const data = (i: number): Uint8Array => Uint8Array.from({ length: 40 + (i % 60) }, (_, k) => i + k);
const NAME = (name: string): Buffer => option(true, 2, Buffer.from(name));
const LONG = block(true, 99, new Uint8Array(200_000));

/** Two sections of different byte order; an interface that is described in the middle; a long unknown block. */
const SECTIONS = Buffer.concat([
  sectionBlock(true),
  interfaceBlock(true, 1, 0, NAME('a')),
  ...Array.from({ length: 40 }, (_, i) => packetBlock(true, 0, 0x10, i, data(i))),
  LONG,
  interfaceBlock(true, 101, 0, NAME('b')),
  ...Array.from({ length: 40 }, (_, i) => packetBlock(true, i & 1, 0x11, i, data(i))),
  sectionBlock(false),
  interfaceBlock(false, 113, 0),
  ...Array.from({ length: 40 }, (_, i) => packetBlock(false, 0, 0x12, i, data(i))),
]);
const CLASSIC = pcapFile(Array.from({ length: 120 }, (_, i) => ({ sec: i, fraction: i, data: data(i) })));
const MODIFIED = Buffer.concat([
  pcapFile([], { magic: 0xa1b2cd34 }),
  ...Array.from({ length: 120 }, (_, i) =>
    Buffer.concat([
      pcapFile([{ sec: i, fraction: 5, data: new Uint8Array(0), capLen: 9, wireLen: 9 }]).subarray(24),
      Buffer.alloc(8),
      Buffer.alloc(9, i),
    ]),
  ),
]);

const FILES = [
  ['pcap', CLASSIC],
  [
    'pcap, big-endian',
    pcapFile(
      Array.from({ length: 120 }, (_, i) => ({ sec: i, fraction: i, data: data(i) })),
      { little: false },
    ),
  ],
  ["Kuznetzov's pcap", MODIFIED],
  ['pcapng with two byte orders', SECTIONS],
] as const;

describe.each(FILES)('%s', (_, octets) => {
  const path = dir.write(octets);

  it('tells each packet by where its record begins', async () => {
    const { packets } = await new Noting(path, 4096).all();
    expect(packets).toHaveLength(120);
    const isNg = octets === SECTIONS;
    for (const { offset } of packets) {
      if (isNg) expect([octets.readUInt32LE(offset), octets.readUInt32BE(offset)]).toContain(6);
      else expect(offset).toBeGreaterThanOrEqual(24);
    }
    expect(new Set(packets.map(({ offset }) => offset)).size).toBe(120);
  });

  it.each([512, 4096, 1 << 20])(
    'is read from any packet on, by who has seen the file and by who has not; window %i',
    async (chunkLen) => {
      const seen = new Noting(path, chunkLen);
      while (seen.packets.length < 120) await seen.reader.next();
      const whole = seen.packets.slice();
      const announced = seen.interfaces.slice();
      for (const start of [119, 0, 60, 41, 100, 7, 119]) {
        seen.packets.length = 0;
        seen.reader.seek(whole[start]!.offset);
        while (seen.packets.length < 120 - start) await seen.reader.next();
        expect(seen.packets).toEqual(whole.slice(start));
        const fresh = new Noting(path, chunkLen);
        fresh.reader.seek(whole[start]!.offset);
        expect((await fresh.all()).packets).toEqual(whole.slice(start));
        expect(fresh.interfaces).toEqual(announced);
      }
      expect(seen.interfaces).toEqual(announced);
      seen.reader.close();
    },
  );

  it.each([512, 700, 1500])('is delivered by two readers in turn as by one; window %i', async (windowLen) => {
    const whole = await new Noting(path).all();
    const readers = [new Noting(path, 512), new Noting(path, 512)] as const;
    const view = new DataView(new ArrayBuffer(windowLen));
    const found: Packet[] = [];
    let windows = 0;
    for (let more: boolean | undefined = true; more; ) {
      const before = readers.map(({ packets }) => packets.length);
      more = await readers[0].reader.next();
      await readers[1].reader.next();
      found.push(...readers[0].packets.slice(before[0]));
      expect(readers[0].packets.slice(before[0])).toEqual(readers[1].packets.slice(before[1]));
      if (!more || !readers[0].reader.isAddressable) continue;
      const begin = readers[0].reader.offset;
      let at = begin;
      for (let used = -1; used !== 0; at += used) {
        const [one, other] = windows % 2 === 0 ? readers : [readers[1], readers[0]];
        one.packets.length = 0;
        used = one.reader.deliverAt(new Uint8Array(view.buffer), view, at);
        found.push(...one.packets);
        other.reader.passed(at + used, one.reader.lastSec, one.reader.lastNsec);
        if (used > 0) windows++;
      }
      if (at > begin) for (const { reader } of readers) reader.seek(at);
    }
    expect(found).toEqual(whole.packets);
    expect(readers.map(({ interfaces }) => interfaces)).toEqual([whole.interfaces, whole.interfaces]);
    expect(windows).toBeGreaterThan(2);
  });
});

it('goes on at the packet that was asked for, then to another, before anything was read to its end', async () => {
  const { packets } = await new Noting(dir.write(SECTIONS)).all();
  const some = new Noting(dir.write(SECTIONS), 512);
  for (const start of [100, 5, 50]) {
    some.packets.length = 0;
    some.reader.seek(packets[start]!.offset);
    while (some.packets.length === 0) await some.reader.next();
    expect(some.packets[0]).toEqual(packets[start]);
  }
  some.reader.close();
});

describe('what cannot be', () => {
  it('an offset where no packet begins, or behind the end', () => {
    for (const [octets, offset] of [
      [SECTIONS, SECTIONS.length + 8],
      [SECTIONS, 70],
    ] as const) {
      const noting = new Noting(dir.write(octets));
      expect(() => noting.reader.seek(offset)).toThrow(/no packet begins here \(at octet \d+\)/);
    }
  });

  it('a compressed file; its packets are still told by their offset in what is unpacked', async () => {
    const path = dir.write(gzipSync(CLASSIC));
    const plain = await new Noting(dir.write(CLASSIC)).all();
    const packed = await new Noting(path).all();
    expect(packed.packets).toEqual(plain.packets);
    const noting = new Noting(path);
    expect(() => noting.reader.seek(24)).toThrow(SavefileError);
    expect(() => noting.reader.seek(24)).toThrow(/it is closed/);
  });
});

const files = corpus().slice(0, 60);

it.skipIf(files.length === 0)(
  `shared captures: the last packet again${files.length === 0 ? ' (no shared captures)' : ''}`,
  async () => {
    let compared = 0;
    for (const { name, path } of files) {
      const whole = await new Noting(path).all().catch(() => null);
      const last = whole?.packets.at(-1);
      if (last === undefined) continue;
      const again = new Noting(path);
      try {
        again.reader.seek(last.offset);
      } catch (error) {
        expect((error as Error).message, name).toContain('compressed');
        continue;
      }
      expect((await again.all()).packets, name).toEqual([last]);
      compared++;
    }
    expect(compared).toBeGreaterThan(30);
  },
);

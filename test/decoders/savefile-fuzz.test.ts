import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { interfaceBlock, packetBlock, pcapFile, sectionBlock, TempDir } from './savefile-build.ts';

const dir = new TempDir();
afterAll(() => dir.remove());

const data = (i: number) => Uint8Array.from({ length: 40 + i }, () => i);
const PCAP = pcapFile(
  Array.from({ length: 12 }, (_, i) => ({ sec: 1_700_000_000, fraction: i, data: data(i) })),
);
const PCAPNG = Buffer.concat([
  sectionBlock(true),
  interfaceBlock(true, 1, 65535),
  ...Array.from({ length: 12 }, (_, i) => packetBlock(true, 0, 0x0005d3c8, i, data(i))),
]);
const FIXTURE = readFileSync(
  fileURLToPath(new URL('../../fixtures/pcap/three-frames.pcapng', import.meta.url)),
);

describe('damaged savefiles', () => {
  it.each<[string, Buffer, number]>([
    ['pcap', PCAP, 0],
    ['pcapng', PCAPNG, 0],
    ['pcapng of text2pcap', FIXTURE, 0],
    ['gzip', gzipSync(PCAP), 1],
    ['zstd', zstdCompressSync(PCAPNG), 1],
  ])(
    '%s: an error with a reason, or packets that lie in the file; never anything else',
    async (_name, good, packed) => {
      const reference = (await dir.read(good)).packets;
      const codes = new Map<string, number>();
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), {
            minLength: 1,
            maxLength: 3,
            size: 'max',
          }),
          fc.nat(good.length),
          fc.boolean(),
          async (changes, length, isCut) => {
            const bytes = Buffer.from(isCut ? good.subarray(0, length) : good);
            for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
            const first = Math.min(bytes.length, ...changes.map(([at]) => at));
            const { error, packets } = await dir.read(bytes, { chunkLen: 600 });
            codes.set(error?.code ?? 'none', (codes.get(error?.code ?? 'none') ?? 0) + 1);
            if (error !== null) {
              expect(error.reason.length).toBeGreaterThan(10);
              if (packed === 0 && error.offset !== null)
                expect(error.offset).toBeLessThanOrEqual(bytes.length);
            }
            if (packed === 1) return;
            // Packets that end before the first change are as they were.
            let end = good.length;
            for (const [i, packet] of reference.entries()) {
              end = good.indexOf(Buffer.from(packet.data, 'hex')) + packet.data.length / 2 + 8;
              if (end >= first) break;
              expect(packets[i]).toEqual(packet);
            }
            for (const packet of packets)
              expect(packet.wireLen).toBeGreaterThanOrEqual(packet.data.length / 2);
          },
        ),
        { numRuns: 600, seed: 9 },
      );
      const wanted =
        packed === 1
          ? ['SAVEFILE_COMPRESSION']
          : ['none', 'SAVEFILE_DAMAGED', 'SAVEFILE_TRUNCATED', 'SAVEFILE_FORMAT'];
      for (const code of wanted) expect([code, (codes.get(code) ?? 0) > 0]).toEqual([code, true]);
    },
  );
});

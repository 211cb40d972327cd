import { afterAll, expect, it } from 'vitest';
import { measureAllocation } from '../support/allocation.ts';
import { interfaceBlock, option, packetBlock, pcapFile, sectionBlock, TempDir } from './savefile-build.ts';

const PACKETS = 200_000;

const dir = new TempDir();
afterAll(() => dir.remove());

/** Octets of heap per packet that a script in this folder measured. */
function measure(script: string, ...args: string[]): number {
  return measureAllocation(new URL(script, import.meta.url), ...args).octetsPerPacket;
}

it('decodePacket allocates nothing per packet', () => {
  // 0.06 when this was written; a sequence number kept as uint32 in one kind of packet of nine gives 0.54.
  expect(measure('allocation-child.ts')).toBeLessThan(0.25);
});

const data = new Uint8Array(60);
const copies = (make: (i: number) => Buffer): Buffer => {
  const piece = Buffer.concat(Array.from({ length: 1000 }, (_, i) => make(i)));
  return Buffer.concat(Array.from({ length: PACKETS / 1000 }, () => piece));
};
const record = (i: number) =>
  pcapFile([{ sec: 1_800_000_000, fraction: 999_999_000 + i, data }]).subarray(24);
const nanoseconds = option(true, 9, Uint8Array.of(9));

it.each<[string, () => Buffer]>([
  ['pcap', () => Buffer.concat([pcapFile([], { magic: 0xa1b23c4d }), copies(record)])],
  [
    'pcapng in nanoseconds, with low words over 2^31',
    () =>
      Buffer.concat([
        sectionBlock(true),
        interfaceBlock(true, 1, 0, nanoseconds),
        copies((i) => packetBlock(true, 0, 0x18fa_e27a, 0xffff_0000 + i, data)),
      ]),
  ],
  [
    'pcapng in microseconds, with flags',
    () =>
      Buffer.concat([
        sectionBlock(true),
        interfaceBlock(true, 1, 0),
        copies((i) =>
          packetBlock(
            true,
            0,
            0x0006_6517,
            0xf000_0000 + i,
            data,
            60,
            option(true, 2, Uint8Array.of(2, 0, 0, 0)),
          ),
        ),
      ]),
  ],
])('reading %s allocates nothing per packet', (_name, make) => {
  // A reader, its buffer and two closures remain: 0.2 octets over so few packets.
  expect(measure('savefile-allocation-child.ts', dir.write(make()))).toBeLessThan(1);
});

it('writing pcap and pcapng allocates nothing per packet', () => {
  // One write in 256 KiB costs some 200 octets: 0.9 a packet here. An object per packet would be 16 and more.
  expect(measure('writer-allocation-child.ts')).toBeLessThan(2);
});

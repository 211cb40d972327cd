import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FileSource } from '../../daemon/capture/file-source.ts';
import { SavefileError } from '../../decoders/savefile-error.ts';
import { frame } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';

/** More than a window of the reader holds, and no whole number of groups. */
const PACKETS = 3001;
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nstap-file-source-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A pcap file of PACKETS packets of 100 flows. @param tail octets behind its last record */
function capture(name: string, tail: number[] = []): string {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b23c4d, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(1, 20);
  const records = Array.from({ length: PACKETS }, (_, i) => {
    const bytes = frame({ proto: 'udp', sport: 1000 + (i % 100), payload: 100 + (i % 7) });
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1_700_000_000 + (i >> 8), 0);
    record.writeUInt32LE(i, 4);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length + (i % 3), 12);
    return Buffer.concat([record, bytes]);
  });
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([header, ...records, Buffer.from(tail)]));
  return path;
}

async function metered(path: string, looksAhead: boolean) {
  const m = new TestMeter({ maxFlows: 1000, seed: 7 });
  if (looksAhead) m.table.ahead.flowsMin = 0;
  const source = new FileSource(path, null, m.meter, () => 1);
  const error = await source
    .read(() => {})
    .then(
      () => null,
      (cause: unknown) => cause,
    );
  return { error, times: source.times, counters: m.meter.counters.read(1), records: m.finish() };
}

test('packets that are handed over in groups are the same as one at a time', async () => {
  const path = capture('whole.pcap');
  const grouped = await metered(path, true);
  expect(grouped).toEqual(await metered(path, false));
  expect(grouped.error).toBeNull();
  expect(grouped.counters.packets).toBe(PACKETS);
});

test('a damaged record loses none of the packets before it', async () => {
  const path = capture('damaged.pcap', new Array<number>(40).fill(0xff));
  const { error, counters } = await metered(path, true);
  expect(error).toBeInstanceOf(SavefileError);
  expect(counters.packets).toBe(PACKETS);
});

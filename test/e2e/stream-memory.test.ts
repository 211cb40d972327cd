import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { replayStream } from '../support/stream.ts';

const MB = 1e6;
/** What the compiler, the collector and SQLite's cache may still take after the first third: far less than what is read. */
const GROWTH_MIB = 40;
/** All of the process, while 600 MB are unpacked; some 200 when this was written. */
const PACKED_PEAK_MIB = 300;

const dir = mkdtempSync(join(tmpdir(), 'nstap-stream-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('memory stays flat while a stream comes through stdin', () => {
  it('plain', { timeout: 60_000 }, async () => {
    const r = await replayStream(join(dir, 'plain.db'), 300 * MB, [100 * MB, 299 * MB]);
    expect(r.totals).toMatchObject({ packets: r.packets, undecoded: 0, flows: 1000, errors: [] });
    expect(r.packets).toBeGreaterThan(280_000);
    const [early, late] = r.samples;
    expect(late!.peakMib - early!.peakMib, JSON.stringify(r.samples)).toBeLessThan(GROWTH_MIB);
  });

  it.for([
    ['gzip', '-1'],
    ['zstd', '-1', '-q'],
  ] as const)('through %s', { timeout: 60_000 }, async (pack, { skip }) => {
    skip(spawnSync(pack[0], ['--version']).error !== undefined, `needs ${pack[0]}`);
    const r = await replayStream(join(dir, `${pack[0]}.db`), 600 * MB, [599 * MB], pack);
    expect(r.totals).toMatchObject({ packets: r.packets, undecoded: 0, flows: 1000, errors: [] });
    expect(r.samples[0]!.peakMib).toBeLessThan(PACKED_PEAK_MIB);
  });
});

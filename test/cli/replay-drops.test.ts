import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { type PcapngStatistics, PcapngWriter } from '../../decoders/pcapng-writer.ts';
import { frame } from '../support/frames.ts';
import { nstap } from '../support/nstap.ts';

const scratch = mkdtempSync(join(tmpdir(), 'nstap-drops-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A capture of one packet an interface, with the statistics blocks given, in order. */
function capture(name: string, blocks: readonly [index: number, PcapngStatistics][]): string {
  const path = join(scratch, name);
  using writer = new PcapngWriter(path);
  const bytes = frame({});
  const f = Object.assign(new PacketFields(), { wireLen: bytes.length, tsSec: 5 });
  for (let i = 0; i < 2; i++)
    writer.packet(writer.addInterface({ linkType: 1 }), new DataView(bytes.buffer), 0, bytes.length, f);
  for (const [index, counters] of blocks) writer.statistics(index, [6, 0], counters);
  return path;
}

describe('what a pcapng file says of its own losses', () => {
  test.each<[string, readonly [number, PcapngStatistics][], number | null]>([
    ['nothing', [], null],
    ['nothing of drops', [[0, { received: 5 }]], null],
    ['none', [[0, { received: 5, droppedByKernel: 0 }]], 0],
    [
      'the last block of each interface',
      [
        [0, { droppedByKernel: 3 }],
        [1, { droppedByInterface: 10, droppedByKernel: 2 }],
        [0, { droppedByKernel: 7 }],
      ],
      19,
    ],
  ])('%s', (name, blocks, dropped) => {
    const path = capture(`${name.replaceAll(' ', '-')}.pcapng`, blocks);
    const run = nstap(['replay', '--json', '--db', `${path}.db`, path]);
    expect(run.status).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ packets: 2, capture_drops: dropped });
    expect(run.stderr).toBe(
      dropped === null || dropped === 0
        ? ''
        : `nstap: warning: ${dropped} packets were lost where this was captured, as its statistics say\n`,
    );
  });

  test('adds up over files', () => {
    const files = [
      capture('one.pcapng', [[0, { droppedByKernel: 1 }]]),
      capture('two.pcapng', [[1, { droppedByKernel: 2 }]]),
    ];
    const run = nstap(['replay', '--json', '--db', join(scratch, 'both.db'), ...files]);
    expect(JSON.parse(run.stdout)).toMatchObject({ packets: 4, capture_drops: 3 });
  });
});

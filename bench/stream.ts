import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replayStream } from '../test/support/stream.ts';
import { printTable } from './support.ts';

const GB = 1e9;
const SAMPLES = [1, 2, 5, 10];

/** Memory of `nstap replay -` while 10 GB of packets come through a pipe. */
export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-stream-'));
  try {
    const last = SAMPLES.at(-1)! * GB;
    const result = await replayStream(
      join(folder, 'flows.db'),
      last + 1,
      SAMPLES.map((gb) => gb * GB),
    );
    const rows = result.samples.map(({ sent, rssMib, peakMib }) => [
      (sent / GB).toFixed(1),
      String(rssMib),
      String(peakMib),
    ]);
    printTable(['GB read', 'RSS MiB', 'peak MiB'], rows);
    const { packets, undecoded } = result.totals;
    process.stdout.write(
      `${packets} of ${result.packets} packets, ${undecoded} undecoded, ${result.seconds.toFixed(0)} s\n`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

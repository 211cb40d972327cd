// Run by measure.ts in a process of its own whose calls are counted (count-calls.ts): writes flows, writes them again as a checkpoint
// does, and commits counters alone. Prints the statements of each.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zeroCounters } from '../../storage/messages.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from '../storage/records.ts';
import { COUNTED, type Counted, readCounts } from './counts.ts';

const FLOWS = 1000;
const isPartitioned = process.argv[2] === 'daemon';

const folder = mkdtempSync(join(tmpdir(), 'nstap-work-'));
const writer = new FlowWriter(
  join(folder, 'flows.db'),
  { ...TEST_RUN, kind: isPartitioned ? 'daemon' : 'replay' },
  isPartitioned,
);
try {
  const channel = writer.channel();
  const load = { queued: 0, queueSize: 64, cpuNs: 1 };
  const counters = (): void =>
    writer.write([
      [channel, { type: 'counters', captureIndex: 0, counters: zeroCounters(), span: null, final: false }],
      [channel, { type: 'load', load }],
    ]);
  const batch = (from: number, isNew: boolean): void => {
    const specs = Array.from({ length: FLOWS }, (_, i) => ({ seq: from + i, isNew }));
    writer.write([[channel, { type: 'batch', batch: batchOf(...specs) }]]);
  };
  const costOf = (work: () => void): Record<Counted, number> => {
    const before = readCounts();
    work();
    const after = readCounts();
    const spent = COUNTED.map((what) => [what, after[what] - before[what]]);
    return Object.fromEntries(spent) as Record<Counted, number>;
  };
  writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
  batch(0, true);
  counters();
  process.stdout.write(
    JSON.stringify({
      flows: FLOWS,
      added: costOf(() => batch(FLOWS, true)),
      again: costOf(() => batch(0, false)),
      counters: costOf(counters),
    }),
  );
} finally {
  writer.close();
  rmSync(folder, { recursive: true, force: true });
}

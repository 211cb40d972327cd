import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FlowWriter } from '../storage/writer.ts';
import { batchOf } from '../test/storage/records.ts';
import { add, announce, BATCH, DAY_SEC, Random, SUSTAINED_BATCHES } from './query-db.ts';

// New flows as in the part `store`, whose records are made beforehand and only get another number and time: so a profiler sees the writer
// alone. `perf record -F 1999 node --perf-basic-prof bench/store-alone.ts`

const FLOWS = 2 ** 20;
const MADE = 2 ** 17;
/** From one turn through them to the next. */
const LATER_SEC = (DAY_SEC * MADE) / FLOWS;

const folder = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
try {
  const writer = new FlowWriter(
    join(folder, 'flows.db'),
    { kind: 'daemon', version: '0', commandLine: 'bench' },
    true,
  );
  const channel = writer.channel();
  announce(writer, channel);
  const random = new Random();
  const batches = Array.from({ length: MADE / BATCH }, (_, n) => {
    const batch = batchOf(...Array.from({ length: BATCH }, () => ({})));
    batch.count = 0;
    for (let i = 0; i < BATCH; i++) add(batch, random, n * BATCH + i, FLOWS);
    return batch;
  });
  let seq = 0;
  const before = process.cpuUsage();
  while (seq < FLOWS)
    for (let first = 0; first < batches.length; first += SUSTAINED_BATCHES) {
      const some = batches.slice(first, first + SUSTAINED_BATCHES);
      for (const { columns } of some)
        for (let i = 0; i < BATCH; i++) {
          columns.flowSeq[i] = seq++;
          columns.startSec[i]! += LATER_SEC;
          columns.endSec[i]! += LATER_SEC;
        }
      writer.write(some.map((batch) => [channel, { type: 'batch', batch }] as const));
    }
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`${seq} new flows, ${((user + system) / seq).toFixed(1)} us CPU each\n`);
  writer.close();
} finally {
  rmSync(folder, { recursive: true });
}

// Run by measure.ts in a process of its own with --expose-gc: reads captures again and again as a replay does (file source, decoders,
// flow table, TCP analysis, routes, records), and prints how many octets the heap grew and how many reads there were
// for what a long one has more than a short one. What every reading costs falls out of the difference.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileSource } from '../../daemon/capture/file-source.ts';
import { writeConversations } from './conversations.ts';
import { HeapGrowth } from './heap-growth.ts';
import { ForgettingSession } from './session.ts';
import { systemCalls } from './system-calls.ts';

const FLOWS = 1000;
const [SHORT, LONG] = [10, 50];
/** Until the optimizing compiler has settled. */
const WARM_UP = 8;

const folder = mkdtempSync(join(tmpdir(), 'nstap-work-'));
const heap = new HeapGrowth();
const forgetting = new ForgettingSession(true);
let captures = 0;

async function read(file: string): Promise<void> {
  const source = new FileSource(file, null, forgetting.session.meter, () => {
    forgetting.open(captures);
    return captures++;
  });
  await source.read(() => heap.look());
  forgetting.session.table.endAll('eof');
}

async function costOf(file: string): Promise<{ heap: number; reads: number }> {
  const { reads } = systemCalls();
  // No collection here: it would drop the optimized code with the readers it was made for.
  heap.start();
  await read(file);
  heap.look();
  return { heap: heap.octets, reads: systemCalls().reads - reads };
}

try {
  const [short, long] = [SHORT, LONG].map((laps) => {
    const file = join(folder, `${laps}.pcap`);
    return { file, packets: writeConversations(file, FLOWS, laps) };
  }) as [{ file: string; packets: number }, { file: string; packets: number }];
  for (let i = 0; i < WARM_UP; i++) await read(long.file);
  await read(short.file);
  const once = await costOf(short.file);
  const more = await costOf(long.file);
  process.stdout.write(
    JSON.stringify({
      heap: more.heap - once.heap,
      reads: more.reads - once.reads,
      packets: long.packets - short.packets,
      records: forgetting.records,
    }),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

// Run by measure.ts in a process of its own whose calls are counted (count-calls.ts): replays a short and a long capture, and
// prints what the packets that the long one has more have cost. What every replay costs falls out of the difference.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultMetering } from '../../daemon/config.ts';
import { replay } from '../../daemon/replay.ts';
import { writeConversations } from './conversations.ts';
import { type Counted, readCounts } from './counts.ts';
import { routes } from './routes.ts';
import { systemCalls } from './system-calls.ts';

const FLOWS = 1000;
const [SHORT, LONG] = [5, 30];

interface Cost extends Record<Counted, number> {
  packets: number;
  flows: number;
  reads: number;
  writes: number;
}

const folder = mkdtempSync(join(tmpdir(), 'nstap-work-'));

async function costOf(laps: number): Promise<Cost> {
  const file = join(folder, `${laps}.pcap`);
  writeConversations(file, FLOWS, laps);
  const before = { ...readCounts(), ...systemCalls() };
  const { counters, flows, errors } = await replay({
    ...defaultMetering(),
    files: [file],
    db: join(folder, `${laps}.db`),
    netns: null,
    filter: null,
    snapshot: routes(),
    seed: 1,
    commandLine: 'work',
  });
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  const after = { ...readCounts(), ...systemCalls() };
  const names = Object.keys(after) as (keyof typeof after)[];
  const spent = Object.fromEntries(names.map((name) => [name, after[name] - before[name]]));
  return { ...(spent as Omit<Cost, 'packets' | 'flows'>), packets: counters.packets, flows };
}

try {
  await costOf(SHORT); // what is read only once
  process.stdout.write(JSON.stringify({ short: await costOf(SHORT + 1), long: await costOf(LONG) }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

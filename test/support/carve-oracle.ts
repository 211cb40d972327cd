import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseFilter } from '../../cli/filter/parse.ts';
import { resolveMetering } from '../../daemon/options/resolve.ts';
import { carve, type ReadTotals, replay } from '../../daemon/replay.ts';
import { openForReading } from '../../storage/database.ts';
import { matchingFlows } from '../../storage/matching-flows.ts';

const SEED = 7;

/** A packet as tshark knows it in any file that has it: time, octets on the wire, and a hash of those captured. */
export type PacketMark = string;

/** tshark's packets of a capture that a display filter matches; null for all. */
export function tsharkPackets(file: string, filter: string | null): PacketMark[] {
  const words = ['-n', '-r', file, '-o', 'frame.generate_md5_hash:TRUE', '-T', 'fields'];
  for (const field of ['frame.time_epoch', 'frame.len', 'frame.md5_hash']) words.push('-e', field);
  if (filter !== null) words.push('-Y', filter);
  const text = execFileSync('tshark', words, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return text.split('\n').filter((line) => line !== '');
}

/** Carves a capture by several filters: its flows are found once. @yields the filter, the file carved, and the counts */
export async function* carveEach(
  file: string,
  filters: readonly string[],
): AsyncGenerator<{ filter: string; carved: string; totals: ReadTotals }> {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-carve-'));
  try {
    const db = join(folder, 'flows.db');
    const reading = {
      files: [file],
      netns: null,
      filter: null,
      snapshot: null,
      ...resolveMetering({ maxFlows: 65_536 }, 0),
      seed: SEED,
    };
    await replay({ ...reading, db, commandLine: 'test' });
    for (const filter of filters) {
      const open = openForReading(db);
      const { bits } = matchingFlows(open, { filter: parseFilter(filter), since: null, until: null });
      open.close();
      const carved = join(folder, 'carved.pcapng');
      const order = { file: carved, wanted: bits, hasRoutes: false, application: 'test', comment: filter };
      yield { filter, carved, totals: await carve(reading, order) };
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

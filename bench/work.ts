import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadedModules } from '../test/work/loaded-modules.ts';
import { measureWork } from '../test/work/measure.ts';
import { DEMO_CAPTURE, LAUNCHER, printTable, sh } from './support.ts';

/** Counts of work, not of time: they are the same on a busy machine. The tests in test/work hold them below their bounds. */
export async function run(): Promise<void> {
  const rows = measureWork().map(({ name, value, most }) => [name, value.toFixed(2), String(most)]);
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-bench-'));
  try {
    const db = join(scratch, 'flows.db');
    sh(process.execPath, [LAUNCHER, 'replay', '--db', db, DEMO_CAPTURE]);
    for (const words of [['--help'], ['flows', '--help'], ['flows', '--db', db]])
      rows.push([
        `modules loaded by nstap ${words.slice(0, 2).join(' ')}`,
        String(loadedModules(LAUNCHER, words).files.length),
        '',
      ]);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  printTable(['work', 'count', 'bound'], rows);
}

import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Machine } from './report.ts';

/** What figures depend on, as it is now. */
export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    commit: commit(),
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    load: loadavg().map((load) => Math.round(load * 100) / 100),
  };
}

/** The commit of the checkout, with a mark when files differ from it. */
function commit(): string {
  const git = [
    '-C',
    fileURLToPath(new URL('..', import.meta.url)),
    'describe',
    '--always',
    '--dirty',
    '--exclude',
    '*',
  ];
  try {
    return execFileSync('git', git, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'no checkout'; // a package has no history; the figures are none the worse
  }
}

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const GNU_TIME = '/usr/bin/time';
/** How `timeout` ends when the time is over. timeout(1) */
const TIMED_OUT = 124;

/** What a command took from start to end, with its children. */
export interface Measured {
  wallSec: number;
  /** User and system. */
  cpuSec: number;
  /** The most resident memory of the process that had most; null where GNU time is not installed. */
  peakMib: number | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs a command to its end and says what it took.
 * @param limitSec after which it is ended
 * @throws Error with what it said when it fails or takes too long
 */
export function measured(
  command: readonly string[],
  limitSec: number,
  env: NodeJS.ProcessEnv = {},
): Measured {
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-bench-time-'));
  const said = join(scratch, 'time');
  const bounded = ['timeout', '-k', '5', String(limitSec), ...command];
  // Both tell the CPU time of children; that of bash is by the millisecond, only GNU time knows the memory.
  const words = existsSync(GNU_TIME)
    ? [GNU_TIME, '-q', '-o', said, '-f', '%e %U %S %M', ...bounded]
    : ['bash', '-c', `TIMEFORMAT='%R %U %S'; { time "$@" 2>&3; } 3>&2 2>"$0"`, said, ...bounded];
  try {
    const begin = performance.now();
    const { status, stdout, stderr, error } = spawnSync(words[0]!, words.slice(1), {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 30,
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC', ...env },
    });
    const wallSec = (performance.now() - begin) / 1000;
    if (error !== undefined) throw new Error(`${command.join(' ')}: ${error.message}`);
    if (status === TIMED_OUT) throw new Error(`${command[0]} did not end within ${limitSec} s`);
    if (status !== 0) throw new Error(`${command[0]} ended with ${status}: ${stderr.slice(-500).trim()}`);
    const [, user = 0, system = 0, kib = Number.NaN] = readFileSync(said, 'utf8')
      .trim()
      .split(' ')
      .map(Number);
    return {
      wallSec,
      cpuSec: user + system,
      peakMib: Number.isNaN(kib) ? null : kib / 1024,
      stdout,
      stderr,
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The program's entry, to run with process.execPath. */
export const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

/** How a run of the command line ended. */
export interface CliResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs `nstap` with these words and waits for its end.
 * @param input what it gets on stdin; nothing by default
 */
export function nstap(words: string[], input?: string | Uint8Array): CliResult {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...(input === undefined ? {} : { input }),
  });
  return { status, stdout, stderr };
}

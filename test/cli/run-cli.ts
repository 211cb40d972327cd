import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type CliResult, MAIN } from '../support/nstap.ts';

/** Runs `nstap` with these arguments as a process of its own, whose stdout and stderr are pipes. */
export async function nstap(args: string[], env: Record<string, string> = {}): Promise<CliResult> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const run: CliResult = { status: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    run.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    run.stderr += text;
  });
  [run.status] = (await once(child, 'close')) as [number | null];
  return run;
}

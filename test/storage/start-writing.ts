import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const WRITING_PROCESS = fileURLToPath(new URL('./writing-process.ts', import.meta.url));

/** Starts a process that writes, see writing-process.ts; it tells each commit on its stdout. */
export function startWriting(path: string, transactions: number, flows: number): ChildProcess {
  const args = [WRITING_PROCESS, path, String(transactions), String(flows)];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

import { type ChildProcess, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { childrenOf } from '../test/support/processes.ts';

export const NSTAP = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

/** As it is started by who installed it: on any Node, and keeping what was compiled. */
export const LAUNCHER = fileURLToPath(new URL('../cli/nstap.js', import.meta.url));

/** A small capture that is in every checkout and package. */
export const DEMO_CAPTURE = fileURLToPath(new URL('../fixtures/demo/client.pcap', import.meta.url));

/** Clock ticks a second of /proc/PID/stat; fixed to 100 for user space on Linux. proc(5) */
const CLK_TCK = 100;

/** Runs a command and gives its stdout; throws with its stderr. */
export function sh(command: string, words: string[]): string {
  return execFileSync(command, words, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  });
}

/** CPU time of a process and its children that still live, in seconds (user + system). proc(5) */
export function cpuSeconds(pid: number): number {
  let total = ticks(pid);
  for (const child of childrenOf(pid)) total += cpuSeconds(child) * CLK_TCK;
  return total / CLK_TCK;
}

function ticks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Waits until a child has ended; gives its exit status. */
export function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)));
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The middle of a list; of an even number the mean of the two in the middle. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Prints a table: columns as wide as their widest cell, numbers to the right. */
export function printTable(head: string[], rows: string[][]): void {
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((row) => row[i]!.length)));
  for (const row of [head, ...rows]) {
    const line = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)));
    process.stdout.write(`${line.join('  ')}\n`);
  }
}

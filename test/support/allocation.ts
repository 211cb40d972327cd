import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

// A young generation of 64 MiB and no concurrent work: what is allocated stays visible until the end.
const FLAGS = ['--expose-gc', '--max-semi-space-size=64', '--min-semi-space-size=64', '--single-threaded'];

/**
 * Runs a script in a process of its own in which nothing is collected behind its back.
 * @returns what it printed as JSON, with the octets of heap a packet that it measured
 */
export function measureAllocation(
  script: URL,
  ...args: string[]
): { octetsPerPacket: number } & Record<string, number> {
  const run = spawnSync(process.execPath, [...FLAGS, fileURLToPath(script), ...args], { encoding: 'utf8' });
  expect([run.status, run.stderr]).toEqual([0, '']);
  return JSON.parse(run.stdout);
}

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { HEAP_FLAGS } from './heap-flags.ts';

/**
 * Runs a script in a process of its own in which nothing is collected behind its back.
 * @returns what it printed as JSON, with the octets of heap a packet that it measured
 */
export function measureAllocation(
  script: URL,
  ...args: string[]
): { octetsPerPacket: number } & Record<string, number> {
  const run = spawnSync(process.execPath, [...HEAP_FLAGS, fileURLToPath(script), ...args], {
    encoding: 'utf8',
  });
  expect([run.status, run.stderr]).toEqual([0, '']);
  return JSON.parse(run.stdout);
}

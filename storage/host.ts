import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { HostInfo } from './messages.ts';

/** This host: its machine-id(5) ("" where the file is missing, as in a container), and its name. */
export function localHost(): HostInfo {
  let machineId = '';
  try {
    machineId = readFileSync('/etc/machine-id', 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return { machineId, name: hostname() };
}

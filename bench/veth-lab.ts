import { type ChildProcess, spawn } from 'node:child_process';
import { sh, sleep } from './support.ts';

/** Two namespaces joined by a veth pair, whose ends are both called `veth`. */
export const SENDER = 'nstap-bench-a';
export const RECEIVER = 'nstap-bench-b';
/** Addresses of the two ends, each /16. */
export const ADDRESS = { [SENDER]: '10.77.0.1', [RECEIVER]: '10.77.0.2' } as const;
export type End = keyof typeof ADDRESS;

/** Makes both namespaces; those of an earlier run that was killed are removed first. */
export function buildLab(): void {
  removeLab();
  for (const name of [SENDER, RECEIVER]) sh('ip', ['netns', 'add', name]);
  sh('ip', ['-n', SENDER, 'link', 'add', 'veth', 'type', 'veth', 'peer', 'name', 'veth', 'netns', RECEIVER]);
  for (const name of [SENDER, RECEIVER] as const) {
    sh('ip', ['-n', name, 'address', 'add', `${ADDRESS[name]}/16`, 'dev', 'veth']);
    sh('ip', ['-n', name, 'link', 'set', 'veth', 'up']);
  }
}

export function removeLab(): void {
  for (const name of [SENDER, RECEIVER])
    if (sh('ip', ['netns', 'list']).includes(name)) sh('ip', ['netns', 'delete', name]);
}

/** Hardware address of an end. */
export function macOf(name: End): string {
  return JSON.parse(sh('ip', ['-n', name, '-j', 'link', 'show', 'veth']))[0].address;
}

/** Packets that an end has sent so far. */
export function sentBy(name: End): number {
  return JSON.parse(sh('ip', ['-n', name, '-j', '-s', 'link', 'show', 'veth']))[0].stats64.tx.packets;
}

/** Starts a program and waits until it says `word` on stderr. @returns it, and what it has said there so far */
export async function listening(
  command: string[],
  word: string,
): Promise<{ child: ChildProcess; log: () => string }> {
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr!.on('data', (chunk) => {
    log += chunk;
  });
  for (let i = 0; i < 100 && !log.includes(word); i++) await sleep(100);
  if (!log.includes(word)) throw new Error(`${command.join(' ')} did not start: ${log}`);
  await sleep(500);
  return { child, log: () => log };
}

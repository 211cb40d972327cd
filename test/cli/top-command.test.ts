import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { TestServer } from '../control/test-server.ts';
import { until } from '../kernel/lab.ts';
import { MAIN } from '../support/nstap.ts';
import { nstap } from './run-cli.ts';

test('the daemon is asked for addresses where the filter has names, with --resolve', async () => {
  using server = new TestServer();
  server.backend.captures = [];
  const words = ['top', '--once', '--control', server.path];
  const child = spawn(process.execPath, [MAIN, ...words, '--resolve', 'host', 'localhost']);
  try {
    await until('it asks, or ends', () => server.backend.ranked.size === 1 || child.exitCode !== null);
    const [asked] = server.backend.ranked;
    expect(JSON.stringify(asked?.question.filter)).toContain('"kind":"host"');
  } finally {
    const ended = child.exitCode === null ? once(child, 'close') : null;
    child.kill('SIGKILL');
    await ended;
  }
  const { status, stderr } = await nstap([...words, 'host', 'localhost']);
  expect(status).toBe(2);
  expect(stderr).toContain('names of hosts are looked up with --resolve only');
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { defaultDb, ensureDefaultDb } from '../../cli/default-db.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from '../storage/records.ts';
import { MAIN } from '../support/nstap.ts';
import { nstap } from './run-cli.ts';

let folder = '';
let large = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nstap-test-'));
  large = join(folder, 'large.db');
  const writer = new FlowWriter(large, TEST_RUN);
  const channel = writer.channel();
  const specs = Array.from({ length: 4000 }, (_, seq) => ({ seq }));
  writer.write([
    [channel, { type: 'capture', info: captureInfo(0) }],
    [channel, { type: 'batch', batch: batchOf(...specs) }],
  ]);
  writer.close();
  return () => rmSync(folder, { recursive: true });
});

describe('nstap', () => {
  test('tells its commands and its version', async () => {
    const help = await nstap(['--help']);
    expect([help.status, help.stderr]).toEqual([0, '']);
    for (const name of [
      'daemon',
      'replay',
      'flows',
      'export',
      'report',
      'status',
      'route',
      'routes',
      'snapshot',
      'netns',
      'interfaces',
      'doctor',
      'completion',
      'demo',
    ])
      expect(help.stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    expect(await nstap(['--version'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
    const flows = await nstap(['flows', '--help']);
    expect(flows.stdout).toContain('Example:');
  });

  test.each([
    [[], /Usage: nstap/],
    [['flow'], /nstap: unknown command 'flow'\n\(Did you mean flows\?\)/],
    [['flows', '--lmit', '3'], /nstap: unknown option '--lmit'\n\(Did you mean --limit\?\)/],
    [['flows', '--format', 'xml'], /nstap: .*'xml' is invalid.*table, json, ndjson, csv/],
    [['flows', '--limit', 'x'], /nstap: .*'x' is invalid/],
    [['flows', '--since', 'soon'], /^nstap: cannot read the time "soon": expected RFC 3339/],
    [['flows', '--sort', 'colour'], /^nstap: cannot sort by "colour"; it can be start, /],
    [
      ['flows', '--by', 'colour'],
      /^nstap: cannot add up by "colour" \(did you mean hour\?\); it can be host, /,
    ],
    [
      ['flows', 'tcp', 'port', 'htpp'],
      /^nstap: filter: found "htpp" where this was expected: a port number from 0 to 65535; names of services are looked up with --resolve only\n {2}tcp port htpp\n {11}\^\n$/,
    ],
  ])('wrong usage %j ends with 2 and says what was wrong', async (args, message) => {
    const run = await nstap(args);
    expect(run.stderr).toMatch(message);
    expect([run.status, run.stdout]).toEqual([2, '']);
  });

  test('a missing database ends with 1, one line and what to do', async () => {
    const path = join(folder, 'none.db');
    const run = await nstap(['flows'], { NSTAP_DB: path });
    expect(run).toEqual({
      status: 1,
      stdout: '',
      stderr: `nstap: open ${path}: NSTAP_MISSING, there is no such database; run \`nstap daemon\` or \`nstap replay FILE\`, or name another with --db\n`,
    });
  });

  test('a reader that goes away ends it quietly', async () => {
    const child = spawn(process.execPath, [MAIN, 'flows', '--db', large, '--format', 'ndjson'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const [status] = await once(child, 'close');
    expect([status, stderr]).toEqual([0, '']);
  });

  test('SIGINT ends it with 130', async () => {
    const child = spawn(process.execPath, [MAIN, 'flows', '--db', large, '--format', 'ndjson'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // Nobody reads on, so the pipe is full and the program waits.
    await once(child.stdout, 'readable');
    child.kill('SIGINT');
    await once(child, 'exit');
    expect([child.exitCode, child.signalCode]).toEqual([130, null]);
  });

  test('has no colour with NO_COLOR, --no-color or in a pipe, also where CI is set', async () => {
    for (const [args, env] of [
      [[], { CI: '1' }],
      [['--no-color'], {}],
    ] as const) {
      const run = await nstap(['flows', '--db', large, '--limit', '1', ...args], { NO_COLOR: '', ...env });
      expect(run.status).toBe(0);
      expect(run.stdout).not.toContain('\u001b');
    }
  });

  test('shows the newest 50 in a table, and everything in the other formats', async () => {
    const lines = async (...args: string[]): Promise<number> =>
      (await nstap(['flows', '--db', large, ...args])).stdout.split('\n').length - 1;
    expect(await lines()).toBe(51);
    expect(await lines('--limit', '0')).toBe(4001);
    expect(await lines('--format', 'ndjson')).toBe(4000);
    expect(await lines('--format', 'csv')).toBe(4001);
  });
});

describe('the default database', () => {
  test.each([
    [{ NSTAP_DB: '/x/y.db', XDG_STATE_HOME: '/s' }, 0, '/x/y.db'],
    [{ XDG_STATE_HOME: '/s' }, 0, '/var/lib/nstap/flows.db'],
    [{ XDG_STATE_HOME: '/s', HOME: '/h' }, 1000, '/s/nstap/flows.db'],
    [{ NSTAP_DB: '', XDG_STATE_HOME: '', HOME: '/h' }, 1000, '/h/.local/state/nstap/flows.db'],
  ])('%j of user %i is %s', (env, uid, path) => {
    expect(defaultDb(env, uid)).toBe(path);
  });

  test('has its folder made, but not one that the user named', () => {
    const before = { ...process.env };
    const state = join(folder, 'state');
    try {
      process.env.NSTAP_DB = join(folder, 'named', 'flows.db');
      expect(ensureDefaultDb()).toBe(process.env.NSTAP_DB);
      expect(() => statSync(join(folder, 'named'))).toThrow(/ENOENT/);
      delete process.env.NSTAP_DB;
      process.env.XDG_STATE_HOME = state;
      const path = ensureDefaultDb(1000);
      expect(path).toBe(join(state, 'nstap', 'flows.db'));
      expect(statSync(join(state, 'nstap')).mode & 0o777).toBe(0o750);
    } finally {
      process.env = before;
    }
  });
});

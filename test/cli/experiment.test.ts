import { spawn, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, describe, test } from 'vitest';
import { asCallingUser } from '../../cli/calling-user.ts';
import type { ExperimentJson } from '../../cli/format/experiment-list.ts';
import { openForWriting } from '../../storage/database.ts';
import { changeExperiment } from '../../storage/experiments.ts';
import { until } from '../kernel/lab.ts';
import { tempDb, tempFolder } from '../storage/temp-db.ts';
import { MAIN } from '../support/nstap.ts';
import { nstap } from './run-cli.ts';
import { SAMPLE_START, sampleDb } from './sample-db.ts';

/** `nstap experiment …` on a database that no daemon writes. */
const experiment = (db: string, ...words: string[]) => {
  const [verb, ...rest] = words;
  return nstap(['experiment', verb!, '--db', db, '--control', 'none', ...rest]);
};

async function list(db: string): Promise<ExperimentJson[]> {
  const { status, stdout } = await experiment(db, 'list', '--json');
  expect(status).toBe(0);
  return JSON.parse(stdout) as ExperimentJson[];
}

/** Arguments of Node for a shell that runs as experiment "a". */
function runningShell(db: string, command: string): string[] {
  return running(db, 'sh', '-c', command);
}

/** Arguments of Node for a command that runs as experiment "a". */
function running(db: string, ...words: string[]): string[] {
  return [MAIN, 'experiment', 'run', 'a', '--db', db, '--control', 'none', '--', ...words];
}

describe('nstap experiment start, stop and list', () => {
  test('mark a time, whether or not a daemon ever wrote the database', async () => {
    const db = tempDb();
    expect(await experiment(db, 'start', 'a')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^experiment a runs since 20\S+Z, in \S+flows\.db\n$/),
      stderr: '',
    });
    const again = await experiment(db, 'start', 'a');
    expect([again.status, again.stdout]).toEqual([1, '']);
    expect(again.stderr).toMatch(/^nstap: experiment a is running since 20\S+Z; stop it first/);
    expect((await experiment(db, 'start', 'b', '--netns', 'lab-*')).status).toBe(0);
    expect(await list(db)).toMatchObject([
      { name: 'a', number: 1, netns: null, ended: null, running: true, flows: 0, packets: 0, bytes: 0 },
      { name: 'b', number: 1, netns: 'lab-*', running: true },
    ]);
    expect((await experiment(db, 'stop')).stdout).toMatch(/^experiment b ended after \d/);
    expect((await experiment(db, 'stop', 'a')).stdout).toMatch(/^experiment a ended after \d/);
    expect(await experiment(db, 'stop')).toMatchObject({
      status: 1,
      stderr: 'nstap: no experiment is running; `nstap experiment list` shows them\n',
    });
    expect((await list(db)).map(({ running, ended }) => [running, ended === null])).toEqual([
      [false, false],
      [false, false],
    ]);
  });

  test('stop makes no database', async () => {
    const db = `${tempDb()}-none`;
    const stopped = await experiment(db, 'stop');
    expect(stopped.status).toBe(1);
    expect(stopped.stderr).toMatch(/^nstap: open \S+-none: NSTAP_MISSING, there is no such database; /);
    expect(existsSync(db)).toBe(false);
  });

  test('started by several at once, one gets it', async () => {
    const db = tempDb();
    openForWriting(db).close();
    const runs = await Promise.all([1, 2, 3].map(() => experiment(db, 'start', 'a')));
    expect(runs.map(({ status }) => status).toSorted()).toEqual([0, 1, 1]);
    expect(await list(db)).toHaveLength(1);
  });

  test('say what cannot be: a name, a folder, a database', async () => {
    const db = tempDb();
    expect(await experiment(db, 'start', 'a#1')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('a name has 1 to 100 characters'),
    });
    expect(await experiment(join(tempFolder(), 'none', 'f.db'), 'start', 'a')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('ENOENT, there is no folder'),
    });
    expect(await experiment(db, 'list')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('there is no such database'),
    });
    const named = await nstap([
      'experiment',
      'start',
      'a',
      '--db',
      db,
      '--control',
      join(tempFolder(), 'x.sock'),
    ]);
    expect([named.status, named.stderr]).toEqual([1, expect.stringContaining('nobody listens there')]);
  });

  test('in a table; a name that was used again has a number', async () => {
    const { path, remove } = sampleDb();
    const db = openForWriting(path);
    const at = (sec: number): bigint => BigInt(SAMPLE_START + sec) * 1_000_000_000n;
    for (const [from, to, name] of [
      [0, 5, 'a'],
      [8, 15, 'web'],
      [20, 31, 'a'],
    ] as const) {
      changeExperiment(db, { type: 'start', name, netns: name === 'web' ? 'blue' : null }, at(from));
      changeExperiment(db, { type: 'stop', name, id: null }, at(to));
    }
    db.close();
    expect((await experiment(path, 'list')).stdout).toBe(
      [
        'NAME  STARTED                  ENDED                    DURATION  NETNS  FLOWS  PACKETS  BYTES',
        'a#1   2023-11-14 22:13:20.000  2023-11-14 22:13:25.000    5.001s  all        1       18   2.0M',
        'web   2023-11-14 22:13:28.000  2023-11-14 22:13:35.000    7.001s  blue       1        1     54',
        'a#2   2023-11-14 22:13:40.000  2023-11-14 22:13:51.000   11.001s  all        2        3    254',
        '',
      ].join('\n'),
    );
    const ids = async (...words: string[]): Promise<unknown> => {
      const { status, stdout, stderr } = await nstap([
        'flows',
        '--db',
        path,
        '--format',
        'ndjson',
        '--sort',
        '+start',
        ...words,
      ]);
      expect([status, stderr]).toEqual([0, '']);
      return stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { flow_id: number; experiment: string; experiments: string[] })
        .map(({ flow_id, experiment: name, experiments }) => [flow_id, name, ...experiments]);
    };
    expect(await ids('--experiment', 'web')).toEqual([[2, 'web', 'web']]);
    expect(await ids('--experiment', 'a', 'udp')).toEqual([[3, 'a', 'a']]);
    expect(await ids('--last-experiment')).toEqual([
      [3, 'a', 'a'],
      [4, 'a', 'a'],
    ]);
    expect(await ids('experiment a#1 or experiment web')).toEqual([
      [1, 'a', 'a'],
      [2, 'web', 'web'],
    ]);
    expect(await nstap(['flows', '--db', path, '--experiment', 'nix'])).toMatchObject({
      status: 1,
      stderr: `nstap: there is no experiment nix in ${path}; \`nstap experiment list\` shows them\n`,
    });
    expect((await nstap(['flows', '--db', path, '--experiment', 'a', '--last-experiment'])).status).toBe(2);
    expect((await nstap(['flows', '--db', path, '--format', 'csv', '--last-experiment'])).stdout).toContain(
      ',a,a,',
    );
    remove();
  });

  test.skipIf(process.getuid?.() !== 0)('are for those who may write the database (needs root)', async () => {
    const db = tempDb();
    openForWriting(db).close();
    const child = spawn(
      process.execPath,
      [MAIN, 'experiment', 'start', 'a', '--db', db, '--control', 'none'],
      {
        uid: 54_321,
        gid: 54_321,
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    await until('it ends', () => child.exitCode !== null);
    expect(child.exitCode).toBe(1);
    expect(stderr).toMatch(/^nstap: open \S+: EACCES, .*this user may not open it; try sudo/);
    expect(await list(db)).toEqual([]);
  });
});

describe('nstap experiment run', () => {
  test('gives the command the terminal and its status back, and warns that nobody captures', async () => {
    const db = tempDb();
    const shell = (script: string) =>
      experiment(db, 'run', 'a', '--', 'sh', '-c', script, 'sh', '--one', 'two words');
    const run = await shell('echo "$1|$2"; echo err >&2; exit 3');
    expect([run.status, run.stdout]).toEqual([3, '--one|two words\n']);
    expect(run.stderr).toMatch(
      /^nstap: no daemon that can be asked writes this database.*\nerr\nnstap: experiment a#1: 0 flows in \S+ \(`nstap flows --experiment 'a#1'`\)\n$/,
    );
    expect((await shell('exit 0')).status).toBe(0);
    expect((await shell('kill -9 $$')).status).toBe(137);
    expect((await shell('kill -TERM $$')).status).toBe(143);
    const none = await experiment(db, 'run', 'a', '--quiet', '--', '/no/such/command');
    expect([none.status, none.stderr]).toEqual([
      127,
      expect.stringContaining('/no/such/command: command not found'),
    ]);
    expect(none.stderr).not.toContain('flows');
    expect((await experiment(db, 'run', 'a', '--', '/')).status).toBe(126);
    expect((await list(db)).map(({ number, running }) => [number, running])).toEqual(
      [1, 2, 3, 4, 5, 6].map((number) => [number, false]),
    );
  });

  test('does not run the command when the experiment cannot be started', async () => {
    const db = tempDb();
    const made = join(tempFolder(), 'made');
    await experiment(db, 'start', 'a');
    expect((await experiment(db, 'run', 'a', '--', 'touch', made)).status).toBe(1);
    const inside = await experiment(db, 'run', 'b', '--netns', 'nsd-none-such', '--', 'touch', made);
    expect([inside.status, inside.stderr]).toEqual([
      1,
      expect.stringMatching(/^nstap: open \/run\/netns\/nsd-none-such: ENOENT/),
    ]);
    expect((await experiment(db, 'run', 'b')).status).toBe(2);
    expect(existsSync(made)).toBe(false);
    expect(await list(db)).toMatchObject([{ name: 'a', running: true }]);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('passes %s on, and ends the experiment', async (signal, status) => {
    const db = tempDb();
    // A session of its own, as that of a service: without a terminal that would send the signal to both.
    const child = spawn(process.execPath, runningShell(db, 'echo on; exec sleep 600'), {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    let out = '';
    child.stdout!.on('data', (text) => {
      out += text;
    });
    await until('the command runs', () => out === 'on\n');
    child.kill(signal);
    await until('it ends', () => child.exitCode !== null);
    expect(child.exitCode).toBe(status);
    expect(await list(db)).toMatchObject([{ name: 'a', running: false }]);
  });
});

const hasScript = spawnSync('script', ['--version']).status === 0;

test.skipIf(!hasScript)(
  'Ctrl-C in a terminal reaches the command once, not twice (needs script of util-linux)',
  async () => {
    const db = tempDb();
    // One process: a shell has children, which the terminal signals as well.
    const command = `let n = 0;
      process.on('SIGINT', () => console.log('got', ++n));
      setInterval(() => { if (fs.existsSync(process.argv[1])) process.exit(7); }, 20);
      console.log('on');`;
    const words = [process.execPath, ...running(db, process.execPath, '-e', command, `${db}-end`)];
    const line = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    // In place of the shell: a dash that waits for it would die of the signal, and `script` tell of that.
    const terminal = spawn('script', ['-qefc', `exec ${line}`, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, SHELL: '/bin/sh' },
    });
    let out = '';
    terminal.stdout.on('data', (text) => {
      out += text;
    });
    await until('the command runs', () => /^on\r$/m.test(out));
    terminal.stdin.write('\x03');
    await until('it hears of it', () => out.includes('got 1'));
    writeFileSync(`${db}-end`, '');
    await until('it ends', () => terminal.exitCode !== null);
    expect(terminal.exitCode, out).toBe(7);
    expect(out).not.toContain('got 2');
    expect(await list(db)).toMatchObject([{ name: 'a', running: false }]);
  },
);

describe('the calling user', () => {
  test('is who called sudo, with a home of its own', () => {
    const env = { SUDO_UID: '65534', SUDO_GID: '65534', SUDO_USER: 'nobody', HOME: '/root', USER: 'root' };
    expect(asCallingUser(['id', '-u'], env, 0)).toEqual({
      words: ['setpriv', '--reuid=65534', '--regid=65534', '--init-groups', '--', 'id', '-u'],
      env: { ...env, USER: 'nobody', LOGNAME: 'nobody', HOME: expect.not.stringMatching('^/root$') },
    });
  });

  test('is this process’s own without sudo, for root, and for whoever cannot change it', () => {
    const words = ['id'];
    for (const [env, uid] of [
      [{}, 0],
      [{ SUDO_UID: '0', SUDO_GID: '0' }, 0],
      [{ SUDO_UID: '1000; rm', SUDO_GID: '1000' }, 0],
      [{ SUDO_UID: '1000', SUDO_GID: '1000' }, 1000],
    ] as const)
      expect(asCallingUser(words, env, uid)).toEqual({ words, env });
  });
});

import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const LAUNCHER = fileURLToPath(new URL('../../cli/nstap.js', import.meta.url));

/** A program in place of nstap: tells what it was given, then does what its first word says. */
const PROGRAM = `
const [word, value] = process.argv.slice(2);
const tell = { program: import.meta.url.endsWith('.ts') ? 'sources' : 'dist', pid: process.pid, words: process.argv.slice(2) };
if (word === 'status') process.exitCode = Number(value);
if (word === 'kill') process.kill(process.pid, value);
if (word === 'stdin') for await (const text of process.stdin) tell.stdin = String(text);
if (word === 'wait') {
  process.on(value, () => {
    process.stdout.write('got ' + value);
    process.exit(40);
  });
  setInterval(() => {}, 1000);
}
process.stdout.write(JSON.stringify(tell) + '\\n');
`;

/** Makes a Node pretend to be of another version, before the launcher is loaded. Not handed down to children. */
const PRETEND = `Object.defineProperty(process.versions, 'node', { value: process.env.PRETEND });`;

let home: string;
/** Where the Node that \`npm ci\` brings along would be. */
let bundled: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'nstap-launcher-'));
  for (const folder of ['cli', 'dist/cli', 'node_modules/node/bin'])
    mkdirSync(join(home, folder), { recursive: true });
  writeFileSync(join(home, 'package.json'), '{"type":"module"}');
  writeFileSync(join(home, 'pretend.cjs'), PRETEND);
  copyFileSync(LAUNCHER, join(home, 'cli/nstap.js'));
  writeFileSync(join(home, 'cli/main.ts'), PROGRAM);
  writeFileSync(join(home, 'dist/cli/main.js'), PROGRAM);
  bundled = join(home, 'node_modules/node/bin/node');
  symlinkSync(process.execPath, bundled);
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

const launcherWords = (words: string[]): string[] => [
  '--require',
  join(home, 'pretend.cjs'),
  join(home, 'cli/nstap.js'),
  ...words,
];

/** Where the launcher keeps what Node compiled. */
const cacheHome = (): string => join(home, 'cache');

const environment = (version: string): NodeJS.ProcessEnv => ({
  ...process.env,
  // That of the tests is none of the user's.
  NODE_COMPILE_CACHE: undefined,
  PRETEND: version,
  XDG_CACHE_HOME: cacheHome(),
});

/** Runs the launcher on a Node that says it has this version. */
function launch(version: string, words: string[], input = '', env: NodeJS.ProcessEnv = {}) {
  const { pid, status, stdout, stderr } = spawnSync(process.execPath, launcherWords(words), {
    encoding: 'utf8',
    env: { ...environment(version), ...env },
    input,
  });
  return { pid, status, stdout, stderr };
}

it('knows the same oldest Node as package.json', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const [, major, minor] = /^const NEEDED = \[(\d+), (\d+)\];$/m.exec(readFileSync(LAUNCHER, 'utf8')) ?? [];
  expect(engines.node).toBe(`>=${major}.${minor}`);
});

describe('on a Node that is new enough', () => {
  it.each(['22.18.0', '22.21.1', '23.0.0', '24.21.0', '100.0.0'])('%s runs the program itself', (version) => {
    const { pid, status, stdout, stderr } = launch(version, ['flows', '--limit', '0']);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ program: 'sources', pid, words: ['flows', '--limit', '0'] });
    expect(status).toBe(0);
  });

  it('runs the compiled program where there are no sources', () => {
    rmSync(join(home, 'cli/main.ts'));
    expect(JSON.parse(launch('22.18.0', []).stdout).program).toBe('dist');
  });
});

describe('on an older Node', () => {
  it.each(['22.17.9', '20.20.2', '18.0.0', '9.99.0'])('%s starts the Node that came along', (version) => {
    const { pid, status, stdout, stderr } = launch(version, ['flows', 'tcp port 80', '']);
    expect(stderr).toBe('');
    const told = JSON.parse(stdout);
    expect(told).toMatchObject({ program: 'sources', words: ['flows', 'tcp port 80', ''] });
    expect(told.pid).not.toBe(pid);
    expect(status).toBe(0);
  });

  it('starts the compiled program where there are no sources', () => {
    rmSync(join(home, 'cli/main.ts'));
    expect(JSON.parse(launch('20.20.2', []).stdout).program).toBe('dist');
  });

  it('hands standard input on', () => {
    expect(JSON.parse(launch('20.20.2', ['stdin'], 'octets').stdout).stdin).toBe('octets');
  });

  it.each([1, 2, 130])('ends with the status %i of the program', (status) => {
    expect(launch('20.20.2', ['status', String(status)]).status).toBe(status);
  });

  it.each(['SIGKILL', 'SIGTERM', 'SIGSEGV'] as const)(
    'ends with 128 + n when %s ends the program',
    (signal) => {
      expect(launch('20.20.2', ['kill', signal]).status).toBe(128 + constants.signals[signal]);
    },
  );

  it.each(['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR2'] as const)(
    'hands %s on to the program',
    async (signal) => {
      const child = spawn(process.execPath, launcherWords(['wait', signal]), {
        env: environment('20.20.2'),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        // The program tells its first line when its listener is in place.
        if (said === '') child.kill(signal);
        said += text;
      });
      const status = await new Promise((resolve) => child.once('close', resolve));
      expect(said).toContain(`got ${signal}`);
      expect(status).toBe(40);
    },
  );

  it('says in one sentence what to do when no Node came along, and loads nothing', () => {
    rmSync(bundled);
    const { status, stdout, stderr } = launch('20.20.2', ['flows']);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^nstap: needs Node 22\.18 or newer, this is 20\.20\.2; run `npm ci` [^\n]*\n$/);
    expect(status).toBe(1);
  });

  it('says what to do when the Node that came along cannot be started', () => {
    rmSync(bundled);
    writeFileSync(bundled, 'cut short');
    chmodSync(bundled, 0o644);
    const { status, stdout, stderr } = launch('20.20.2', ['flows']);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^nstap: start \S+\/node: [^\n]*EACCES; run `npm ci` again\n$/);
    expect(status).toBe(1);
  });
});

describe('what was compiled', () => {
  const kept = (): string[] =>
    readdirSync(join(cacheHome(), 'nstap'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
  const ran = (env: NodeJS.ProcessEnv = {}): string => {
    const { status, stdout, stderr } = launch('24.0.0', ['flows'], '', env);
    expect([status, stderr]).toEqual([0, '']);
    return JSON.parse(stdout).program;
  };

  it.each(['24.0.0', '20.20.2'])(
    'is kept for the next start, by %s too, where only the user writes',
    (version) => {
      for (let start = 0; start < 2; start++) {
        const { status, stderr } = launch(version, ['flows']);
        expect([status, stderr]).toEqual([0, '']);
      }
      expect(kept().length).toBeGreaterThan(0);
      expect(statSync(join(cacheHome(), 'nstap')).mode & 0o777).toBe(0o700);
    },
  );

  it('is not taken for a program that has changed since, and not when it is damaged', () => {
    expect(ran()).toBe('sources');
    writeFileSync(join(home, 'cli/main.ts'), PROGRAM.replace("'sources'", "'changed'"));
    expect(ran()).toBe('changed');
    for (const entry of readdirSync(join(cacheHome(), 'nstap'), { recursive: true, withFileTypes: true }))
      if (entry.isFile()) writeFileSync(join(entry.parentPath, entry.name), 'damaged');
    expect(ran()).toBe('changed');
  });

  it.each<[string, () => void]>([
    ['a file is in its place', () => writeFileSync(cacheHome(), '')],
    [
      'others may write into it',
      () => {
        mkdirSync(join(cacheHome(), 'nstap'), { recursive: true });
        chmodSync(join(cacheHome(), 'nstap'), 0o777);
      },
    ],
    [
      'others may write into the folder around it',
      () => {
        mkdirSync(join(cacheHome(), 'nstap'), { recursive: true });
        chmodSync(cacheHome(), 0o1777);
      },
    ],
    [
      'it is a link',
      () => {
        mkdirSync(cacheHome());
        mkdirSync(join(home, 'elsewhere'));
        symlinkSync(join(home, 'elsewhere'), join(cacheHome(), 'nstap'));
      },
    ],
  ])('is not kept, and the program runs all the same, where %s', (_why, prepare) => {
    prepare();
    expect(ran()).toBe('sources');
    const folder = join(cacheHome(), 'nstap');
    expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([]);
  });

  const isRoot = process.getuid?.() === 0;
  it.skipIf(!isRoot)(`is not kept in a folder of another user${isRoot ? '' : ' (needs root)'}`, () => {
    for (const folder of [join(cacheHome(), 'nstap'), cacheHome()]) {
      rmSync(cacheHome(), { recursive: true, force: true });
      mkdirSync(join(cacheHome(), 'nstap'), { recursive: true });
      chownSync(folder, 65_534, 65_534);
      expect(ran()).toBe('sources');
      expect(kept()).toEqual([]);
    }
  });

  it('is not kept when Node is told so', () => {
    expect(ran({ NODE_DISABLE_COMPILE_CACHE: '1' })).toBe('sources');
    expect(kept()).toEqual([]);
  });
});

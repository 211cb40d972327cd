import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import Database from 'better-sqlite3';
import type { Finding } from '../../daemon/finding.ts';
import { isClockSynchronised } from '../../daemon/kernel/clock-sync.ts';
import { bindUnix, listenUnix } from '../../daemon/kernel/unix-listener.ts';
import { close } from '../../daemon/kernel/libc.ts';
import { openForWriting } from '../../storage/database.ts';
import { TestServer } from '../control/test-server.ts';
import { hasProgram } from '../support/processes.ts';
import { MAIN } from '../support/nstap.ts';
import { Terminal, terminalMissing } from '../support/terminal.ts';
import { nstap } from './run-cli.ts';

const CHECKS = [
  'program',
  'capabilities',
  'ring',
  'namespaces',
  'libpcap',
  'user',
  'landlock',
  'database',
  'open-files',
  'memory',
  'group',
  'directories',
  'reading',
  'clock',
  'daemon',
  'terminal',
];
const STRANGER = 54321;
const isRoot = process.getuid?.() === 0;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nstap-doctor-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function doctor(
  words: string[],
  uid?: number,
): { status: number | null; findings: Finding[]; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'doctor', '--json', ...words], {
    encoding: 'utf8',
    cwd: '/',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  return { status, findings: JSON.parse(stdout) as Finding[], stderr };
}

describe('nstap doctor', () => {
  test('looks at everything, and has advice for whatever is not as it should be', () => {
    const { findings, stderr } = doctor(['--db', join(folder, 'flows.db')]);
    expect([findings.map(({ check }) => check), stderr]).toEqual([CHECKS, '']);
    for (const { state, advice } of findings) expect(advice === null).toBe(state === 'ok');
  });

  test('fails for a database without a folder, and says what to do', () => {
    const { status, findings } = doctor(['--db', join(folder, 'none', 'flows.db')]);
    expect(status).toBe(1);
    expect(findings.find(({ check }) => check === 'database')).toEqual({
      check: 'database',
      state: 'fail',
      text: `there is no folder ${join(folder, 'none')}`,
      advice: `mkdir ${join(folder, 'none')}, or --db FILE elsewhere`,
    });
  });

  test.skipIf(!isRoot)('tells who is not root what is lacking', () => {
    const { status, findings } = doctor([], STRANGER);
    const of = (name: string): Finding | undefined => findings.find(({ check }) => check === name);
    expect(status).toBe(1);
    expect(of('capabilities')).toMatchObject({
      state: 'fail',
      text: expect.stringMatching(/without CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_NET_RAW/),
    });
    expect(of('ring')).toMatchObject({ state: 'fail', text: expect.stringContaining('EPERM') });
    expect(of('namespaces')).toMatchObject({ state: 'warn', advice: 'see capabilities' });
    expect(of('user')).toMatchObject({
      text: `packets are parsed as ${STRANGER}:${STRANGER} (${STRANGER}:${STRANGER})`,
    });
  });

  test('prints a line each for people, with the advice below', () => {
    const { stdout } = spawnSync(process.execPath, [MAIN, 'doctor', '--db', join(folder, 'none', 'x.db')], {
      encoding: 'utf8',
    });
    expect(stdout).toMatch(/^ok {4}program {7}Node \d+/);
    expect(stdout).toMatch(
      /\nthe daemon cannot work here: [1-9]\d* things? to be put right(, \d+ warnings?)?\n$/,
    );
    expect(stdout).toMatch(/^fail {2}database {6}there is no folder .*\n {20}mkdir /m);
  });

  const of = (findings: readonly Finding[], name: string): Finding | undefined =>
    findings.find(({ check }) => check === name);

  test('says whether the database can be read: not there, of this version, empty, of somebody else', () => {
    const path = join(folder, 'read.db');
    const look = (): [string | undefined, string | undefined, number | null] => {
      const { findings, status } = doctor(['--db', path]);
      const found = of(findings, 'reading');
      return [found?.state, found?.text, status];
    };
    const before = look();
    expect(before.slice(0, 2)).toEqual(['ok', expect.stringContaining('not there yet')]);
    writeFileSync(path, '');
    expect(look().slice(0, 2)).toEqual(['warn', expect.stringContaining('NSTAP_OLDER')]);
    openForWriting(path).close();
    expect(look().slice(0, 2)).toEqual(['ok', expect.stringMatching(/can be read \(schema version \d+\)$/)]);
    rmSync(path);
    const foreign = new Database(path);
    foreign.exec('CREATE TABLE theirs (a)');
    foreign.close();
    expect(look()).toEqual(['fail', expect.stringContaining('NSTAP_FOREIGN'), 1]);
  });

  test('finds a daemon that answers, one of another version, and a socket that was left behind', async () => {
    const look = async (control: string): Promise<Finding | undefined> =>
      of(JSON.parse((await nstap(['doctor', '--json', '--control', control])).stdout) as Finding[], 'daemon');
    using server = new TestServer();
    expect(await look(server.path)).toMatchObject({
      state: 'warn',
      text: expect.stringMatching(/^nstap 9\.9\.9 runs \(pid 4711\), and this is /),
    });
    const left = join(folder, 'left.sock');
    const fd = bindUnix(left);
    listenUnix(fd, left);
    close(fd);
    expect(await look(left)).toMatchObject({
      state: 'warn',
      text: expect.stringContaining('nobody listens there'),
      advice: expect.stringContaining('left behind'),
    });
    expect(await look(join(folder, 'none.sock'))).toMatchObject({ state: 'ok', advice: null });
    expect(await look('none')).toMatchObject({ state: 'ok', text: expect.stringMatching(/^not asked, /) });
  });

  test.skipIf(!isRoot)('tells who is in no group what that means', () => {
    const { findings } = doctor([], STRANGER);
    expect(of(findings, 'group')).toMatchObject({
      state: 'warn',
      advice: expect.stringMatching(/usermod -aG nstap|groupadd/),
    });
  });

  test.skipIf(!hasProgram('python3'))(
    'reads of the kernel whether the clock is kept right (needs python3)',
    () => {
      // struct timex as a C compiler lays it out: modes, four longs, then the status.
      const program = `
import ctypes
class Timex(ctypes.Structure):
  _fields_ = [('modes', ctypes.c_uint)] + [(n, ctypes.c_long) for n in 'abcd'] + [('status', ctypes.c_int), ('rest', ctypes.c_char * 400)]
t = Timex()
state = ctypes.CDLL(None).adjtimex(ctypes.byref(t))
print(state != 5 and not t.status & 0x40)`;
      const { stdout } = spawnSync('python3', ['-c', program], { encoding: 'utf8' });
      expect(['True\n', 'False\n']).toContain(stdout);
      expect(isClockSynchronised()).toBe(stdout === 'True\n');
    },
  );

  test('says what a terminal without UTF-8 gets', async () => {
    const look = async (env: Record<string, string>): Promise<Finding | undefined> =>
      of(JSON.parse((await nstap(['doctor', '--json'], env)).stdout) as Finding[], 'terminal');
    expect(await look({ LC_ALL: 'C' })).toMatchObject({
      state: 'warn',
      text: expect.stringContaining('ASCII'),
      advice: expect.stringContaining('C.UTF-8'),
    });
    expect(await look({ LC_ALL: 'de_DE.utf8' })).toMatchObject({ state: 'ok' });
    // The first that is set counts.
    expect(await look({ LC_ALL: '', LC_CTYPE: 'C', LANG: 'C.UTF-8' })).toMatchObject({ state: 'warn' });
  });

  const noTerminal = terminalMissing();
  test.skipIf(noTerminal !== null)(`fits the terminal${noTerminal ? ` (${noTerminal})` : ''}`, async () => {
    chmodSync(folder, 0o755);
    using terminal = Terminal.start(
      [process.execPath, MAIN, 'doctor', '--db', join(folder, 'none', 'x.db')],
      {
        width: 60,
        height: 60,
        env: { LC_ALL: 'C.UTF-8' },
      },
    );
    expect(await terminal.waitForEnd()).toBe(1);
    // Every line begins with a state, or is set in; what it comes to stands below.
    const screen = terminal.screen();
    for (const line of screen.slice(0, screen.indexOf('')))
      expect(line).toMatch(/^(ok {4}|warn {2}|fail {2}| {20}\S)/);
    expect(screen[screen.indexOf('') + 1]).toMatch(/^the daemon cannot work here: /);
    expect(terminal.coloredScreen().join('\n')).toContain('\u001b[31mfail');
  });
});

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../daemon/doctor.ts';
import { MAIN } from '../support/nstap.ts';

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
    expect(stdout).toMatch(/^fail {2}database {6}there is no folder .*\n {20}mkdir /m);
  });
});

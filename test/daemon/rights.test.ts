import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openForReading } from '../../storage/database.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';
import { sendUdp } from '../kernel/traffic.ts';
import { MAIN } from '../support/nstap.ts';
import { childrenOf } from '../support/processes.ts';
import { TestDaemon } from './test-daemon.ts';

const NOBODY = 65534;
/** Somebody with no rights at all: neither root, nor the engine, nor in its group. */
const STRANGER = 54321;

const missing =
  labMissing() ??
  (spawnSync('setcap', ['-h']).error === undefined ? null : 'needs setcap (package libcap2-bin)');

describe.skipIf(missing !== null)(`rights${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('rt');
  const folder = mkdtempSync(join(tmpdir(), 'nstap-rights-'));
  let daemon: TestDaemon | null = null;
  afterAll(async () => {
    if (daemon !== null && daemon.code === undefined) await daemon.end('SIGKILL');
    lab.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('with file capabilities the daemon needs no root, and no thread of its engine has one', async () => {
    chmodSync(folder, 0o755);
    const node = join(folder, 'node');
    copyFileSync(process.execPath, node);
    expect(spawnSync('setcap', ['cap_sys_admin,cap_net_admin,cap_net_raw+ep', node]).status).toBe(0);
    const own = mkdtempSync(join(folder, 'db-'));
    chownSync(own, STRANGER, STRANGER);
    const [a, b] = [lab.add('a'), lab.add('b')];
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');

    const db = join(own, 'flows.db');
    const words = [
      'daemon',
      '--netns',
      b,
      '--interface',
      'v0',
      '--filter',
      'udp port 4000',
      '--db',
      db,
      '--control',
      'none',
    ];
    const child = spawn(node, [MAIN, ...words], {
      uid: STRANGER,
      gid: STRANGER,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr!.on('data', (chunk) => {
      log += chunk;
    });
    try {
      await until('it captures', () => log.includes('"capture-opened"') || child.exitCode !== null);
      expect(log).toContain('"capture-opened"');
      const [engine, ...others] = childrenOf(child.pid!);
      expect(others).toEqual([]);
      expect(statusOf(child.pid!)).toEqual([{ uid: STRANGER, capabilities: 0x203000n }]);
      expect(statusOf(engine!)).toEqual([{ uid: STRANGER, capabilities: 0n }]);
      sendUdp(lab, a, '10.9.0.2', 4000, 100, 25);
    } finally {
      child.kill('SIGTERM');
    }
    const [status] = await once(child, 'exit');
    expect([status, packetsIn(db)]).toEqual([0, 25]);
  });

  test('a stranger can neither read the database nor start a daemon', async () => {
    const own = mkdtempSync(join(folder, 'root-'));
    chownSync(own, NOBODY, NOBODY);
    // The mode of the file has to hold by itself.
    chmodSync(own, 0o755);
    const db = join(own, 'flows.db');
    const name = lab.add('c');
    lab.ip(name, 'link set lo up');
    daemon = new TestDaemon(db, { netns: [name] }, 'real');
    await daemon.until('it captures', () => daemon!.events('capture-opened').length === 1);
    expect(statSync(db).mode & 0o777).toBe(0o640);
    // A daemon of the host's own is not asked.
    const env = { ...process.env, NSTAP_CONTROL: join(folder, 'none.sock') };
    const as = (uid: number, ...words: string[]): { status: number | null; stderr: string } =>
      spawnSync(process.execPath, [MAIN, ...words], { uid, gid: uid, encoding: 'utf8', cwd: '/', env });

    expect(as(NOBODY, 'flows', '--db', db)).toMatchObject({ status: 0, stderr: '' });
    for (const command of ['flows', 'status']) {
      const asked = as(STRANGER, command, '--db', db);
      expect(asked.status).toBe(1);
      expect(asked.stderr).toMatch(/^nstap: open .*flows\.db: .*(EACCES|SQLITE_CANTOPEN|may not|permission)/);
      expect(asked.stderr.trimEnd().split('\n')).toHaveLength(1);
    }
    const started = as(STRANGER, 'daemon', '--netns', name, '--db', join(folder, 'other.db'));
    expect(started.status).toBe(1);
    expect(started.stderr).toMatch(/^nstap: the daemon needs root .*sudo/);
    // Neither may it be told anything by a signal.
    expect(() => signalAs(STRANGER, daemon!.child.pid!)).toThrow('EPERM');
    expect(await daemon.end()).toBe(0);
  });
});

/** Distinct users and effective capabilities of all threads of a process. proc_pid_status(5) */
function statusOf(pid: number): { uid: number; capabilities: bigint }[] {
  const seen = new Map<string, { uid: number; capabilities: bigint }>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    const uid = Number(/^Uid:\s+(\d+)/m.exec(text)![1]);
    const capabilities = BigInt(`0x${/^CapEff:\s+([0-9a-f]+)/m.exec(text)![1]}`);
    seen.set(`${uid} ${capabilities}`, { uid, capabilities });
  }
  return [...seen.values()];
}

function packetsIn(db: string): unknown {
  const database = openForReading(db);
  const packets = database.prepare('SELECT sum(packets) FROM captures').pluck().get();
  database.close();
  return packets;
}

/** Sends SIGTERM as another user. */
function signalAs(uid: number, pid: number): void {
  const script = `try { process.kill(${pid}, 'SIGTERM') } catch (error) { process.stdout.write(error.code) }`;
  const { stdout } = spawnSync(process.execPath, ['-e', script], { uid, gid: uid, encoding: 'utf8' });
  if (stdout !== '') throw new Error(stdout);
}

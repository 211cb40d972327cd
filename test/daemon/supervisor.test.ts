import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { DaemonOptions } from '../../daemon/config.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';
import { sendUdp } from '../kernel/traffic.ts';
import { TestDaemon } from './test-daemon.ts';

const missing = labMissing();
const NOBODY = 65534;

describe.skipIf(missing !== null)(`supervisor and engine${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('sup');
  const dir = mkdtempSync(join(tmpdir(), 'nsd-sup-'));
  let count = 0;
  let daemon: TestDaemon | undefined;

  function start(options: Partial<DaemonOptions>): TestDaemon {
    // Of the engine's user, as an installation has it.
    const own = join(dir, `d${count++}`);
    mkdirSync(own);
    chownSync(own, NOBODY, NOBODY);
    chownSync(dir, NOBODY, NOBODY);
    daemon = new TestDaemon(join(own, 'flows.db'), options, 'counting');
    return daemon;
  }

  afterEach(async () => {
    if (daemon && daemon.code === undefined) await daemon.end('SIGKILL');
    daemon = undefined;
  });
  afterAll(() => {
    lab.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('captures several namespaces in an engine without any privilege, and drains on SIGTERM', async () => {
    const a = lab.add('a');
    const b = lab.add('b');
    lab.veth(a, 'v0', '10.9.0.1/24', b, 'v0', '10.9.0.2/24');
    const d = start({ netns: [a, b], filter: 'udp port 4000' });
    await d.captures(a, 'v0');
    await d.captures(b, 'v0');
    sendUdp(lab, a, '10.9.0.2', 4000, 100, 40);
    sendUdp(lab, a, '127.0.0.1', 4000, 100, 5);
    // Ended at once: what still lies in a block that is not full must be counted.
    expect(await d.end()).toBe(0);
    const counted = d.counted();
    expect(counted.stopped).toBe(true);
    const numbers = counted.captures.map((c) => [
      c.info.netns,
      c.info.interface,
      c.packets,
      c.bytes,
      c.duplicates,
    ]);
    expect(numbers.sort()).toEqual([
      [a, 'lo', 5, 5 * 142, 5],
      [a, 'v0', 40, 40 * 142, 0],
      [b, 'lo', 0, 0, 0],
      [b, 'v0', 40, 40 * 142, 0],
    ]);
    expect(new Set(counted.routes).size).toBe(2);
    expect(counted.uid).toBe(NOBODY);
    expect(d.events('stopped')).toHaveLength(1);
    expect(statSync(join(dir, 'd0', 'flows.db.json')).mode & 0o777).toBe(0o640);

    const status = readFileSync(join(dir, 'd0', 'flows.db.status'), 'utf8');
    expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^Gid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^Groups:\t ?$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
      expect(status).toMatch(new RegExp(`^${set}:\t0+$`, 'm'));
  });

  it('notices namespaces and interfaces that come, and interfaces that go', async () => {
    const pattern = lab.add('n0').replace(/n0$/, 'n*');
    const d = start({ netns: [pattern], interfaces: ['w*'] });
    await d.until('ready', () => d.events('ready').length === 1);
    const name = lab.add('n1');
    lab.ip(name, 'link add w0 type veth peer name w1');
    lab.ip(name, 'link add x0 type veth peer name x1');
    await d.captures(name, 'w0');
    await d.captures(name, 'w1');
    lab.ip(name, 'link del w0');
    await d.until('its capture ends', () => d.capture(name, 'w0')?.ended != null);
    lab.ip(name, 'link add w0 type veth peer name y1');
    await d.captures(name, 'w0');
    lab.ip(name, 'link set w0 name w9');
    await d.captures(name, 'w9');
    expect(new Set(d.counted().captures.map((c) => c.info.interface))).toEqual(new Set(['w0', 'w1', 'w9']));
    expect(await d.end('SIGINT')).toBe(0);
  });

  it('lets a removed namespace go, and takes its successor for another', async () => {
    const a = lab.add('g');
    const b = lab.add('h');
    lab.veth(a, 'v0', null, b, 'v0', null);
    const d = start({ netns: [a, b] });
    await d.captures(a, 'v0');
    await d.captures(b, 'v0');
    const first = d.capture(a, 'lo')!.info.index;
    lab.remove(a);
    await d.until('the veth peer disappears', () => !lab.ip(b, 'link show').includes('v0'));
    await d.until(
      'its captures end',
      () => d.capture(b, 'v0')?.ended != null && d.capture(a, 'v0')?.ended != null,
    );
    expect(d.capture(a, 'lo')?.ended).toBe('namespace removed');
    lab.add('g');
    await d.captures(a, 'lo');
    // Not its netnsId: the kernel gives the inode number of a namespace that is gone to the next one.
    expect(d.capture(a, 'lo')!.info.index).not.toBe(first);
    expect(d.counted().captures[first]!.ended).toBe('namespace removed');
    expect(d.events('netns-removed').map((e) => e.netns)).toEqual([a]);
    expect(await d.end()).toBe(0);
  });

  it('starts a crashed engine again and reopens everything', async () => {
    const a = lab.add('c');
    const d = start({ netns: [a], filter: 'udp' });
    await d.captures(a, 'lo');
    const first = d.counted().pid;
    process.kill(first, 'SIGKILL');
    await d.until(
      'another engine captures',
      () => d.counted().pid !== first && d.capture(a, 'lo')?.ended === null,
    );
    expect(d.events('engine-exited').map((e) => [e.signal, e.restartMs])).toEqual([['SIGKILL', 100]]);
    sendUdp(lab, a, '127.0.0.1', 4000, 100, 5);
    await d.until('its packets', () => d.capture(a, 'lo')?.packets === 5);
    const second = d.counted().pid;
    process.kill(second, 'SIGUSR2');
    await d.until('a third engine', () => d.counted().pid !== second && d.capture(a, 'lo')?.ended === null);
    expect(d.events('engine-failed').map((e) => e.msg)).toEqual(['told to fail']);
    expect(await d.end()).toBe(0);
  });

  it('kills an engine that hangs, and starts another', async () => {
    const name = lab.add('hang');
    daemon = start({ netns: [name], interfaces: ['lo'] });
    const d = daemon;
    await d.captures(name, 'lo');
    const { pid } = d.counted();
    process.kill(pid, 'SIGSTOP');
    await d.until('it is told', () => d.events('engine-hung').length === 1);
    await d.until(
      'another engine captures',
      () => d.counted().pid !== pid && d.events('capture-opened').length === 2,
    );
    expect(d.events('engine-exited')).toMatchObject([{ signal: 'SIGKILL' }]);
    expect(await d.end()).toBe(0);
  });

  it('has an engine that drains and ends when the supervisor is killed', async () => {
    const a = lab.add('k');
    const d = start({ netns: [a], filter: 'udp' });
    await d.captures(a, 'lo');
    sendUdp(lab, a, '127.0.0.1', 4000, 100, 5);
    await d.end('SIGKILL');
    const { pid } = d.counted();
    await until('the engine has ended', () => !existsSync(`/proc/${pid}`));
    expect(d.counted()).toMatchObject({ stopped: true, captures: [{ packets: 5 }] });
  });

  it('captures with libpcap in an engine that is not root', async () => {
    const a = lab.add('p');
    const d = start({ netns: [a], backend: 'libpcap', filter: 'udp' });
    await d.captures(a, 'lo');
    expect(d.capture(a, 'lo')!.info.source).toBe('libpcap');
    sendUdp(lab, a, '127.0.0.1', 4000, 100, 7);
    await d.until('its packets', () => d.capture(a, 'lo')?.packets === 7);
    expect(d.counted().uid).toBe(NOBODY);
    const { pid } = d.counted();
    const tasks = lab.exec(a, 'sh', '-c', `grep -h ^CapEff /proc/${pid}/task/*/status | sort | uniq -c`);
    // One thread alone, the capture thread, has CAP_NET_RAW and CAP_SYS_ADMIN.
    const sets = tasks
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
    expect(sets.map(([, , set]) => BigInt(`0x${set}`)).sort()).toEqual([0n, (1n << 13n) | (1n << 21n)]);
    expect(sets.find(([, , set]) => !/^0+$/.test(set!))![0]).toBe('1');
    lab.remove(a);
    await d.until('the capture ends', () => d.capture(a, 'lo')?.ended != null);
    expect(await d.end()).toBe(0);
  });

  it('opens an interface with libpcap when it comes up, and keeps it while it is down', async () => {
    const a = lab.add('q');
    lab.ip(a, 'link add u0 type veth peer name u1');
    lab.sysctl(a, 'net.ipv6.conf.u0.disable_ipv6=1');
    lab.ip(a, 'addr add 10.9.0.1/24 dev u0');
    lab.ip(a, 'neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev u0');
    lab.ip(a, 'link set u1 up');
    const d = start({ netns: [a], backend: 'libpcap', interfaces: ['u0'], filter: 'udp port 4000' });
    await d.until('ready', () => d.events('ready').length === 1);
    expect(d.counted().captures).toEqual([]);
    lab.ip(a, 'link set u0 up');
    await d.captures(a, 'u0');
    lab.ip(a, 'link set u0 down');
    lab.ip(a, 'link set u0 up');
    lab.ip(a, 'neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev u0');
    sendUdp(lab, a, '10.9.0.2', 4000, 100, 3);
    await d.until('its packets', () => d.capture(a, 'u0')?.packets === 3);
    expect(d.counted().captures).toHaveLength(1);
    expect(d.events('capture-failed')).toEqual([]);
    expect(await d.end()).toBe(0);
  });

  it('ends at once on the second signal, also when the engine hangs', async () => {
    const a = lab.add('s');
    const d = start({ netns: [a] });
    await d.captures(a, 'lo');
    process.kill(d.counted().pid, 'SIGSTOP');
    d.child.kill('SIGTERM');
    await d.until('it drains', () => d.events('stopping').length === 1);
    // One that comes with the first is the same.
    d.child.kill('SIGINT');
    const again = performance.now() + 300;
    await until('the next one is another', () => performance.now() > again);
    expect(await d.end()).toBe(1);
    expect(d.events('killed')).toHaveLength(1);
    expect(d.events('stopped')).toHaveLength(1);
    await until('the engine is gone', () => !existsSync(`/proc/${d.counted().pid}`));
  });

  it('says in one sentence what it needs when it is not privileged', () => {
    const script = fileURLToPath(new URL('./run-test-daemon.ts', import.meta.url));
    const run = spawnSync(process.execPath, [script, '{"db":"/nonexistent/flows.db"}', 'counting'], {
      encoding: 'utf8',
      uid: NOBODY,
      gid: NOBODY,
    });
    expect([run.status, run.stderr]).toEqual([
      1,
      expect.stringMatching(/^the daemon needs root .*sudo; `nstap doctor` tells more\n$/),
    ]);
  });

  it('refuses a wrong filter and an unknown user before anything starts', async () => {
    const filter = start({ netns: ['host'], filter: 'tcp prot 80' });
    await until('it ends', () => filter.code !== undefined);
    expect([filter.code, filter.log]).toEqual([
      1,
      expect.stringMatching(/^filter "tcp prot 80": .*syntax error\n$/),
    ]);
    const user = start({ netns: ['host'], user: 'nsd-nobody' });
    await until('it ends', () => user.code !== undefined);
    expect([user.code, user.log]).toEqual([1, expect.stringMatching(/^--user nsd-nobody: no such user/)]);
  });

  it("says what to do when the engine may not write the database's folder, and uses the folder's owner", async () => {
    const own = join(dir, 'roots');
    chmodSync(dir, 0o755);
    mkdirSync(own, { mode: 0o755 });
    const refused = new TestDaemon(
      join(own, 'flows.db'),
      { netns: ['host'], interfaces: ['none'] },
      'counting',
    );
    await until('it ends', () => refused.code !== undefined);
    expect(refused.code).toBe(1);
    expect(refused.log).toMatch(
      /^the engine runs as nobody, not as root, and cannot use .*roots \(EACCES\); .*--user/,
    );

    chownSync(own, 1, 1);
    daemon = new TestDaemon(join(own, 'flows.db'), { netns: ['host'], interfaces: ['none'] }, 'counting');
    const d = daemon;
    await d.until('ready', () => d.events('ready').length === 1);
    expect(d.events('engine-started')[0]!.user).toBe('daemon');
    expect(await d.end()).toBe(0);
  });
});

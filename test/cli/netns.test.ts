import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { ListedNetns } from '../../cli/netns-command.ts';
import { Lab, labMissing, run } from '../kernel/lab.ts';
import { OwnNetns } from '../netns/own-netns.ts';
import { nstap } from '../support/nstap.ts';

const missing = labMissing();

describe.skipIf(missing !== null)(`nstap netns${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('list');
  const stale = `/run/netns/nsd-list${process.pid}-stale`;
  const started: OwnNetns[] = [];
  afterEach(async () => {
    rmSync(stale, { force: true });
    for (const own of started.splice(0)) await own.stop();
  });
  afterAll(() => lab.close());

  test('lists the host, names, and the namespaces of processes, and says what is no namespace', async () => {
    const a = lab.add('a');
    const own = await OwnNetns.start();
    started.push(own);
    lab.ip(a, `link add v0 type veth peer name w0 netns ${own.pid}`);
    writeFileSync(stale, '');
    const { status, stdout } = nstap(['netns', '--json']);
    expect(status).toBe(0);
    const list = JSON.parse(stdout) as ListedNetns[];
    expect(list[0]).toMatchObject({ name: 'host', error: null, label: null });
    const named = (name: string): ListedNetns | undefined => list.find((netns) => netns.name === name);
    const label = `pid:${own.pid}:sleep`;
    expect(named(a)).toMatchObject({ error: null, label: null, processes: 0 });
    expect(named(a)!.interfaces.find(({ name }) => name === 'v0')!.peer).toEqual({
      netns: label,
      interface: 'w0',
    });
    expect(named(label)).toMatchObject({
      id: expect.stringMatching(new RegExp(`:${own.inode}$`)),
      error: null,
      label,
      processes: 1,
    });
    expect(named(stale.slice('/run/netns/'.length))).toMatchObject({
      id: null,
      error: expect.stringContaining('no network namespace'),
      interfaces: [],
    });
    const text = nstap(['netns']).stdout;
    expect(text).toContain(`${label}  (`);
  });

  test('reads the routes where a process is, by its number or label, with no daemon', async () => {
    const own = await OwnNetns.start();
    started.push(own);
    run('nsenter', `--net=/proc/${own.pid}/ns/net`, 'ip', 'link', 'set', 'lo', 'up');
    run('nsenter', `--net=/proc/${own.pid}/ns/net`, 'ip', 'route', 'add', 'blackhole', '10.66.0.0/16');
    for (const netns of [`pid:${own.pid}`, `pid:${own.pid}:sleep`]) {
      expect(nstap(['routes', '--netns', netns]).stdout).toContain('blackhole 10.66.0.0/16');
      const { stdout } = nstap(['route', 'get', '10.66.0.1', '--netns', netns, '--json']);
      expect(JSON.parse(stdout)).toMatchObject({ type: 'blackhole', prefix: '10.66.0.0/16' });
    }
    const none = nstap(['routes', '--netns', 'docker:000000000000']);
    expect([none.status, none.stderr]).toEqual([
      2,
      'nstap: --netns docker:000000000000: there is no such namespace; `nstap netns` lists them\n',
    ]);
    const wrong = nstap(['routes', '--netns', 'pid:x']);
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringMatching(/^nstap: "pid:x": pid: wants/)]);
  });

  test('names the process in a namespace that has a name, too', async () => {
    const b = lab.add('b');
    const child = lab.start(b, 'sleep', '600');
    await expect
      .poll(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8').trim(), { timeout: 30_000 })
      .toBe('sleep');
    const list = JSON.parse(nstap(['netns', '--json']).stdout) as ListedNetns[];
    expect(list.find(({ name }) => name === b)).toMatchObject({
      label: `pid:${child.pid}:sleep`,
      processes: 1,
    });
    expect(nstap(['netns']).stdout).toContain(`${b}  pid:${child.pid}:sleep  (`);
  });
});

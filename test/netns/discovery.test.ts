import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type FoundNetns, findNetns, NetnsDiscovery } from '../../daemon/netns/discovery.ts';
import { NetnsWatcher } from '../../daemon/netns/watcher.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';
import { Cgroup, cgroupRoot, OwnNetns } from './own-netns.ts';

const missing = labMissing();
const cgroups = missing === null ? cgroupRoot() : { missing };

describe.skipIf(missing !== null)(`namespaces of processes${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('proc');
  const dir = mkdtempSync(join(tmpdir(), 'nsd-proc-'));
  const started: OwnNetns[] = [];

  async function start(sharedWith?: OwnNetns): Promise<OwnNetns> {
    const own = await OwnNetns.start(sharedWith);
    started.push(own);
    return own;
  }
  const named = (list: FoundNetns[], name: string): FoundNetns | undefined =>
    list.find((netns) => netns.name === name);
  const of = (list: FoundNetns[], own: OwnNetns): FoundNetns | undefined =>
    list.find(({ id }) => id.endsWith(`:${own.inode}`));

  afterEach(async () => {
    for (const own of started.splice(0)) await own.stop();
  });
  afterAll(() => {
    lab.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('finds a namespace by its process, and calls it after the first one', async () => {
    const own = await start();
    const second = await start(own);
    const found = of(findNetns(['processes']), own)!;
    expect(found).toEqual({
      name: `pid:${own.pid}:sleep`,
      id: expect.stringMatching(/^\d+:\d+$/),
      path: `/proc/${own.pid}/ns/net`,
      label: `pid:${own.pid}:sleep`,
      processes: [own.pid, second.pid],
    });
    expect(of(findNetns(['any']), own)).toBeUndefined();
    expect(of(findNetns(['all', '!pid:*:sleep']), own)).toBeUndefined();
    expect(findNetns([`pid:${second.pid}`])).toEqual([
      {
        ...found,
        name: `pid:${second.pid}:sleep`,
        label: `pid:${second.pid}:sleep`,
        processes: [second.pid],
        path: `/proc/${second.pid}/ns/net`,
      },
    ]);
    expect(findNetns([`${own.pid}`]).map(({ id }) => id)).toEqual([found.id]);
    const path = `/proc/${own.pid}/ns/net`;
    expect(findNetns([path])).toEqual([{ ...found, name: path, label: null, processes: [] }]);
  });

  it('calls a namespace with a name by it, and tells the processes in it as well', async () => {
    const a = lab.add('named');
    const child = lab.start(a, 'sleep', '600');
    const discovery = new NetnsDiscovery(['processes']);
    await until('it sleeps', () => named(discovery.find(), a)?.label?.endsWith(':sleep') === true);
    expect(named(discovery.find(), a)).toMatchObject({
      path: `/run/netns/${a}`,
      label: `pid:${child.pid}:sleep`,
      processes: [child.pid],
    });
    expect(findNetns(['processes']).some(({ name }) => name === 'host')).toBe(false);
    expect(findNetns([`pid:${child.pid}`]).map(({ name }) => name)).toEqual([a]);
  });

  it('knows the namespace as long as a process is left in it, whichever that is', async () => {
    const own = await start();
    const discovery = new NetnsDiscovery(['processes']);
    const first = of(discovery.find(), own)!;
    const second = await start(own);
    await own.stop();
    const path = `/proc/${second.pid}/ns/net`;
    await until('it is found by the other', () => of(discovery.find(), second)?.path === path);
    expect(of(discovery.find(), second)).toEqual({ ...first, path, processes: [second.pid] });
    await second.stop();
    await until('it is gone', () => !discovery.find().some(({ id }) => id === first.id));
  });

  it('leaves out what was there at the start when it is to find new ones only', async () => {
    const old = lab.add('old');
    const oldProcess = await start();
    const discovery = new NetnsDiscovery(['newly']);
    expect(discovery.find()).toEqual([]);
    const name = lab.add('new');
    const own = await start();
    const found = await settled(discovery, own);
    expect(named(found, name)).toBeDefined();
    expect(of(found, own)!.name).toBe(`pid:${own.pid}:sleep`);
    expect(named(found, old)).toBeUndefined();
    expect(of(found, oldProcess)).toBeUndefined();
    const oldId = findNetns([old])[0]!.id;
    lab.remove(old);
    await until(
      'it is gone',
      () => findNetns([old]).length === 0 && discovery.find().every(({ id }) => id !== oldId),
    );
    lab.add('old');
    expect(named(discovery.find(), old)).toBeDefined();
  });

  async function settled(discovery: NetnsDiscovery, own: OwnNetns): Promise<FoundNetns[]> {
    let found: FoundNetns[] = [];
    await until('it is settled', () => {
      found = discovery.find();
      return of(found, own) !== undefined;
    });
    return found;
  }

  it('takes a pattern in the last part of a path', async () => {
    const a = await start();
    const b = await start();
    symlinkSync(`/proc/${a.pid}/ns/net`, join(dir, 'box-1'));
    symlinkSync(`/proc/${b.pid}/ns/net`, join(dir, 'box-2'));
    symlinkSync('/nowhere', join(dir, 'box-3'));
    expect(findNetns([`${dir}/box-*`]).map(({ name }) => name)).toEqual([
      join(dir, 'box-1'),
      join(dir, 'box-2'),
    ]);
    expect(findNetns([`${dir}/box-*`, `!pid:${a.pid}`]).map(({ name }) => name)).toEqual([
      join(dir, 'box-2'),
    ]);
    expect(findNetns([`${dir}/nothing/*`])).toEqual([]);
  });

  it('looks for the others when a path cannot be looked at, and says why', () => {
    const a = lab.add('other');
    symlinkSync(join(dir, 'loop'), join(dir, 'loop'));
    const discovery = new NetnsDiscovery([a, join(dir, 'loop'), `${dir}/loop/*`]);
    expect(discovery.find().map(({ name }) => name)).toEqual([a]);
    expect(discovery.errors.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^stat .*loop: ELOOP/),
      expect.stringMatching(/^ELOOP/),
    ]);
    expect(() => findNetns([join(dir, 'loop')])).toThrow(/^stat .*loop: ELOOP/);
  });

  it('says which selectors choose nothing yet', () => {
    const a = lab.add('there');
    const discovery = new NetnsDiscovery([
      a,
      'nsd-none',
      'nsd-none*',
      '/nsd/none',
      'pid:4194304',
      'any',
      'newly',
    ]);
    discovery.find();
    expect(discovery.missing).toEqual(['nsd-none', 'nsd-none*', '/nsd/none', 'pid:4194304']);
  });

  it('reports one that comes and goes with its process within a second', async () => {
    const events: string[] = [];
    const watcher = new NetnsWatcher(['processes'], {
      changed(added, removed) {
        for (const { id } of removed) events.push(`- ${id}`);
        for (const { id } of added) events.push(`+ ${id}`);
      },
      looked() {},
      error(error) {
        throw error;
      },
    });
    try {
      watcher.scan();
      const own = await start();
      const { inode } = own;
      const mine = (): string[] =>
        events.filter((text) => text.endsWith(`:${inode}`)).map((text) => text[0]!);
      await until('it comes', () => mine().length === 1);
      await own.stop();
      await until('it goes', () => mine().length === 2);
      expect(mine()).toEqual(['+', '-']);
    } finally {
      watcher.close();
    }
  });

  const noCgroups = 'missing' in cgroups ? cgroups.missing : null;
  it.skipIf(noCgroups !== null)(
    `labels a container by its cgroup, and keeps the label when its first process ends${noCgroups ? ` (${noCgroups})` : ''}`,
    async () => {
      const id = randomBytes(32).toString('hex');
      const label = `docker:${id.slice(0, 12)}`;
      const cgroup = new Cgroup((cgroups as { folder: string }).folder, `docker-${id}.scope`);
      try {
        const first = await start();
        const second = await start(first);
        cgroup.add(second.pid);
        expect(of(findNetns(['processes']), first)!.name).toBe(label);
        cgroup.add(first.pid);
        expect(findNetns([label, 'docker:none']).map(({ name }) => name)).toEqual([label]);
        expect(findNetns([`docker:${id}`]).map(({ name }) => name)).toEqual([label]);
        const discovery = new NetnsDiscovery(['docker:*']);
        expect(of(discovery.find(), first)!.name).toBe(label);
        // Somebody who looks into the container from outside, and stays.
        const visitor = await start(first);
        await first.stop();
        await second.stop();
        await until('only the visitor is left', () => of(discovery.find(), visitor)?.processes.length === 1);
        expect(of(discovery.find(), visitor)!.name).toBe(label);
      } finally {
        for (const own of started.splice(0)) await own.stop();
        await cgroup.close();
      }
    },
  );
});

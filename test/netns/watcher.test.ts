import { existsSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { findNetns } from '../../daemon/netns/discovery.ts';
import { globRegExp } from '../../daemon/netns/glob.ts';
import { LinkWatcher } from '../../daemon/netns/link-watcher.ts';
import { NetnsWatcher } from '../../daemon/netns/watcher.ts';
import { Lab, labMissing, until } from '../kernel/lab.ts';

describe('globRegExp', () => {
  it.each([
    ['veth0', 'veth*', true],
    ['eth0', 'veth*', false],
    ['veth0', 'veth?', true],
    ['veth10', 'veth?', false],
    ['a.b', 'a.b', true],
    ['axb', 'a.b', false],
    ['eth3', 'eth[0-3]', true],
    ['eth4', 'eth[0-3]', false],
    ['eth4', 'eth[!0-3]', true],
    ['a]', 'a[]]', true],
    ['a[b', 'a[b', true],
    ['a+b(c)', 'a+b(c)', true],
    ['br-1', '*', true],
    ['^', '[^]', true],
  ])('%s against %s: %s', (name, pattern, expected) => {
    expect(globRegExp(pattern).test(name)).toBe(expected);
  });
});

const missing = labMissing();

describe.skipIf(missing !== null)(`namespaces of the live kernel${missing ? ` (${missing})` : ''}`, () => {
  const lab = new Lab('watch');
  afterAll(() => lab.close());

  it('finds namespaces by name, pattern and path, each once', () => {
    const a = lab.add('find1');
    const b = lab.add('find2');
    const byName = findNetns([a]);
    expect(byName.map((n) => n.name)).toEqual([a]);
    expect(byName[0]!.id).toMatch(/^\d+:\d+$/);
    expect(findNetns([a.replace(/find1$/, 'find*')]).map((n) => n.name)).toEqual([a, b]);
    expect(findNetns([`/run/netns/${b}`, b]).map((n) => n.name)).toEqual([b]);
    const any = findNetns(['any']).map((n) => n.name);
    expect(any[0]).toBe('host');
    expect(any).toEqual(expect.arrayContaining([a, b]));
    expect(findNetns(['nsd-not-there', '/run/netns/nsd-not-there'])).toEqual([]);
    expect(findNetns(['host'])).toHaveLength(1);
  });

  it('reports a namespace that comes, goes, and comes back under its name as another', async () => {
    const events: string[] = [];
    const ids: string[] = [];
    let name = '';
    const watcher = new NetnsWatcher(['*'], {
      changed(added, removed) {
        for (const netns of removed.filter((n) => n.name === name)) events.push(`- ${netns.id}`);
        for (const netns of added.filter((n) => n.name === name)) {
          events.push(`+ ${netns.id}`);
          ids.push(netns.id);
        }
      },
      looked() {},
      error(error) {
        throw error;
      },
    });
    try {
      watcher.scan();
      name = lab.add('come');
      await until('it comes', () => events.length === 1);
      lab.remove(name);
      await until('it goes', () => events.length === 2);
      expect(events).toEqual([`+ ${ids[0]}`, `- ${ids[0]}`]);
      lab.add('come');
      await until('it comes again', () => events.length === 3);
      expect(events[2]).toBe(`+ ${ids[1]}`);
    } finally {
      watcher.close();
    }
  });

  it('follows the interfaces of a namespace by the notifications of the kernel', async () => {
    const a = lab.add('links');
    let changes = 0;
    const watcher = new LinkWatcher(findNetns([a])[0]!, {
      changed() {
        changes++;
      },
      error(error) {
        throw error;
      },
    });
    try {
      const names = (): string[] => [...watcher.links.values()].map((link) => link.name).sort();
      expect(names()).toEqual(['lo']);
      lab.ip(a, 'link add v0 type veth peer name v1');
      await until('the pair', () => names().length === 3);
      expect(names()).toEqual(['lo', 'v0', 'v1']);
      expect([...watcher.links.values()].find((link) => link.name === 'lo')).toEqual({
        ifIndex: 1,
        name: 'lo',
        arpType: 772,
        flags: expect.any(Number),
      });
      lab.ip(a, 'link set v0 name w0');
      await until('the new name', () => names().includes('w0'));
      lab.ip(a, 'link del w0');
      await until('the pair is gone', () => names().length === 1);
      expect(changes).toBeGreaterThan(2);
    } finally {
      watcher.close();
    }
  });

  it('lets a removed namespace go when it is closed: its veth peer disappears', async () => {
    const a = lab.add('gone');
    const b = lab.add('stay');
    lab.veth(a, 'v0', null, b, 'v0', null);
    const watcher = new LinkWatcher(findNetns([a])[0]!, { changed() {}, error() {} });
    lab.remove(a);
    expect(existsSync(`/run/netns/${a}`)).toBe(false);
    expect(lab.ip(b, 'link show')).toContain('v0');
    watcher.close();
    await until('the peer disappears', () => !lab.ip(b, 'link show').includes('v0'));
    expect(lab.ip(b, 'link show')).not.toContain('v0');
  });
});

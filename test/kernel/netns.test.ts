import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listInterfaces } from '../../daemon/kernel/interfaces.ts';
import { NetlinkSocket, openNetlinkFd, openNetlinkSocket } from '../../daemon/kernel/netlink-socket.ts';
import { HOST_NETNS, listNetns, openNetns, StaleNetnsError, withNetns } from '../../daemon/kernel/netns.ts';
import { NetlinkClient } from '../../daemon/netlink/dump.ts';
import { dumpRouting } from '../../daemon/netlink/rtnetlink.ts';
import { Lab, labMissing, until } from './lab.ts';

const missing = labMissing();
const here = fileURLToPath(new URL('.', import.meta.url));

const names = (): string[] => listInterfaces().map(({ name }) => name);

describe.skipIf(missing !== null)(`namespaces${missing === null ? '' : ` (${missing})`}`, () => {
  const lab = new Lab('ns');
  let name: string;
  const opened: { close(): void }[] = [];
  const keep = <T extends { close(): void }>(resource: T): T => {
    opened.push(resource);
    return resource;
  };

  beforeAll(() => {
    name = lab.add('a');
    lab.ip(name, 'link add inside type veth peer name inside2');
  });

  afterAll(() => {
    for (const resource of opened) resource.close();
    lab.close();
  });

  test('a function runs inside, and the thread comes back', () => {
    const handle = keep(openNetns(name));
    const outside = names();
    expect(withNetns(handle, names)).toEqual(expect.arrayContaining(['lo', 'inside', 'inside2']));
    expect(outside).not.toContain('inside');
    expect(names()).toEqual(outside);
  });

  test('the thread comes back when the function throws', () => {
    const handle = keep(openNetns(name));
    const outside = names();
    expect(() =>
      withNetns(handle, () => {
        throw new Error('in there');
      }),
    ).toThrow('in there');
    expect(names()).toEqual(outside);
  });

  test('nested calls come back one step at a time', () => {
    const other = lab.add('nested');
    lab.ip(other, 'link add deeper type veth peer name deeper2');
    const a = keep(openNetns(name));
    const b = keep(openNetns(other));
    const seen = withNetns(a, () => [withNetns(b, names), names()]);
    expect(seen[0]).toContain('deeper');
    expect(seen[1]).toContain('inside');
    expect(names()).not.toContain('inside');
  });

  test('host, asked for within another namespace, is still where the thread started', () => {
    const outer = keep(openNetns(HOST_NETNS));
    const inner = withNetns(keep(openNetns(name)), () => keep(openNetns(HOST_NETNS)));
    expect(inner.id).toBe(outer.id);
    expect(inner.id).not.toBe(keep(openNetns(name)).id);
  });

  test('an asynchronous function is refused, after the thread came back', () => {
    const outside = names();
    expect(() => withNetns(keep(openNetns(name)), () => Promise.resolve(1))).toThrow(TypeError);
    expect(names()).toEqual(outside);
  });

  test('another thread stays where it is', async () => {
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads');
       const { readlinkSync } = require('node:fs');
       parentPort.on('message', () => parentPort.postMessage(readlinkSync('/proc/thread-self/ns/net')));
       parentPort.postMessage('ready');`,
      { eval: true },
    );
    await once(worker, 'message');
    const handle = keep(openNetns(name));
    withNetns(handle, () => worker.postMessage('where'));
    const [where] = await once(worker, 'message');
    await worker.terminate();
    expect(where).toBe(`net:[${keep(openNetns(HOST_NETNS)).id.split(':')[1]}]`);
  });

  test('a socket that was opened inside stays inside', () => {
    const socket = keep(openNetlinkSocket(keep(openNetns(name))));
    const dump = dumpRouting(new NetlinkClient(socket), name);
    expect(dump.links.map((link) => link.name)).toEqual(expect.arrayContaining(['inside', 'inside2']));
  });

  test('a socket can be taken over by its descriptor', () => {
    const fd = openNetlinkFd(keep(openNetns(name)));
    const socket = keep(new NetlinkSocket(fd));
    expect(socket.portId).toBeGreaterThan(0);
    expect(dumpRouting(new NetlinkClient(socket), name).links.length).toBe(3);
  });

  test('a namespace made anew under its name is another', () => {
    const again = lab.add('again');
    const before = keep(openNetns(again));
    lab.remove(again);
    lab.add('again');
    expect(keep(openNetns(again)).id).not.toBe(before.id);
  });

  test('a handle keeps a deleted namespace with its devices; closed, they go', async () => {
    const left = lab.add('left');
    const right = lab.add('right');
    lab.ip(left, `link add left0 type veth peer name right0 netns ${right}`);
    const has = (): boolean => lab.ip(left, '-br link').includes('left0@');
    const handle = openNetns(right);
    lab.remove(right);
    // The kernel takes a namespace down by a worker: what does not happen needs a moment to not happen.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(has()).toBe(true);
    handle.close();
    await until('the peer disappears', () => !has());
  });

  test('a socket keeps a deleted namespace too', async () => {
    const left = lab.add('left2');
    const right = lab.add('right2');
    lab.ip(left, `link add left0 type veth peer name right0 netns ${right}`);
    const has = (): boolean => lab.ip(left, '-br link').includes('left0@');
    const handle = openNetns(right);
    const socket = openNetlinkSocket(handle);
    handle.close();
    lab.remove(right);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(has()).toBe(true);
    socket.close();
    await until('the peer disappears', () => !has());
  });

  test('a stale file is listed as stale, and opening it says so', () => {
    const stale = `nsb-stale-${process.pid}`;
    if (!existsSync('/run/netns')) mkdirSync('/run/netns');
    writeFileSync(`/run/netns/${stale}`, '');
    try {
      const entry = listNetns().find((found) => found.name === stale);
      expect(entry).toMatchObject({ id: null, stale: expect.stringContaining('no network namespace') });
      expect(listNetns().find((found) => found.name === name)).toMatchObject({
        id: keep(openNetns(name)).id,
        stale: null,
      });
      expect(() => openNetns(stale)).toThrow(StaleNetnsError);
    } finally {
      rmSync(`/run/netns/${stale}`);
    }
  });

  test('a name that is not there says so', () => {
    expect(() => openNetns('nsb-nowhere')).toThrow('open /run/netns/nsb-nowhere: ENOENT');
  });

  test('closing twice closes once', () => {
    const handle = openNetns(name);
    handle.close();
    handle.close();
    expect(() => closeSync(handle.fd)).toThrow('EBADF');
  });

  test('to be where one is takes no privilege, to go elsewhere does', () => {
    const { status, stderr, stdout } = spawnSync(process.execPath, ['netns-unprivileged-child.ts', name], {
      cwd: here,
      encoding: 'utf8',
    });
    expect(stdout).toBe('true\n');
    expect(stderr).toContain(`setns /run/netns/${name}: EPERM`);
    expect(status).toBe(1);
  });

  test('a thread that cannot come back ends', () => {
    const { status, stderr, stdout } = spawnSync(process.execPath, ['netns-lost-child.ts', name], {
      cwd: here,
      encoding: 'utf8',
    });
    expect(stderr).toContain('setns back from');
    expect(stderr).toContain('EBADF');
    expect(stdout).toBe('');
    expect(status).toBe(1);
  });
});

import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { POLLHUP, POLLIN, POLLNVAL } from '../../daemon/kernel/constants.ts';
import { SyscallError } from '../../daemon/kernel/errors.ts';
import { openEvent, signalEvent, takeEvent } from '../../daemon/kernel/eventfd.ts';
import { detach, NativeMemory } from '../../daemon/kernel/native-memory.ts';
import { PollSet } from '../../daemon/kernel/poll.ts';
import { openScmPair } from '../../daemon/kernel/scm.ts';

describe('poll over descriptors', () => {
  const poll = new PollSet();
  const events = Array.from({ length: 40 }, openEvent);
  afterAll(() => {
    poll.close();
    for (const fd of events) closeSync(fd);
  });

  it('tells which of many descriptors is ready, also past its first size', () => {
    poll.clear();
    const at = events.map((fd) => poll.add(fd, POLLIN));
    expect(poll.wait(0)).toBe(0);
    signalEvent(events[3]!);
    signalEvent(events[39]!);
    expect(poll.wait(1000)).toBe(2);
    expect(at.filter((i) => poll.revents(i) === POLLIN)).toEqual([3, 39]);
    expect([takeEvent(events[3]!), takeEvent(events[3]!), takeEvent(events[39]!)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(poll.wait(0)).toBe(0);
    expect(at.some((i) => poll.revents(i) !== 0)).toBe(false);
  });

  it('rests but for its first descriptor, and keeps what it has seen', () => {
    poll.clear();
    const [first, second] = [events[5]!, events[6]!];
    const at = [poll.add(first, POLLIN), poll.add(second, POLLIN)];
    signalEvent(second);
    expect(poll.wait(0)).toBe(1);
    poll.rest(1);
    expect(at.map((i) => poll.revents(i))).toEqual([0, POLLIN]);
    signalEvent(first);
    poll.rest(2 ** 30);
    expect(at.map((i) => poll.revents(i))).toEqual([0, POLLIN]);
    expect([takeEvent(first), takeEvent(second)]).toEqual([true, true]);
  });

  it('reports a peer that is gone and a descriptor that is closed', () => {
    const [a, b] = openScmPair();
    closeSync(b);
    poll.clear();
    const gone = poll.add(a, POLLIN);
    const closed = poll.add(b, POLLIN);
    expect(poll.wait(1000)).toBe(2);
    expect(poll.revents(gone) & POLLHUP).toBe(POLLHUP);
    expect(poll.revents(closed)).toBe(POLLNVAL);
    closeSync(a);
  });

  it('is woken from another thread by an eventfd', async () => {
    const fd = openEvent();
    const back = openEvent();
    const module = new URL('../../daemon/kernel/', import.meta.url).href;
    const worker = new Worker(
      `import { PollSet } from '${module}poll.ts';
       import { signalEvent, takeEvent } from '${module}eventfd.ts';
       const poll = new PollSet();
       poll.add(${fd}, 1);
       for (let i = 0; i < 100; i++) { while (poll.wait(-1) === 0); takeEvent(${fd}); signalEvent(${back}); }`,
      { eval: true, execArgv: ['--input-type=module'] },
    );
    const failed = new Promise((_, reject) => worker.once('error', reject));
    await Promise.race([failed, new Promise((resolve) => worker.once('online', resolve))]);
    poll.clear();
    poll.add(back, POLLIN);
    let answers = 0;
    for (let i = 0; i < 100; i++) {
      signalEvent(fd);
      while (poll.wait(10_000) === 0);
      if (takeEvent(back)) answers++;
    }
    await new Promise((resolve) => worker.once('exit', resolve));
    expect(answers).toBe(100);
    closeSync(fd);
    closeSync(back);
  });

  it('fails with the errno of a descriptor that is none', () => {
    expect(() => signalEvent(-1)).toThrow(SyscallError);
    expect(() => takeEvent(-1)).toThrow(/EBADF/);
  });
});

describe('memory outside of the heap', () => {
  it('reads nothing after it was closed', () => {
    const memory = new NativeMemory(64);
    memory.bytes[3] = 7;
    expect(memory.view.getUint8(3)).toBe(7);
    memory.close();
    memory.close();
    expect(memory.bytes.length).toBe(0);
    expect(() => memory.view.getUint8(3)).toThrow(TypeError);
  });

  it('detaches a buffer once', () => {
    const buffer = new ArrayBuffer(8);
    detach(buffer);
    detach(buffer);
    expect(buffer.detached).toBe(true);
  });
});

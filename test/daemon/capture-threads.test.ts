import { EventEmitter } from 'node:events';
import { closeSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { CaptureOpen, CaptureReply, CaptureRequest } from '../../daemon/capture/capture-messages.ts';
import { CaptureThreads, shareOf } from '../../daemon/capture-threads.ts';
import { openEvent, takeEvent } from '../../daemon/kernel/eventfd.ts';
import type { CaptureCounters, CaptureInfo, ThreadLoad } from '../../storage/messages.ts';

class FakeWorker extends EventEmitter {
  readonly requests: CaptureRequest[] = [];

  postMessage(request: CaptureRequest): void {
    this.requests.push(request);
  }

  takeRequests(): CaptureRequest[] {
    return this.requests.splice(0);
  }
}

const info = (index: number): CaptureInfo => ({ index, interface: `v${index}` }) as CaptureInfo;
const counters = (packets: number): CaptureCounters =>
  ({ packets, received: packets + 1 }) as CaptureCounters;
const load = (queued: number): ThreadLoad => ({ queued, queueSize: 64, cpuNs: 5 });
const open = (fd: number): CaptureOpen => ({ kind: 'ring', fd }) as CaptureOpen;

describe('capture threads as one', () => {
  const fds: number[] = [];
  afterAll(() => {
    for (const fd of fds) closeSync(fd);
  });

  function setUp(count: number) {
    const workers = Array.from({ length: count }, () => new FakeWorker());
    const threads = workers.map((worker) => ({ worker: worker as never, wakeFd: openEvent() }));
    fds.push(...threads.map(({ wakeFd }) => wakeFd));
    const told: CaptureReply[] = [];
    const all = new CaptureThreads(threads, (reply) => told.push(reply));
    return {
      all,
      workers,
      wakeFds: threads.map(({ wakeFd }) => wakeFd),
      say: (thread: number, reply: CaptureReply) => workers[thread]!.emit('message', reply),
      take: () => told.splice(0),
    };
  }

  test('one thread is told and heard as it is', () => {
    const { all, workers, wakeFds, say, take } = setUp(1);
    all.add({ capture: info(3), opens: [open(8)] });
    expect(workers[0]!.takeRequests()).toEqual([{ type: 'add', capture: info(3), open: open(8) }]);
    expect(takeEvent(wakeFds[0]!)).toBe(true);
    for (const reply of [
      { type: 'opened', captureIndex: 3, linkType: 1 },
      { type: 'counters', counters: [{ captureIndex: 3, counters: counters(1) }], load: load(1) },
      { type: 'ended', captureIndex: 3, reason: 'gone' },
      { type: 'alive' },
      { type: 'stopped' },
    ] as CaptureReply[]) {
      say(0, reply);
      expect(take()).toEqual([reply]);
    }
  });

  test('a capture is open when all have opened it, counts what all count, and ends when all have let it go', () => {
    const { all, workers, say, take } = setUp(2);
    all.add({ capture: info(0), opens: [open(8), open(9)] });
    expect(workers.map((worker) => worker.takeRequests())).toEqual(
      [8, 9].map((fd) => [{ type: 'add', capture: { ...info(0), sharedBy: 2 }, open: open(fd) }]),
    );
    say(0, { type: 'opened', captureIndex: 0, linkType: 1 });
    expect(take()).toEqual([]);
    say(1, { type: 'opened', captureIndex: 0, linkType: 1 });
    expect(take()).toHaveLength(1);
    say(0, { type: 'counters', counters: [{ captureIndex: 0, counters: counters(10) }], load: load(1) });
    say(1, { type: 'counters', counters: [{ captureIndex: 0, counters: counters(5) }], load: load(2) });
    expect(take().at(-1)).toEqual({
      type: 'counters',
      counters: [{ captureIndex: 0, counters: { packets: 15, received: 17 } }],
      load: { queued: 3, queueSize: 128, cpuNs: 10 },
    });
    say(1, { type: 'ended', captureIndex: 0, reason: 'interface removed', counters: counters(6) });
    expect(take()).toEqual([]);
    expect(workers[0]!.takeRequests()).toEqual([
      { type: 'remove', captureIndex: 0, reason: 'interface removed' },
    ]);
    say(0, { type: 'ended', captureIndex: 0, reason: 'removed', counters: counters(11) });
    expect(take()).toEqual([
      {
        type: 'ended',
        captureIndex: 0,
        reason: 'interface removed',
        counters: { packets: 17, received: 19 },
      },
    ]);
  });

  test('one that a thread cannot open has failed when the others have let it go', () => {
    const { all, workers, say, take } = setUp(2);
    all.add({ capture: info(0), opens: [open(8), open(9)] });
    say(0, { type: 'opened', captureIndex: 0, linkType: 1 });
    say(1, { type: 'failed', captureIndex: 0, reason: 'mmap: ENOMEM' });
    expect(workers[0]!.takeRequests().at(-1)).toMatchObject({ type: 'remove', captureIndex: 0 });
    expect(take()).toEqual([]);
    say(0, { type: 'ended', captureIndex: 0, reason: 'mmap: ENOMEM' });
    expect(take()).toEqual([{ type: 'failed', captureIndex: 0, reason: 'mmap: ENOMEM' }]);
  });

  test('a renamed one goes on in all, or ends in all', () => {
    const { all, workers, say, take } = setUp(2);
    all.add({ capture: info(0), opens: [open(8), open(9)] });
    for (const thread of [0, 1]) say(thread, { type: 'opened', captureIndex: 0, linkType: 1 });
    take();
    for (const worker of workers) worker.takeRequests();
    all.send({ type: 'rename', captureIndex: 0, capture: info(1) });
    expect(workers[1]!.takeRequests()).toEqual([
      { type: 'rename', captureIndex: 0, capture: { ...info(1), sharedBy: 2 } },
    ]);
    say(0, { type: 'renamed', captureIndex: 0, counters: counters(1) });
    say(0, { type: 'opened', captureIndex: 1, linkType: 1 });
    // The other had lost it by itself.
    say(1, { type: 'ended', captureIndex: 0, reason: 'interface removed', counters: counters(2) });
    say(1, { type: 'failed', captureIndex: 1, reason: 'it has ended by itself' });
    expect(take()).toEqual([{ type: 'renamed', captureIndex: 0, counters: { packets: 3, received: 5 } }]);
    expect(workers[0]!.takeRequests().at(-1)).toMatchObject({ type: 'remove', captureIndex: 1 });
    say(0, { type: 'ended', captureIndex: 1, reason: 'it has ended by itself' });
    expect(take()).toMatchObject([{ type: 'failed', captureIndex: 1 }]);
  });

  test('they live, and are drained, when all are; one alone can be asked', () => {
    const { all, workers, say, take } = setUp(3);
    for (const type of ['alive', 'stopped'] as const) {
      say(0, { type });
      say(1, { type });
      expect(take()).toEqual([]);
      say(2, { type });
      expect(take()).toEqual([{ type }]);
    }
    all.send({ type: 'count', request: 7 }, 1);
    expect(workers.map(({ requests }) => requests.length)).toEqual([0, 1, 0]);
    all.send({ type: 'stop' });
    expect(workers.map(({ requests }) => requests.length)).toEqual([1, 2, 1]);
    expect(() => all.add({ capture: info(5), opens: [open(1)] })).toThrow('1 sources for 3 capture threads');
  });

  test('what they share adds up', () => {
    for (const total of [0, 1, 10, 1_000_000])
      for (const threads of [1, 2, 3, 16]) {
        const shares = Array.from({ length: threads }, (_, thread) => shareOf(total, thread, threads));
        expect(shares.reduce((a, b) => a + b)).toBe(total);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }
  });
});

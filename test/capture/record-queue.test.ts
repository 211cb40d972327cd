import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { RecordQueue } from '../../daemon/capture/record-queue.ts';
import { RouteTagger } from '../../daemon/capture/route-tag.ts';
import { RouteEngine } from '../../daemon/routes/engine.ts';
import { snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { BatchPool, createBatchPool } from '../../storage/batch-pool.ts';
import { type StorageRequest, zeroCounters } from '../../storage/messages.ts';
import { captureInfo } from '../storage/records.ts';
import { frame } from '../support/frames.ts';

const CAPACITY = 8;
const BATCHES = 4;

function setUp() {
  const pool = createBatchPool(CAPACITY, BATCHES);
  const { port1, port2 } = new MessageChannel();
  const tagger = new RouteTagger();
  const queue = new RecordQueue(new BatchPool(pool), port1, tagger, false);
  const storage = new BatchPool(pool);
  /** What has arrived at storage. */
  const arrived = (): StorageRequest[] => {
    const requests: StorageRequest[] = [];
    for (let m = receiveMessageOnPort(port2); m !== undefined; m = receiveMessageOnPort(port2))
      requests.push(m.message);
    return requests;
  };
  /** Writes a record. @returns false when it is shed */
  const put = (): boolean => {
    const batch = queue.batch();
    if (batch === null) return false;
    batch.count++;
    return true;
  };
  /** Writes a route change. @returns false when it is shed */
  const change = (): boolean => {
    const batch = queue.changes();
    if (batch === null) return false;
    batch.changeCount++;
    return true;
  };
  const close = (): void => port1.close();
  return { queue, tagger, storage, arrived, put, change, close };
}

describe('the queue to storage', () => {
  test('while storage is behind, few records a tick do not use up the batches', () => {
    const { queue, put, close } = setUp();
    let kept = 0;
    for (let tick = 0; tick < 100 && put(); tick++) {
      kept++;
      queue.flushIfTaken();
    }
    // Half of the batches went out early, holding one record each; the rest is filled.
    expect(kept).toBe(BATCHES / 2 + (BATCHES / 2) * CAPACITY);
    close();
  });

  test('once storage has caught up, every tick hands over what there is', () => {
    const { queue, storage, arrived, put, close } = setUp();
    for (let tick = 0; tick < 100; tick++) {
      expect(put()).toBe(true);
      queue.flushIfTaken();
      const [request, ...more] = arrived();
      expect([request?.type, more]).toEqual(['batch', []]);
      if (request?.type !== 'batch') throw new Error('no batch');
      expect(storage.batch(request.batch).count).toBe(1);
      storage.release(request.batch);
    }
    close();
  });

  test('records of little value leave a quarter of the batches to the others', () => {
    const { queue, put, close } = setUp();
    let spare = 0;
    for (let batch = queue.batch(true); batch !== null && spare < 100; batch = queue.batch(true)) {
      batch.count++;
      spare++;
    }
    expect(spare).toBe(0.75 * BATCHES * CAPACITY);
    let others = 0;
    while (put()) others++;
    expect(others).toBe(0.25 * BATCHES * CAPACITY);
    close();
  });

  test('while it drains it waits for storage, and gives up when that takes nothing', () => {
    const { queue, storage, arrived, put, close } = setUp();
    for (let i = 0; i < BATCHES * CAPACITY; i++) expect(put()).toBe(true);
    expect(put()).toBe(false);
    queue.drain(50);
    const [first] = arrived().flatMap((request) => (request.type === 'batch' ? [request.batch] : []));
    storage.release(first!);
    for (let i = 0; i < CAPACITY; i++) expect(put()).toBe(true);
    const start = performance.now();
    expect([put(), put(), put()]).toEqual([false, false, false]);
    const waited = performance.now() - start;
    expect(waited).toBeGreaterThan(45);
    expect(waited).toBeLessThan(1000); // once, not each time
    close();
  });

  test('a full queue sheds, and goes on once a batch is released', () => {
    const { storage, arrived, put, close } = setUp();
    for (let i = 0; i < BATCHES * CAPACITY; i++) expect(put()).toBe(true);
    expect([put(), put()]).toEqual([false, false]);
    const batches = arrived().flatMap((request) => (request.type === 'batch' ? [request.batch] : []));
    expect(batches).toHaveLength(BATCHES);
    storage.release(batches[0]!);
    expect(put()).toBe(true);
    close();
  });

  test('route changes travel with the records, whichever fills a batch', () => {
    const { queue, storage, arrived, put, change, close } = setUp();
    const sent: number[][] = [];
    const handOver = (): void => {
      for (const request of arrived()) {
        if (request.type !== 'batch') continue;
        const { count, changeCount } = storage.batch(request.batch);
        sent.push([count, changeCount]);
        storage.release(request.batch);
      }
    };
    for (let i = 0; i < 3; i++) expect([put(), change()]).toEqual([true, true]);
    for (let i = 0; i < CAPACITY - 2; i++) expect(change()).toBe(true); // one more than there is room for
    handOver();
    for (let i = 0; i < CAPACITY + 1; i++) expect(put()).toBe(true);
    queue.flush();
    handOver();
    expect(sent).toEqual([
      [3, CAPACITY],
      [CAPACITY, 1],
      [1, 0],
    ]);
    close();
  });

  test('route changes without number are shed when they fill half of the batches, and records find room in the rest', () => {
    const { storage, arrived, put, change, close } = setUp();
    let kept = 0;
    for (let i = 0; i < 1000; i++) if (change()) kept++;
    // Half of them are with storage; the one that is full of changes still takes records.
    expect(kept).toBe((BATCHES / 2 + 1) * CAPACITY);
    for (let i = 0; i < (BATCHES / 2) * CAPACITY; i++) expect(put()).toBe(true);
    expect(put()).toBe(false);
    expect(change()).toBe(false);
    for (const request of arrived()) if (request.type === 'batch') storage.release(request.batch);
    expect([put(), change()]).toEqual([true, true]);
    close();
  });

  test('each decision is announced once, numbered in one row over the batches, before the batch that points at it', () => {
    const { queue, tagger, storage, arrived, put, close } = setUp();
    tagger.setCapture(0, '', 0);
    const f = new PacketFields();
    const tag = (dst: string): number => {
      const bytes = frame({ proto: 'udp', dst });
      const view = new DataView(bytes.buffer);
      f.linkType = 1;
      f.wireLen = bytes.length;
      decodePacket(view, 0, bytes.length, f);
      return tagger.tag(view, f);
    };
    const announced: unknown[] = [];
    const used: number[] = [];
    const handOver = (): void => {
      put();
      queue.flush();
      for (const request of arrived()) {
        if (request.type === 'decisions') {
          expect(request.base).toBe(announced.length);
          announced.push(...request.list);
        } else if (request.type === 'batch') {
          for (const number of used) expect(number).toBeLessThan(announced.length);
          storage.release(request.batch);
        }
      }
    };
    used.push(tag('10.9.0.1'));
    handOver();
    for (let change = 0; change < 3; change++) {
      const routes = `10.9.0.0/16 via 10.0.0.${change + 1} dev eth0\n10.0.0.0/8 dev eth0\n`;
      tagger.setRoutes('', new RouteEngine(snapshotOfRoutes(routes, 'test')));
      used.push(tag('10.9.0.1'), tag('10.8.0.1'), tag('10.9.0.2'));
      handOver();
      handOver();
    }
    expect(new Set(announced.map((decision) => JSON.stringify(decision))).size).toBe(announced.length);
    expect(announced.length).toBe(new Set(used).size);
    expect(announced.length).toBeGreaterThanOrEqual(4);
    close();
  });

  test('tells all counters of a capture that threads share: until when each has counted is told with them', () => {
    const { queue, arrived, close } = setUp();
    queue.capture(captureInfo(0, { sharedBy: 2 }));
    const tell = (): boolean => queue.counters(0, zeroCounters(), null, false);
    expect([tell(), tell()]).toEqual([true, true]);
    expect(arrived().filter(({ type }) => type === 'counters')).toHaveLength(2);
    close();
  });

  test('tells counters that are others than before, and the load when it is due or the queue has another length', () => {
    const { queue, arrived, storage, put, close } = setUp();
    const tell = (packets: number, final = false): boolean =>
      queue.counters(0, { ...zeroCounters(), packets }, null, final);
    expect([tell(0), tell(0), tell(1), tell(1), tell(1, true), tell(1)]).toEqual([
      true,
      false,
      true,
      false,
      true,
      true,
    ]);
    expect(arrived().map(({ type }) => type)).toEqual(Array(4).fill('counters'));
    queue.load(1, true);
    expect(queue.load(2, false)).toEqual({ queued: 0, queueSize: BATCHES, cpuNs: 2 });
    expect(arrived()).toHaveLength(1);
    put();
    queue.flush();
    queue.load(3, false);
    queue.load(4, false);
    expect(arrived().map(({ type }) => type)).toEqual(['batch', 'load']);
    storage.release(0);
    queue.load(5, false);
    expect(arrived()).toEqual([{ type: 'load', load: { queued: 0, queueSize: BATCHES, cpuNs: 5 } }]);
    close();
  });
});

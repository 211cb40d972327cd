import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { BatchPool, createBatchPool } from '../../storage/batch-pool.ts';

describe('BatchPool', () => {
  test('hands out every batch once, and -1 when none is free', () => {
    const pool = new BatchPool(createBatchPool(8, 3));
    expect([pool.acquire(), pool.acquire(), pool.acquire()].sort()).toEqual([0, 1, 2]);
    expect(pool.acquire()).toBe(-1);
    pool.release(1);
    expect(pool.acquire()).toBe(1);
  });

  test('shows the same records on both sides', () => {
    const shared = createBatchPool(8, 2);
    const capture = new BatchPool(shared);
    const storage = new BatchPool(shared);
    capture.batch(1).columns.packetsFwd[3] = 2 ** 53 - 1;
    capture.batch(1).count = 4;
    expect(storage.batch(1).columns.packetsFwd[3]).toBe(2 ** 53 - 1);
    expect(storage.batch(1).count).toBe(4);
    expect(storage.batch(0).count).toBe(0);
  });

  test('waits in vain for a batch that nobody releases', () => {
    const pool = new BatchPool(createBatchPool(8, 1));
    expect(pool.acquireWait(0)).toBe(0);
    expect(pool.acquireWait(5)).toBe(-1);
  });

  test('wakes a sleeping thread when another releases', async () => {
    const shared = createBatchPool(8, 1);
    const pool = new BatchPool(shared);
    pool.acquire();
    const source = `
      const { workerData, parentPort } = require('node:worker_threads');
      import(workerData.module).then(({ BatchPool }) => {
        const pool = new BatchPool(workerData.shared);
        parentPort.postMessage('waiting');
        parentPort.postMessage(pool.acquireWait(30_000));
      });`;
    const module = new URL('../../storage/batch-pool.ts', import.meta.url).href;
    const worker = new Worker(source, { eval: true, workerData: { module, shared } });
    const got = await new Promise((resolve, reject) => {
      worker.on('error', reject);
      worker.on('message', (message) => {
        if (message === 'waiting') pool.release(0);
        else resolve(message);
      });
    });
    expect(got).toBe(0);
    await worker.terminate();
  });

  test('refuses a second release, and numbers that are no batch', () => {
    const pool = new BatchPool(createBatchPool(8, 1));
    expect(() => pool.release(0)).toThrow(/free already/);
    expect(() => pool.release(1)).toThrow(/no batch 1 of 1/);
    expect(() => pool.batch(-1)).toThrow(RangeError);
    expect(() => createBatchPool(8, 0)).toThrow(/at least 1/);
  });
});

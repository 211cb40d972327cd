import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { startStorage } from '../../daemon/storage-worker.ts';
import { createBatchPool } from '../../storage/batch-pool.ts';
import type { StorageRequest } from '../../storage/messages.ts';
import { routeMirrors } from '../../storage/route-counts.ts';
import { decision, TEST_RUN } from '../storage/records.ts';
import { tempDb, withDb } from '../storage/temp-db.ts';

test('storage takes what a thread without batches sends, and is closed only when that one has closed too', async () => {
  const path = tempDb();
  const capture = new MessageChannel();
  const mirror = new MessageChannel();
  const storage = startStorage(
    path,
    TEST_RUN,
    [{ port: capture.port2, pool: createBatchPool(8, 1) }],
    () => {},
  );
  storage.addInlet(mirror.port2); // at once, before the thread has come up
  await storage.ready;
  let isClosed = false;
  const closed = storage.closed.then((totals) => {
    isClosed = true;
    return totals;
  });
  capture.port1.postMessage({ type: 'close' } satisfies StorageRequest);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(isClosed).toBe(false);
  const counts = { netns: 'blue', netnsId: '4:1', resyncs: 1, reloads: 2, applied: 3, interrupted: 4 };
  mirror.port1.postMessage({ type: 'routeMirror', ...counts } satisfies StorageRequest);
  mirror.port1.postMessage({ type: 'close' } satisfies StorageRequest);
  expect(await closed).toEqual({ flows: 0, records: 0 });
  expect(withDb(path, routeMirrors)).toEqual([{ runId: 1, ...counts, shedUpdates: 0 }]);
});

test('storage tells the decisions of the thread that is asked for', async () => {
  const path = tempDb();
  const threads = [new MessageChannel(), new MessageChannel()];
  const inlets = threads.map(({ port2 }) => ({ port: port2, pool: createBatchPool(8, 1) }));
  const storage = startStorage(path, TEST_RUN, inlets, () => {});
  for (const [i, { port1 }] of threads.entries()) {
    const list = [decision({ dev: `v${i}` })];
    port1.postMessage({ type: 'decisions', base: 0, list } satisfies StorageRequest);
    const synced = storage.synced((request) => port1.postMessage({ type: 'sync', request }));
    await synced;
  }
  const devs = async (thread?: number): Promise<(string | null)[]> =>
    (await storage.decisions([0, 1], thread)).map(([, { dev }]) => dev);
  expect([await devs(), await devs(0), await devs(1), await devs(2)]).toEqual([['v0'], ['v0'], ['v1'], []]);
  for (const { port1 } of threads) port1.postMessage({ type: 'close' } satisfies StorageRequest);
  expect(await storage.closed).toEqual({ flows: 0, records: 0 });
});

import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { startStorage } from '../../daemon/storage-worker.ts';
import { createBatchPool } from '../../storage/batch-pool.ts';
import type { StorageRequest } from '../../storage/messages.ts';
import { routeMirrors } from '../../storage/route-counts.ts';
import { TEST_RUN } from '../storage/records.ts';
import { tempDb, withDb } from '../storage/temp-db.ts';

test('storage takes what a thread without batches sends, and is closed only when that one has closed too', async () => {
  const path = tempDb();
  const capture = new MessageChannel();
  const mirror = new MessageChannel();
  const storage = startStorage(path, TEST_RUN, createBatchPool(8, 1), capture.port2, () => {});
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

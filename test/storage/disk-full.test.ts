import { execFileSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { BatchPool, createBatchPool } from '../../storage/batch-pool.ts';
import { StorageError } from '../../storage/errors.ts';
import type { StorageReply } from '../../storage/messages.ts';
import type { StorageThreadData } from '../../storage/storage-thread.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { startParted } from './parted.ts';
import { addRecord, batchOf, captureInfo, TEST_RUN } from './records.ts';
import { readFlows, tempFolder, withDb } from './temp-db.ts';

const isRoot = process.getuid!() === 0;

/** A file system of its own, with room for a small database. */
function smallDisk(): string {
  const folder = tempFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'nstap-test', folder]);
  onTestFinished(() => {
    execFileSync('umount', ['-l', folder]);
  });
  return folder;
}

/** Fills a disk to the last block. @returns the file to remove */
function fill(folder: string): string {
  const { bavail, bsize } = statfsSync(folder);
  const path = join(folder, 'ballast');
  writeFileSync(path, Buffer.alloc(bavail * bsize));
  return path;
}

test.skipIf(!isRoot)(
  'a full disk is told, keeps what was committed, and is written on when there is room (needs root: mount)',
  () => {
    const disk = smallDisk();
    const path = join(disk, 'flows.db');
    const writer = new FlowWriter(path, TEST_RUN);
    const channel = writer.channel();
    writer.write([
      [channel, { type: 'capture', info: captureInfo(0) }],
      [channel, { type: 'batch', batch: batchOf({ seq: 0 }) }],
    ]);
    const ballast = fill(disk);
    const many = batchOf(...Array.from({ length: 2000 }, (_, i) => ({ seq: i + 1 })));
    const requests = [[channel, { type: 'batch', batch: many }]] as const;
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(() => writer.write(requests)).toThrow(StorageError);
      expect(() => writer.write(requests)).toThrow(/commit .*: SQLITE_FULL, .*free space/);
      expect(readFlows(path)).toHaveLength(1);
    }
    rmSync(ballast);
    writer.write(requests);
    writer.close();
    expect(readFlows(path)).toHaveLength(2001);
    expect(withDb(path, (db) => db.pragma('integrity_check', { simple: true }))).toBe('ok');
  },
);

test.skipIf(!isRoot)(
  'a disk that is full in the middle of several files leaves nothing twice (needs root: mount)',
  () => {
    const disk = smallDisk();
    const path = join(disk, 'flows.db');
    const [writer, channel] = startParted(path);
    const ballast = fill(disk);
    const many = batchOf(...Array.from({ length: 2000 }, (_, seq) => ({ seq, capture: 1 })));
    const requests = [
      [channel, { type: 'capture', info: captureInfo(1) }],
      [channel, { type: 'batch', batch: many }],
    ] as const;
    for (let attempt = 0; attempt < 3; attempt++) expect(() => writer.write(requests)).toThrow(/SQLITE_FULL/);
    rmSync(ballast);
    writer.write(requests);
    writer.close();
    expect(readFlows(path)).toHaveLength(2000);
    withDb(path, (db) => {
      expect(db.prepare('SELECT capture_id FROM captures').pluck().all()).toEqual([1, 2]);
      expect(db.prepare('SELECT flows FROM partitions').pluck().all()).toEqual([2000]);
      expect(db.prepare('SELECT flows, records FROM runs').raw().get()).toEqual([2000, 2000]);
    });
  },
);

test.skipIf(!isRoot)('the storage thread waits for room, and loses nothing (needs root: mount)', async () => {
  const disk = smallDisk();
  const path = join(disk, 'flows.db');
  const shared = createBatchPool(2000, 1);
  const pool = new BatchPool(shared);
  const { port1, port2 } = new MessageChannel();
  const workerData: StorageThreadData = {
    dbPath: path,
    run: TEST_RUN,
    inlets: [{ port: port2, pool: shared }],
  };
  const worker = new Worker(new URL('../../storage/storage-thread.ts', import.meta.url), {
    workerData,
    transferList: [port2],
  });
  const replies: StorageReply[] = [];
  let ballast = '';
  await new Promise<void>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', () => resolve());
    worker.on('message', (reply: StorageReply) => {
      replies.push(reply);
      if (reply.type === 'ready') {
        ballast = fill(disk);
        const batch = pool.batch(pool.acquire());
        batch.count = 0;
        for (let seq = 0; seq < 2000; seq++) addRecord(batch, { seq });
        port1.postMessage({ type: 'capture', info: captureInfo(0) });
        port1.postMessage({ type: 'batch', batch: 0 });
      } else if (reply.type === 'error') {
        expect(pool.acquire()).toBe(-1); // what is not on disk is still in its batch
        rmSync(ballast);
      } else if (reply.type === 'recovered') {
        expect(pool.acquire()).toBe(0);
        port1.postMessage({ type: 'close' });
      }
    });
  });
  port1.close();
  expect(replies).toEqual([
    { type: 'ready', runId: 1 },
    {
      type: 'error',
      code: 'SQLITE_FULL',
      message: expect.stringContaining('free space'),
      fatal: false,
      lostRecords: 0,
    },
    { type: 'recovered' },
    { type: 'closed', flows: 2000, records: 2000 },
  ]);
  expect(readFlows(path)).toHaveLength(2000);
});

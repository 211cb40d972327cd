import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { BatchPool, createBatchPool } from '../../storage/batch-pool.ts';
import { type ExperimentChange, readExperiments } from '../../storage/experiments.ts';
import { type StorageReply, type StorageRequest, zeroCounters } from '../../storage/messages.ts';
import { routeAudits } from '../../storage/route-counts.ts';
import { routeUpdatesAt } from '../../storage/route-updates.ts';
import type { StorageInlet } from '../../storage/storage-service.ts';
import type { StorageThreadData, StorageThreadRequest } from '../../storage/storage-thread.ts';
import { until } from '../kernel/lab.ts';
import { addRecord, captureInfo, decision, type RecordSpec, TEST_RUN } from './records.ts';
import { readFlows, tempDb, tempFolder, withDb } from './temp-db.ts';

/** A capture thread's end, played by the test. */
class Capture {
  readonly pool: BatchPool;
  readonly inlet: StorageInlet;
  readonly #port: MessagePort;

  constructor(capacity: number, batches: number) {
    const shared = createBatchPool(capacity, batches);
    const { port1, port2 } = new MessageChannel();
    this.pool = new BatchPool(shared);
    this.inlet = { port: port2, pool: shared };
    this.#port = port1;
  }

  send(request: StorageRequest): void {
    this.#port.postMessage(request);
  }

  /** Waits for a free batch as a capture thread does, and hands it over. */
  batch(...specs: RecordSpec[]): void {
    const index = this.pool.acquireWait(30_000);
    expect(index).toBeGreaterThanOrEqual(0);
    const batch = this.pool.batch(index);
    batch.count = 0;
    for (const spec of specs) addRecord(batch, spec);
    this.send({ type: 'batch', batch: index });
  }

  /** The thread dies. */
  die(): void {
    this.#port.close();
  }
}

function start(
  dbPath: string,
  captures: Capture[],
): { worker: Worker; ended: Promise<[StorageReply[], number]> } {
  const inlets = captures.map(({ inlet }) => inlet);
  const workerData: StorageThreadData = { dbPath, run: TEST_RUN, inlets };
  const worker = new Worker(new URL('../../storage/storage-thread.ts', import.meta.url), {
    workerData,
    transferList: inlets.map(({ port }) => port),
  });
  const replies: StorageReply[] = [];
  const ended = new Promise<[StorageReply[], number]>((resolve, reject) => {
    worker.on('message', (reply: StorageReply) => replies.push(reply));
    worker.on('error', reject);
    worker.on('exit', (code) => resolve([replies, code]));
  });
  return { worker, ended };
}

describe('the storage thread', () => {
  test('keeps the numbers of its capture threads apart', async () => {
    const path = tempDb();
    const captures = ['blue', 'red', 'green'].map((netns) => {
      const capture = new Capture(8, 2);
      capture.send({ type: 'capture', info: captureInfo(0, { netns }) });
      capture.send({ type: 'decisions', base: 0, list: [decision({ dev: netns })] });
      return capture;
    });
    const { ended } = start(path, captures);
    for (let round = 0; round < 20; round++)
      for (const capture of captures)
        capture.batch(
          { seq: round, route: [0, -1], packets: [1, 0] },
          { seq: 0, isNew: false, route: [0, -1], packets: [round, 0] },
        );
    for (const capture of captures) {
      capture.send({
        type: 'counters',
        captureIndex: 0,
        counters: { ...zeroCounters(), packets: 77 },
        span: null,
        final: true,
      });
      capture.send({ type: 'close' });
    }
    expect(await ended).toEqual([
      [
        { type: 'ready', runId: 1 },
        { type: 'closed', flows: 60, records: 120 },
      ],
      0,
    ]);
    const rows = readFlows(path);
    expect(rows).toHaveLength(60);
    expect(rows.every((row) => row.routeFwd!.dev === row.netns)).toBe(true);
    expect(rows.filter((row) => row.packetsFwd === 19)).toHaveLength(3);
    const packets = withDb(path, (db) => db.prepare('SELECT packets, ended FROM captures').raw().all());
    expect(packets).toEqual([
      [77, 1],
      [77, 1],
      [77, 1],
    ]);
    // Every batch came back.
    for (const { pool } of captures) expect([pool.acquire(), pool.acquire()].sort()).toEqual([0, 1]);
  });

  test('takes one more capture thread while it runs', async () => {
    const path = tempDb();
    const first = new Capture(8, 1);
    const second = new Capture(8, 1);
    const { worker, ended } = start(path, [first]);
    const request: StorageThreadRequest = { type: 'inlet', inlet: second.inlet };
    worker.postMessage(request, [second.inlet.port]);
    for (const capture of [first, second]) capture.send({ type: 'capture', info: captureInfo(0) });
    second.batch({});
    second.send({ type: 'close' });
    second.pool.acquireWait(30_000); // the first is still open when the second has ended
    first.batch({}, { seq: 1 });
    first.send({ type: 'close' });
    expect((await ended)[0].at(-1)).toEqual({ type: 'closed', flows: 3, records: 3 });
    expect(readFlows(path)).toHaveLength(3);
  });

  test('says when everything before a sync is committed, and marks experiments', async () => {
    const path = tempDb();
    const capture = new Capture(8, 2);
    const { worker, ended } = start(path, [capture]);
    const answers: StorageReply[] = [];
    const answer = async (request: number): Promise<StorageReply> => {
      const isIt = (reply: StorageReply): boolean => 'request' in reply && reply.request === request;
      await until(`answer ${request}`, () => answers.some(isIt));
      return answers.find(isIt)!;
    };
    worker.on('message', (reply: StorageReply) => answers.push(reply));
    const mark = (request: number, change: ExperimentChange, atNs: bigint): void =>
      worker.postMessage({ type: 'mark', request, change, atNs } satisfies StorageThreadRequest);
    capture.send({ type: 'capture', info: captureInfo(0) });
    capture.batch({ packets: [7, 0] });
    capture.send({ type: 'sync', request: 5 });
    expect(await answer(5)).toEqual({ type: 'synced', request: 5 });
    expect(readFlows(path)).toMatchObject([{ packetsFwd: 7 }]);

    mark(6, { type: 'start', name: 'a', netns: null }, 10n);
    const experiment = { id: 1, name: 'a', number: 1, netns: null, startedNs: 10n, endedNs: null };
    expect(await answer(6)).toEqual({ type: 'marked', request: 6, experiment });
    expect(withDb(path, readExperiments)).toEqual([experiment]);
    mark(7, { type: 'start', name: 'a', netns: null }, 11n);
    expect(await answer(7)).toMatchObject({ type: 'unmarked', code: 'EXPERIMENT_RUNNING' });
    mark(8, { type: 'stop', name: null, id: null }, 12n);
    expect(await answer(8)).toMatchObject({ type: 'marked', experiment: { endedNs: 1_000_011n } });
    capture.send({ type: 'close' });
    expect((await ended)[0].at(-1)).toEqual({ type: 'closed', flows: 1, records: 1 });
  });

  test('takes route updates from a thread that has no batches, and waits for its close', async () => {
    const path = tempDb();
    const capture = new Capture(8, 1);
    const { worker, ended } = start(path, [capture]);
    const { port1, port2 } = new MessageChannel();
    const request: StorageThreadRequest = { type: 'inlet', inlet: { port: port2, pool: null } };
    worker.postMessage(request, [port2]);
    const mirror = (message: StorageRequest): void => port1.postMessage(message);
    const update = { type: 'routeUpdate', netns: 'blue', netnsId: '4:1', isFull: true } as const;
    mirror({ ...update, atNs: 1n, data: new Uint8Array([1]) });
    capture.send({ type: 'capture', info: captureInfo(0) });
    capture.batch({});
    capture.send({ type: 'close' });
    capture.pool.acquireWait(30_000); // the capture thread's end does not end it
    mirror({ ...update, atNs: 2n, data: new Uint8Array([2]) });
    mirror({
      type: 'routeAudit',
      netns: 'blue',
      netnsId: '4:1',
      asked: 1,
      agreed: 1,
      disagreed: 0,
      unasked: 0,
    });
    mirror({ type: 'close' });
    expect((await ended)[0].at(-1)).toEqual({ type: 'closed', flows: 1, records: 1 });
    withDb(path, (db) => {
      expect(routeUpdatesAt(db, 'blue', 9n).map(({ data }) => data[0])).toEqual([2]);
      expect(routeUpdatesAt(db, 'blue', 1n).map(({ data }) => data[0])).toEqual([1]);
      expect(routeAudits(db)).toMatchObject([{ runId: 1, asked: 1 }]);
    });
  });

  test('keeps what a capture thread had handed over before it died', async () => {
    const path = tempDb();
    const capture = new Capture(8, 1);
    const { ended } = start(path, [capture]);
    capture.send({ type: 'capture', info: captureInfo(0) });
    capture.batch({}, { seq: 1 });
    capture.die();
    expect((await ended)[0].at(-1)).toEqual({ type: 'closed', flows: 2, records: 2 });
  });

  test('ends on request with everything that had been sent', async () => {
    const path = tempDb();
    const capture = new Capture(8, 1);
    const { worker, ended } = start(path, [capture]);
    capture.send({ type: 'capture', info: captureInfo(0) });
    capture.batch({}, { seq: 1 }, { seq: 2 });
    const request: StorageThreadRequest = { type: 'close' };
    worker.postMessage(request);
    expect((await ended)[0].at(-1)).toEqual({ type: 'closed', flows: 3, records: 3 });
    capture.die();
  });

  test.each([
    ['removed or moved', (path: string) => rmSync(path)],
    ['removed or moved', (path: string) => rmSync(dirname(path), { recursive: true })],
    [
      'replaced',
      (path: string) => {
        renameSync(path, `${path}.old`);
        writeFileSync(path, '');
      },
    ],
  ])('ends with 1 and says so when the file is %s, and takes no experiment', async (what, take) => {
    const path = join(tempFolder(), 'flows.db');
    const capture = new Capture(8, 2);
    const { worker, ended } = start(path, [capture]);
    const answers: StorageReply[] = [];
    worker.on('message', (reply: StorageReply) => answers.push(reply));
    capture.send({ type: 'capture', info: captureInfo(0) });
    capture.batch({}, { seq: 1 });
    capture.send({ type: 'sync', request: 1 });
    await until('they are written', () => answers.some(({ type }) => type === 'synced'));
    take(path);
    const change: ExperimentChange = { type: 'start', name: 'a', netns: null };
    worker.postMessage({ type: 'mark', request: 2, change, atNs: 1n } satisfies StorageThreadRequest);
    await until('it is answered', () => answers.some(({ type }) => type === 'unmarked'));
    capture.send({ type: 'close' });
    const message = `commit ${path}: NSTAP_GONE, the file was ${what} while it was written; flows of this run in it: 2 (what was in it is lost, unless it was moved; stop the daemon before you move or remove its files)`;
    expect(await ended).toEqual([
      [
        { type: 'ready', runId: 1 },
        { type: 'synced', request: 1 },
        { type: 'unmarked', request: 2, code: 'NSTAP_GONE', message },
        { type: 'error', code: 'NSTAP_GONE', message, fatal: true, lostRecords: 0 },
      ],
      1,
    ]);
  });

  test('says why it cannot open the database, and ends with 1', async () => {
    const capture = new Capture(8, 1);
    const { ended } = start(join(tempFolder(), 'no', 'flows.db'), [capture]);
    const [replies, code] = await ended;
    expect(replies).toMatchObject([{ type: 'error', code: 'ENOENT', fatal: true, lostRecords: 0 }]);
    expect(code).toBe(1);
  });
});

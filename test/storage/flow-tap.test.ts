import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { BatchPool, createBatchPool } from '../../storage/batch-pool.ts';
import type { FlowTapMessage } from '../../storage/flow-tap.ts';
import type { StorageReply } from '../../storage/messages.ts';
import { StorageService } from '../../storage/storage-service.ts';
import { until } from '../kernel/lab.ts';
import { addRecord, captureInfo, decision, type RecordSpec, TEST_RUN } from './records.ts';
import { readFlows, tempDb } from './temp-db.ts';

/** A storage service in this thread, with a capture thread's end and a reader's. */
class Watched {
  readonly path = tempDb();
  readonly replies: StorageReply[] = [];
  readonly service: StorageService;
  readonly messages: FlowTapMessage[] = [];
  readonly #pool: BatchPool;
  readonly #port: MessagePort;
  reader: MessagePort | null = null;

  constructor(capacity: number) {
    this.service = new StorageService(this.path, TEST_RUN, (reply) => this.replies.push(reply));
    const shared = createBatchPool(capacity, 4);
    this.#pool = new BatchPool(shared);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.service.add({ port: port2, pool: shared });
    port1.postMessage({ type: 'capture', info: captureInfo(0) });
    port1.postMessage({ type: 'decisions', base: 0, list: [decision({ text: '10.0.0.0/8 dev v0' })] });
  }

  watch(): void {
    const { port1, port2 } = new MessageChannel();
    port1.on('message', (message: FlowTapMessage) => this.messages.push(message));
    this.reader = port1;
    this.service.watch(port2);
  }

  /** Hands a batch over and waits until it is committed. */
  async batch(...specs: RecordSpec[]): Promise<void> {
    let index = -1;
    await until('a batch is free', () => {
      index = this.#pool.acquire();
      return index >= 0;
    });
    const batch = this.#pool.batch(index);
    batch.clear();
    for (const spec of specs) addRecord(batch, spec);
    this.#port.postMessage({ type: 'batch', batch: index });
    const states = new Int32Array(this.#pool.shared.states);
    await until('it is committed', () => states[index] === 0);
  }

  async end(): Promise<void> {
    this.#port.postMessage({ type: 'close' });
    await until('storage ends', () => this.replies.some(({ type }) => type === 'closed'));
    this.reader?.close();
    this.#port.close();
  }
}

describe('a tap on what is written', () => {
  let watched: Watched;
  afterEach(() => watched.end());

  it('tells each record as it is in the database, from when it was asked for', async () => {
    watched = new Watched(8);
    await watched.batch({ seq: 0 });
    watched.watch();
    await watched.batch(
      { seq: 1, route: [0, -1], packets: [3, 0] },
      { seq: 2, version: 6, src: [0xfe, 0x80, ...new Array<number>(13).fill(0), 1], ports: null },
    );
    await until('they are told', () => watched.messages.length === 1);
    const { flows, skipped } = watched.messages[0]!;
    expect(skipped).toBe(0);
    const stored = readFlows(watched.path);
    expect(flows.map(({ flowId }) => flowId)).toEqual([stored[1]!.flowId, stored[2]!.flowId]);
    expect(flows[0]).toMatchObject({
      captureIndex: 0,
      ipVersion: 4,
      proto: 6,
      src: '0a000001',
      dst: '0a000002',
      hasPorts: true,
      srcPort: 40_000,
      dstPort: 80,
      startSec: 1_700_000_000,
      startNsec: 123_456_789,
      packetsFwd: 3,
      packetsRev: 0,
      routeFwd: '10.0.0.0/8 dev v0',
      routeRev: null,
    });
    expect(flows[1]).toMatchObject({
      src: 'fe800000000000000000000000000001',
      hasPorts: false,
      routeFwd: null,
    });
  });

  it('waits for the reader, keeps so many records meanwhile, and counts the others', async () => {
    watched = new Watched(800);
    watched.watch();
    const records = (from: number): RecordSpec[] =>
      Array.from({ length: 800 }, (_, i) => ({ seq: from + i }));
    await watched.batch({ seq: 0 });
    await until('the first is told', () => watched.messages.length === 1);
    for (let from = 1; from <= 2401; from += 800) await watched.batch(...records(from));
    expect(watched.messages).toHaveLength(1);
    watched.reader!.postMessage(null);
    await until('the rest is told', () => watched.messages.length === 2);
    const { flows, skipped } = watched.messages[1]!;
    expect(flows.length).toBeLessThanOrEqual(1000);
    expect(flows.length).toBeGreaterThan(0);
    expect(flows.length + skipped).toBe(3200);
    // All of them are in the database.
    expect(readFlows(watched.path)).toHaveLength(3201);
  });

  it('ends with its reader', async () => {
    watched = new Watched(8);
    watched.watch();
    const closed = once(watched.reader!, 'close');
    watched.reader!.close();
    await closed;
    await watched.batch({ seq: 0 });
    expect(readFlows(watched.path)).toHaveLength(1);
  });
});

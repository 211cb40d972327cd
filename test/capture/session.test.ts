import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { onTestFinished, test, expect, describe } from 'vitest';
import { defaultMetering } from '../../daemon/config.ts';
import { CaptureSession, type MeterOptions } from '../../daemon/capture/session.ts';
import { DEFAULT_TIMEOUTS } from '../../daemon/flow/timeouts.ts';
import { snapshotOfRoutes } from '../../daemon/routes/load-snapshot.ts';
import { BatchPool, createBatchPool } from '../../storage/batch-pool.ts';
import type { StorageRequest } from '../../storage/messages.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { captureInfo, TEST_RUN } from '../storage/records.ts';
import { readFlows, tempDb, withDb } from '../storage/temp-db.ts';
import { type FrameSpec, frame } from '../support/frames.ts';

const CAPACITY = 128;
const OPTIONS: MeterOptions = {
  ...defaultMetering(),
  maxFlows: 4096,
  timeouts: DEFAULT_TIMEOUTS,
  checkpointSec: 5,
  tunnels: 'outer',
  auditRate: 0,
};
const FLOW: FrameSpec = { proto: 'udp', src: '10.0.0.9', sport: 5000, dst: '10.9.0.1', dport: 53 };

/** What is known of a source beside its packets. */
const NOTHING = { received: null, kernelDrops: 0, duplicates: 0, cpuNs: 0, span: null };

/** A capture session whose storage is written by hand. */
function setUp(batches: number) {
  const shared = createBatchPool(CAPACITY, batches);
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  const session = new CaptureSession(OPTIONS, new BatchPool(shared), port1, false);
  session.addCapture(captureInfo(0, { netnsId: 'n' }));
  const storage = new BatchPool(shared);
  const path = tempDb();
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  /** Storage takes everything that has arrived, a transaction each. */
  const store = (): void => {
    for (let m = receiveMessageOnPort(port2); m !== undefined; m = receiveMessageOnPort(port2)) {
      const request = m.message as StorageRequest;
      if (request.type === 'close') writer.close();
      else if (request.type !== 'batch' && request.type !== 'sync') writer.write([[channel, request]]);
      else if (request.type === 'batch') {
        writer.write([[channel, { type: 'batch', batch: storage.batch(request.batch) }]]);
        storage.release(request.batch);
      }
    }
  };
  const feed = (spec: FrameSpec, sec: number): void => {
    const bytes = frame(spec);
    const f = session.meter.fields;
    f.linkType = 1;
    f.captureIndex = 0;
    f.pktType = 0;
    f.tsSec = sec;
    f.tsNsec = 7;
    f.wireLen = bytes.length;
    session.meter.packet(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length);
  };
  /** Routes through this gateway are in force from now on. */
  const via = (gateway: string): void =>
    session.setRoutes(
      'n',
      snapshotOfRoutes(`default via ${gateway} dev eth0\n10.0.0.0/24 dev eth0\n`, 'test'),
    );
  return { session, path, store, feed, via };
}

describe('route decisions over time', () => {
  test('are in the database when the flow is, however its records and changes came', () => {
    const { session, path, store, feed, via } = setUp(4);
    via('10.0.0.1');
    feed(FLOW, 1000);
    via('10.0.0.2');
    feed(FLOW, 1002);
    session.queue.flush(); // the change goes before the first record of its flow
    store();
    expect(readFlows(path)).toEqual([]);
    session.table.tick(1006);
    session.queue.flush();
    store();
    const gateways = () =>
      readFlows(path).map(({ routeChanges }) =>
        routeChanges?.map(({ sinceNs, decision }) => [sinceNs, decision.gateway]),
      );
    const first = [
      [1_000_000_000_007n, '10.0.0.1'],
      [1_002_000_000_007n, '10.0.0.2'],
    ];
    expect(gateways()).toEqual([first]);
    via('10.0.0.1');
    feed(FLOW, 1007);
    feed({ ...FLOW, sport: 5001 }, 1007);
    session.endCapture(0);
    session.queue.close();
    store();
    expect(gateways()).toEqual([[...first, [1_007_000_000_007n, '10.0.0.1']], undefined]);
  });

  test('of very many flows at once are kept or counted, and no record of a flow is lost to them', () => {
    const { session, path, store, feed, via } = setUp(4);
    const flows = 450; // of which all records find room in 4 batches, but not all changes in half of them
    const all = (sec: number): void => {
      for (let i = 0; i < flows; i++) feed({ ...FLOW, sport: 1000 + i }, sec);
    };
    via('10.0.0.1');
    all(1000);
    via('10.0.0.2');
    all(1001); // storage takes nothing meanwhile
    const { shedRouteChanges } = session.counters(0, NOTHING);
    store();
    via('10.0.0.3');
    for (let i = 0; i < flows; i++) {
      feed({ ...FLOW, sport: 1000 + i }, 1002);
      store();
    }
    expect(session.endCapture(0)).toMatchObject({ shedRecords: 0, shedRouteChanges });
    session.queue.close();
    store();
    const rows = readFlows(path);
    expect(rows).toHaveLength(flows);
    const changes = rows.map(({ routeChanges }) => routeChanges!.length);
    const stored = withDb(path, (db) => db.prepare('SELECT shed_route_changes FROM captures').pluck().get());
    expect(stored).toBe(shedRouteChanges);
    // Of each flow two changes and what it began with; of those whose first change was shed, the second one.
    expect(changes.filter((n) => n === 1)).toHaveLength(shedRouteChanges);
    expect(changes.filter((n) => n === 3)).toHaveLength(rows.length - shedRouteChanges);
    expect(shedRouteChanges).toBe(flows - (4 / 2 + 1) * CAPACITY);
  });
});

test('timeouts that change while it runs hold for the flows that are there, and audits for what comes', () => {
  const { session, path, store, feed, via } = setUp(4);
  via('10.0.0.1');
  const other = { ...FLOW, sport: 5001 };
  feed(FLOW, 1000);
  expect(session.counters(0, NOTHING)).toMatchObject({ aliveFlows: 1, packets: 1, received: 1 });
  expect(session.takeRouteSamples()).toHaveLength(0);
  session.configure(1, { ...DEFAULT_TIMEOUTS, udpNew: 7 });
  feed(other, 1001);
  expect(session.takeRouteSamples()).toHaveLength(1);
  // The next checkpoint of a flow is after 5 s: it is then that the time is looked at.
  session.table.tick(1005);
  expect(session.counters(0, NOTHING).aliveFlows).toBe(2);
  session.table.tick(1009);
  expect(session.counters(0, NOTHING).aliveFlows).toBe(0);
  expect(session.endCapture(0)).toMatchObject({ aliveFlows: 0, cpuNs: 0 });
  session.queue.close();
  store();
  expect(readFlows(path).map(({ endReason }) => endReason)).toEqual(['idle', 'idle']);
});

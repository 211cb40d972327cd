import { describe, expect, test } from 'vitest';
import { type CaptureCounters, type PacketSpan, zeroCounters } from '../../storage/messages.ts';
import { FlowWriter, type WriteRequest } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from './records.ts';
import { readFlows, tempDb, withDb } from './temp-db.ts';

const shared = (index: number, sharedBy = 2): WriteRequest => ({
  type: 'capture',
  info: { ...captureInfo(index, { filter: 'tcp' }), sharedBy },
});

function counters(
  captureIndex: number,
  some: Partial<CaptureCounters>,
  final = false,
  span: PacketSpan | null = null,
): WriteRequest {
  return { type: 'counters', captureIndex, counters: { ...zeroCounters(), ...some }, span, final };
}

interface Row {
  packets: number;
  received: number;
  ended: number;
  filter: string | null;
  first_ns: bigint | null;
  last_ns: bigint | null;
}

function rows(path: string): Row[] {
  return withDb(path, (db) =>
    db
      .prepare<[], Row>('SELECT packets, received, ended, filter, first_ns, last_ns FROM captures')
      .safeIntegers()
      .all()
      .map((row) => ({
        ...row,
        packets: Number(row.packets),
        received: Number(row.received),
        ended: Number(row.ended),
      })),
  );
}

describe('a capture point that two threads share', () => {
  test('is one row with the sum of what they count; records of both point at it', () => {
    const path = tempDb();
    using writer = new FlowWriter(path, TEST_RUN);
    const [a, b] = [writer.channel(), writer.channel()];
    writer.write([
      [a, shared(0)],
      [b, shared(0)],
      [a, { type: 'batch', batch: batchOf({ seq: 0, packets: [1, 1] }) }],
      [b, { type: 'batch', batch: batchOf({ seq: 0, packets: [2, 2] }) }],
      [a, counters(0, { packets: 2, received: 3 })],
      [b, counters(0, { packets: 4, received: 4 })],
      [a, counters(0, { packets: 5, received: 6 })],
    ]);
    expect(rows(path)).toMatchObject([{ packets: 9, received: 10, ended: 0, filter: 'tcp' }]);
    expect(readFlows(path).map((flow) => [flow.netns, flow.packetsFwd])).toEqual([
      ['blue', 1],
      ['blue', 2],
    ]);
  });

  test('has ended when both have, in whichever order they come and go', () => {
    const path = tempDb();
    using writer = new FlowWriter(path, TEST_RUN);
    const [a, b] = [writer.channel(), writer.channel()];
    writer.write([
      [a, shared(0)],
      [a, counters(0, { packets: 1 }, true)],
    ]);
    expect(rows(path)).toMatchObject([{ packets: 1, ended: 0 }]);
    writer.write([[b, shared(0)]]);
    expect(rows(path)).toMatchObject([{ packets: 1, ended: 0 }]);
    writer.write([[b, counters(0, { packets: 2 }, true)]]);
    expect(rows(path)).toMatchObject([{ packets: 3, ended: 1 }]);
  });

  test('spans from the earlier first packet to the later last one', () => {
    const path = tempDb();
    using writer = new FlowWriter(path, TEST_RUN);
    const threads = [writer.channel(), writer.channel(), writer.channel()];
    const spans = [
      { firstSec: 10, firstNsec: 5, lastSec: 20, lastNsec: 7 },
      { firstSec: 10, firstNsec: 4, lastSec: 20, lastNsec: 6 },
      { firstSec: -1, firstNsec: 0, lastSec: 0, lastNsec: 0 },
    ];
    for (const [i, span] of spans.entries())
      writer.write([
        [threads[i]!, shared(0, 3)],
        [threads[i]!, counters(0, {}, true, span)],
      ]);
    expect(rows(path)).toMatchObject([{ first_ns: 10_000_000_004n, last_ns: 20_000_000_007n, ended: 1 }]);
  });

  test('is written by the other thread when what the first one wrote is rolled back', () => {
    const path = tempDb();
    using writer = new FlowWriter(path, TEST_RUN);
    const [a, b] = [writer.channel(), writer.channel()];
    const unknown = { type: 'batch', batch: batchOf({ capture: 7 }) } as const;
    expect(() =>
      writer.write([
        [a, shared(0)],
        [a, counters(0, { packets: 1 })],
        [b, shared(0)],
        [b, unknown],
      ]),
    ).toThrow(/capture 7/);
    expect(rows(path)).toEqual([]);
    writer.write([
      [b, shared(0)],
      [b, counters(0, { packets: 2 }, true)],
    ]);
    expect(rows(path)).toMatchObject([{ packets: 2, ended: 0 }]);
    const rest = [
      [a, shared(0)],
      [a, counters(0, { packets: 1 }, true)],
    ] as const;
    expect(() => writer.write([...rest, [b, unknown]])).toThrow(/capture 7/);
    expect(rows(path)).toMatchObject([{ packets: 2, ended: 0 }]);
    writer.write(rest);
    expect(rows(path)).toMatchObject([{ packets: 3, ended: 1 }]);
  });

  test('stands beside points that nobody shares', () => {
    const path = tempDb();
    using writer = new FlowWriter(path, TEST_RUN);
    const [a, b] = [writer.channel(), writer.channel()];
    writer.write([
      [a, { type: 'capture', info: captureInfo(0) }],
      [b, { type: 'capture', info: captureInfo(0) }],
      [a, shared(1)],
      [b, shared(1)],
      [a, counters(0, { packets: 1 }, true)],
      [b, counters(0, { packets: 2 }, true)],
      [b, counters(1, { packets: 3 })],
    ]);
    expect(rows(path).map(({ packets, ended }) => [packets, ended])).toEqual([
      [1, 1],
      [2, 1],
      [3, 0],
    ]);
  });
});

test('the load of a run is that of all its threads', () => {
  const path = tempDb();
  using writer = new FlowWriter(path, TEST_RUN);
  const [a, b] = [writer.channel(), writer.channel()];
  writer.write([
    [a, { type: 'load', load: { queued: 1, queueSize: 64, cpuNs: 10 } }],
    [b, { type: 'load', load: { queued: 2, queueSize: 32, cpuNs: 5 } }],
    [a, { type: 'load', load: { queued: 0, queueSize: 64, cpuNs: 20 } }],
  ]);
  const load = withDb(path, (db) =>
    db.prepare('SELECT queued, queue_size, capture_cpu_ns FROM runs').raw().get(),
  );
  expect(load).toEqual([2, 96, 25]);
});

import { describe, expect, test } from 'vitest';
import { readGaps } from '../../storage/captures.ts';
import { type CaptureCounters, type CountedSpan, zeroCounters } from '../../storage/messages.ts';
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
  span: CountedSpan | null = null,
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

  describe('leaves a gap when its engine dies', () => {
    /** Packets from second `first` to second `last`, and none that is not counted until `untilMs`. */
    const span = (first: number, last: number, countedUntilMs = 0): CountedSpan => ({
      firstSec: first,
      firstNsec: 1,
      lastSec: last,
      lastNsec: 1,
      countedUntilMs,
    });
    const told = (of: CountedSpan): WriteRequest => counters(0, { packets: 1 }, false, of);
    const ended = (of: CountedSpan): WriteRequest => counters(0, { packets: 1 }, true, of);

    /** @returns where the gap begins that is noted after the threads have written all that */
    function gapFrom(...all: readonly (readonly WriteRequest[])[]): bigint | null {
      const path = tempDb();
      const before = new FlowWriter(path, TEST_RUN);
      for (const requests of all) {
        const channel = before.channel();
        before.write(requests.map((request) => [channel, request]));
      }
      const opened = openedNs(path);
      before.close();
      using after = new FlowWriter(path, TEST_RUN);
      const info = { ...captureInfo(0), gapReason: 'engine ended by SIGKILL' };
      after.write([[after.channel(), { type: 'capture', info }]]);
      const [gap, ...others] = withDb(path, (db) => readGaps(db, after.runId));
      expect(others).toEqual([]);
      return gap!.fromNs === opened.at(-1) ? -1n : gap!.fromNs;
    }

    const openedNs = (path: string): (bigint | null)[] =>
      withDb(path, (db) =>
        db.prepare<[], bigint | null>('SELECT opened_ns FROM captures').pluck().safeIntegers().all(),
      );
    const fresh: CountedSpan = { firstSec: -1, firstNsec: 0, lastSec: 0, lastNsec: 0 };
    const OPENED = -1n;

    test.each<[string, bigint, ...WriteRequest[][]]>([
      [
        'from the last packet of the one that has counted least',
        20_000_000_001n,
        [shared(0), told(span(10, 21))],
        [shared(0), told(span(11, 20))],
      ],
      [
        'from when the one that has no packets was known to have none',
        20_500_000_000n,
        [shared(0), told(span(10, 21))],
        [shared(0), told({ ...fresh, countedUntilMs: 20_500 })],
      ],
      [
        'from the last packet, when nothing was missing until then',
        21_000_000_001n,
        [shared(0), told(span(10, 21))],
        [shared(0), told(span(10, 12, 22_000))],
      ],
      [
        'but not for one that had come to its end',
        21_000_000_001n,
        [shared(0), told(span(10, 21))],
        [shared(0), ended(span(10, 12))],
      ],
      [
        'from the last packet of the one that had come to its end last, when all had',
        21_000_000_001n,
        [shared(0), ended(span(10, 21))],
        [shared(0), ended(span(10, 20))],
      ],
      [
        'from its begin when one has told nothing',
        OPENED,
        [shared(0, 3), told(span(4e9, 4e9))],
        [shared(0, 3)],
      ],
      [
        'from the first packet when one has told nothing, and that was before it was noted',
        10_000_000_001n,
        [shared(0), told(span(10, 21))],
        [shared(0)],
      ],
      [
        'from its begin when nobody knows how far one is',
        10_000_000_001n,
        [shared(0), told(span(10, 21))],
        [shared(0), told(fresh)],
      ],
    ])('%s', (_, from, ...all) => {
      expect(gapFrom(...all)).toBe(from);
    });
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

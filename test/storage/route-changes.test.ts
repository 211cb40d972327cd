import { describe, expect, test } from 'vitest';
import { FlowBatch } from '../../storage/flow-batch.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { FlowWriter } from '../../storage/writer.ts';
import type { WriterChannel } from '../../storage/writer-channel.ts';
import { addChange, addRecord, captureInfo, type ChangeSpec, decision, TEST_RUN } from './records.ts';
import type { RecordSpec } from './records.ts';
import { readFlows, tempDb, withDb } from './temp-db.ts';

const START = 1_700_000_000;
const START_NS = 1_700_000_000_000_000_001n;
const NAMES = ['a', 'b', 'c', 'd'];

/** A writer whose decisions 0 to 3 lead to the devices a to d. */
function startWriter(path: string): [FlowWriter, WriterChannel] {
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  writer.write([
    [channel, { type: 'capture', info: captureInfo(0) }],
    [channel, { type: 'decisions', base: 0, list: NAMES.map((dev) => decision({ dev })) }],
  ]);
  return [writer, channel];
}

function batchWith(changes: ChangeSpec[], records: RecordSpec[]): FlowBatch {
  const batch = new FlowBatch(16);
  for (const change of changes) addChange(batch, change);
  for (const record of records) addRecord(batch, { start: [START, 1], ...record });
  return batch;
}

function write(writer: FlowWriter, channel: WriterChannel, changes: ChangeSpec[], ...records: RecordSpec[]) {
  writer.write([[channel, { type: 'batch', batch: batchWith(changes, records) }]]);
}

type Told = [direction: string, sinceNs: bigint, dev: string | null];

/** The changes of each flow, in the order of their ids; null: none. */
function changesOf(path: string): (Told[] | null)[] {
  return readFlows(path).map(
    ({ routeChanges }) =>
      routeChanges?.map(({ direction, sinceNs, decision: { dev } }) => [direction, sinceNs, dev]) ?? null,
  );
}

const AT = (seconds: number): bigint => START_NS + BigInt(seconds) * 1_000_000_000n;

describe('route changes of a flow', () => {
  test('come back with the first decision, in the order of time, and only of directions that changed', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    write(
      writer,
      channel,
      [
        { at: [START + 5, 1], previous: 0, decision: 1 },
        { at: [START + 7, 1], previous: 1, decision: 0, isFirst: false },
        { seq: 1, side: 1, at: [START + 6, 1], previous: 2, decision: 3 },
        { seq: 1, side: 0, at: [START + 5, 1], previous: 0, decision: 1 },
      ],
      { seq: 0, route: [0, 2], routeOrigSide: 0 },
      { seq: 1, route: [3, 1], routeOrigSide: 1 },
      { seq: 2, route: [0, -1] },
    );
    writer.close();
    expect(changesOf(path)).toEqual([
      [
        ['fwd', AT(0), 'a'],
        ['fwd', AT(5), 'b'],
        ['fwd', AT(7), 'a'],
      ],
      [
        ['fwd', AT(0), 'c'],
        ['rev', AT(0), 'a'],
        ['rev', AT(5), 'b'],
        ['fwd', AT(6), 'd'],
      ],
      null,
    ]);
    const [flow] = readFlows(path);
    expect(flow!.routeChanges![0]!.decision satisfies RouteDecision).toEqual(decision({ dev: 'a' }));
    expect(withDb(path, (db) => db.prepare('SELECT count(*) FROM route_changes').pluck().get())).toBe(7);
  });

  test('may come before its first record, or in a transaction after it', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    write(writer, channel, [{ seq: 1, at: [START + 5, 1], previous: 0, decision: 1 }]);
    write(writer, channel, [], { seq: 0, route: [0, -1] });
    write(writer, channel, [], { seq: 1, route: [1, -1], routeOrigSide: 0 });
    write(writer, channel, [{ seq: 0, at: [START + 6, 1], previous: 0, decision: 2 }]);
    write(writer, channel, [], { seq: 0, isNew: false, route: [2, -1], routeOrigSide: 0 });
    writer.close();
    expect(changesOf(path)).toEqual([
      [
        ['fwd', AT(0), 'a'],
        ['fwd', AT(6), 'c'],
      ],
      [
        ['fwd', AT(0), 'a'],
        ['fwd', AT(5), 'b'],
      ],
    ]);
  });

  test('turn around with the flow, and begin where it begins', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    const back = { src: [10, 0, 0, 2], dst: [10, 0, 0, 1], ports: [80, 40_000] as [number, number] };
    write(writer, channel, [{ side: 1, at: [START + 5, 1], previous: 0, decision: 1 }], {
      ...back,
      route: [1, -1],
      routeOrigSide: 1,
    });
    expect(changesOf(path)[0]!.map(([direction]) => direction)).toEqual(['fwd', 'fwd']);
    // Corrected by a SYN, and a packet from before the first one had come.
    const start: [number, number] = [START - 9, 1];
    write(writer, channel, [], { isNew: false, route: [-1, 1], routeOrigSide: 0, start });
    writer.close();
    expect(changesOf(path)).toEqual([
      [
        ['rev', AT(-9), 'a'],
        ['rev', AT(5), 'b'],
      ],
    ]);
    const rows = withDb(path, (db) =>
      db.prepare('SELECT direction, since_ns, decision_id FROM flow_routes').safeIntegers().raw().all(),
    );
    expect(rows).toEqual([
      ['rev', AT(-9), 1n],
      ['rev', AT(5), 2n],
    ]);
  });

  test('keep their order at one time, and before 1970', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    const at: [number, number] = [-3, 999_999_999];
    write(
      writer,
      channel,
      [
        { at, previous: 3, decision: 0 },
        { at, previous: 0, decision: 2, isFirst: false },
        { at, previous: 2, decision: 1, isFirst: false },
      ],
      { start: [-4, 0], end: at, route: [1, -1], routeOrigSide: 0 },
    );
    writer.close();
    expect(changesOf(path)).toEqual([
      [
        ['fwd', -4_000_000_000n, 'd'],
        ['fwd', -2_000_000_001n, 'a'],
        ['fwd', -2_000_000_001n, 'c'],
        ['fwd', -2_000_000_001n, 'b'],
      ],
    ]);
  });

  test('are an incomplete list, or an empty one, when some were shed', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    write(
      writer,
      channel,
      [
        { seq: 0, at: [START + 5, 1], previous: 1, decision: 2, isFirst: false },
        { seq: 0, at: [START + 6, 1], previous: 2, decision: 3, isFirst: false },
      ],
      { seq: 0, route: [3, -1], routeOrigSide: 0 },
      { seq: 1, route: [1, -1], routeOrigSide: 0 },
    );
    writer.close();
    expect(changesOf(path)).toEqual([
      [
        ['fwd', AT(5), 'c'],
        ['fwd', AT(6), 'd'],
      ],
      [],
    ]);
  });

  test('are written once when their transaction fails and is tried again, whatever came first', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    const batch = batchWith(
      [{ seq: 2000, at: [START + 5, 1], previous: 0, decision: 1 }],
      [{ seq: 0 }, { seq: 2000, route: [1, -1], routeOrigSide: 0 }],
    );
    expect(() =>
      writer.write([
        [channel, { type: 'batch', batch }],
        [channel, { type: 'batch', batch: batchWith([], [{ seq: 1, capture: 7 }]) }],
      ]),
    ).toThrow(/capture 7/);
    const other = writer.channel(); // takes the ids that the failed transaction had taken
    writer.write([[other, { type: 'capture', info: captureInfo(0) }]]);
    writer.write([[other, { type: 'batch', batch: batchWith([], [{ seq: 0 }]) }]]);
    writer.write([[channel, { type: 'batch', batch }]]);
    writer.close();
    expect(changesOf(path)).toEqual([
      null,
      null,
      [
        ['fwd', AT(0), 'a'],
        ['fwd', AT(5), 'b'],
      ],
    ]);
    expect(withDb(path, (db) => db.prepare('SELECT count(*) FROM route_changes').pluck().get())).toBe(2);
  });

  test('that name a decision nobody announced are refused whole', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    expect(() => write(writer, channel, [{ at: [START, 1], previous: 0, decision: 9 }], {})).toThrow(
      /decision 9/,
    );
    writer.close();
    expect(readFlows(path)).toEqual([]);
  });
});

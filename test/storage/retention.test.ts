import { existsSync, rmSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import type { RetentionNotice } from '../../storage/messages.ts';
import { partitionPath } from '../../storage/partition-files.ts';
import { readRetained } from '../../storage/retained.ts';
import { Retention, type RetentionEnv } from '../../storage/retention.ts';
import { boundOctets, type RetentionOptions } from '../../storage/retention-options.ts';
import { routeUpdatesAt } from '../../storage/route-updates.ts';
import { nowNs } from '../../storage/time.ts';
import { FlowWriter } from '../../storage/writer.ts';
import type { WriterChannel } from '../../storage/writer-channel.ts';
import { DAEMON_RUN, put, startParted } from './parted.ts';
import { addChange, batchOf, captureInfo, decision, type RecordSpec, TEST_RUN } from './records.ts';
import { readFlows, tempDb, withDb } from './temp-db.ts';

const SEC = 1_000_000_000n;
const HOUR = 3600;
const MIB = 1 << 20;
const OFF: RetentionOptions = { ageSec: null, size: null, free: null };

/** A world whose clock and disk the test sets. The clock begins at the real time: partitions are stamped with that. */
class World implements RetentionEnv {
  aheadSec = 0;
  freeOctets = 1e12;
  nowNs(): bigint {
    return nowNs() + BigInt(this.aheadSec) * SEC;
  }
  elapsedMs(): number {
    return this.aheadSec * 1000;
  }
  disk(): { totalOctets: number; freeOctets: number } {
    return { totalOctets: 1e12, freeOctets: this.freeOctets };
  }
}

interface Scene {
  path: string;
  writer: FlowWriter;
  channel: WriterChannel;
  world: World;
  notices: RetentionNotice[];
  /** Looks until nothing is to be done any more. */
  settle(): Promise<void>;
}

function scene(options: Partial<RetentionOptions>, path = tempDb()): Scene {
  const [writer, channel] = startParted(path, true);
  const world = new World();
  const notices: RetentionNotice[] = [];
  const retention = new Retention(writer, { ...OFF, ...options }, (notice) => notices.push(notice), world);
  const settle = async (): Promise<void> => {
    while (await retention.check());
  };
  return { path, writer, channel, world, notices, settle };
}

/** Looked up once: how far flows are apart must not depend on how long the test takes between them. */
const NOW_SEC = Math.floor(Date.now() / 1000);

/** A flow that ended some seconds from now. */
function endingIn(sec: number, spec: RecordSpec = {}): RecordSpec {
  const at = NOW_SEC + sec;
  return { ...spec, start: [at - 1, 0], end: [at, 0] };
}

function ids(path: string): number[] {
  return readFlows(path).map(({ flowId }) => flowId);
}

describe('by age', () => {
  test('partitions are begun in time, and dropped when the last flow of each is too old', async () => {
    const { path, writer, channel, world, notices, settle } = scene({ ageSec: 24 * HOUR });
    for (let seq = 0; seq < 30; seq++) {
      world.aheadSec = seq * HOUR;
      put(writer, channel, endingIn(world.aheadSec, { seq }));
      await settle();
    }
    // A period is an eighth of the age: flows 0 to 3 are in the first partition, and flow 3 is 26 h old.
    expect(notices).toEqual([
      {
        type: 'dropped',
        partition: 1,
        flows: 4,
        octets: expect.any(Number),
        fromNs: expect.any(BigInt),
        untilNs: expect.any(BigInt),
        reason: 'age',
      },
    ]);
    expect(notices[0]!.untilNs! - notices[0]!.fromNs!).toBe(BigInt(3 * HOUR + 1) * SEC);
    expect(ids(path)[0]).toBe(5);
    expect(existsSync(partitionPath(path, 1))).toBe(false);
    writer.close();
    expect(withDb(path, readRetained)).toMatchObject({ droppedPartitions: 1, droppedFlows: 4 });
  });

  test('no partition is begun within an hour, nor for nothing', async () => {
    const { writer, channel, world, settle } = scene({ ageSec: 2 * HOUR });
    world.aheadSec = 5 * HOUR;
    await settle();
    expect(writer.partitions!.rows()).toHaveLength(1);
    put(writer, channel, endingIn(world.aheadSec));
    await settle();
    expect(writer.partitions!.newest.number).toBe(2); // more than an hour since the first, which was empty till now
    put(writer, channel, endingIn(world.aheadSec, { seq: 1 }));
    world.aheadSec = 6 * HOUR - 60;
    await settle();
    expect(writer.partitions!.newest.number).toBe(2);
    world.aheadSec = 6 * HOUR + 60;
    await settle();
    expect(writer.partitions!.newest.number).toBe(3);
    put(writer, channel, endingIn(world.aheadSec, { seq: 2 }));
    world.aheadSec = 2 * HOUR; // a clock that was set back
    await settle();
    expect(writer.partitions!.newest.number).toBe(4);
    writer.close();
  });

  test('a flow that lives on keeps its partition, and the newest one stays whatever its age', async () => {
    const { path, writer, channel, world, settle } = scene({ ageSec: 8 * HOUR });
    put(writer, channel, endingIn(0, { seq: 0 }), endingIn(0, { seq: 1 }));
    world.aheadSec = HOUR;
    await settle();
    put(writer, channel, endingIn(HOUR, { seq: 2 }), endingIn(8 * HOUR, { seq: 1, isNew: false }));
    world.aheadSec = 10 * HOUR;
    await settle();
    expect(ids(path)).toEqual([1, 2, 3]);
    world.aheadSec = 17 * HOUR;
    await settle();
    expect(ids(path)).toEqual([]);
    writer.close();
  });

  test('series and route changes go with their flows', async () => {
    const { path, writer, channel, world, settle } = scene({ ageSec: HOUR });
    const rows = (): unknown[] =>
      withDb(path, (db) =>
        ['flows', 'flow_series', 'route_changes'].map((table) =>
          db.prepare(`SELECT count(*) FROM ${table}`).pluck().get(),
        ),
      );
    writer.write([
      [channel, { type: 'decisions', base: 0, list: [decision(), decision({ type: 'local' })] }],
    ]);
    const batch = batchOf(endingIn(0, { route: [1, -1], routeOrigSide: 0 }));
    addChange(batch, { at: [1_700_000_001, 5], previous: 0, decision: 1 });
    writer.write([[channel, { type: 'batch', batch }]]);
    expect(rows()).toEqual([1, 1, 2]);
    world.aheadSec = 3 * HOUR;
    await settle();
    expect(rows()).toEqual([0, 0, 0]);
    writer.close();
  });
});

describe('by size', () => {
  const size = { octets: 8 * MIB, percent: null };
  const many = (from: number): RecordSpec[] => Array.from({ length: 1000 }, (_, i) => ({ seq: from + i }));

  test('the oldest partitions go, and the space is given back', async () => {
    const { path, writer, channel, notices, settle } = scene({ size });
    for (let n = 0; n < 30; n++) {
      put(writer, channel, ...many(n * 1000));
      await settle();
    }
    expect(notices.length).toBeGreaterThan(0);
    expect(notices.every(({ reason }) => reason === 'size')).toBe(true);
    expect(notices.map(({ partition }) => partition)).toEqual(notices.map((_, i) => i + 1));
    const retained = withDb(path, readRetained);
    expect(retained.octets).toBeLessThan(size.octets + 4 * MIB);
    expect(retained.droppedOctets).toBe(notices.reduce((sum, { octets }) => sum + octets, 0));
    const dropped = notices.reduce((sum, { flows }) => sum + flows, 0);
    expect(retained.droppedFlows).toBe(dropped);
    const kept = ids(path);
    expect(kept).toHaveLength(30_000 - dropped); // the newest of them, none missing
    expect(kept).toEqual(kept.map((_, i) => dropped + 1 + i));
    writer.close();
  });

  test('flows outside of partitions are older than those in them, and go first', async () => {
    const path = tempDb();
    const replay = new FlowWriter(path, TEST_RUN);
    const own = replay.channel();
    replay.write([[own, { type: 'capture', info: captureInfo(0) }]]);
    for (let n = 0; n < 40; n++) put(replay, own, ...many(n * 1000));
    replay.close();
    const before = statSync(path).size;
    const { writer, channel, notices, settle } = scene({ size: { octets: 3 * MIB, percent: null } }, path);
    put(writer, channel, { seq: 0 });
    await settle();
    const total = notices.reduce((sum, { flows }) => sum + flows, 0);
    expect(notices.map(({ partition, reason }) => [partition, reason])).toContainEqual([0, 'size']);
    expect(total).toBeGreaterThan(1000);
    expect(total).toBeLessThan(40_000);
    const kept = ids(path);
    expect(kept[0]).toBe(total + 1);
    expect(kept).toHaveLength(40_001 - total);
    writer.close();
    expect(statSync(path).size).toBeLessThan(before / 2); // given back
    expect(withDb(path, readRetained)).toMatchObject({ droppedFlows: total, droppedPartitions: 0 });
  });
});

describe('by free disk', () => {
  test('one partition goes, then the disk is given time, and the newest one stays', async () => {
    const { path, writer, channel, world, notices, settle } = scene({ free: { octets: 1e9, percent: null } });
    for (let seq = 0; seq < 4; seq++) {
      if (seq > 0) writer.partitions!.begin();
      put(writer, channel, { seq });
    }
    await settle();
    expect(notices).toEqual([]);
    world.freeOctets = 1e9 - 1;
    await settle();
    expect(notices.map(({ partition, reason }) => [partition, reason])).toEqual([[1, 'free']]);
    await settle();
    expect(notices).toHaveLength(1);
    world.aheadSec = 60;
    await settle();
    expect(notices).toHaveLength(2);
    world.aheadSec = 120;
    world.freeOctets = 1e9;
    await settle();
    expect(ids(path)).toEqual([3, 4]);
    world.freeOctets = 0;
    for (; world.aheadSec < 600; world.aheadSec += 60) await settle();
    expect(ids(path)).toEqual([4]);
    writer.close();
  });

  test('bounds are the lesser of octets and share', () => {
    expect(boundOctets({ octets: 1000, percent: 5 }, 10_000)).toBe(500);
    expect(boundOctets({ octets: 1000, percent: 5 }, 100_000)).toBe(1000);
    expect(boundOctets({ octets: null, percent: 50 }, 100)).toBe(50);
    expect(boundOctets({ octets: 7, percent: null }, 100)).toBe(7);
  });
});

describe('the main file', () => {
  test('drops flows outside of partitions by their end, but those of a replay by when it ran', async () => {
    const path = tempDb();
    const old = new FlowWriter(path, DAEMON_RUN);
    const its = old.channel();
    old.write([[its, { type: 'capture', info: captureInfo(0) }]]);
    put(
      old,
      its,
      endingIn(-5 * HOUR, { seq: 0 }),
      endingIn(-60, { seq: 1 }),
      endingIn(-5 * HOUR, { seq: 2 }),
    );
    old.close();
    const replay = new FlowWriter(path, TEST_RUN);
    const own = replay.channel();
    replay.write([[own, { type: 'capture', info: captureInfo(0) }]]);
    put(replay, own, { seq: 0, start: [1, 0], end: [1, 0] });
    replay.close();
    const { writer, notices, world, settle } = scene({ ageSec: HOUR }, path);
    await settle();
    expect(ids(path)).toEqual([2, 1025]);
    expect(notices).toEqual([
      { type: 'dropped', partition: 0, flows: 2, octets: 0, fromNs: null, untilNs: null, reason: 'age' },
    ]);
    world.aheadSec = 2 * HOUR;
    await settle();
    expect(ids(path)).toEqual([]);
    writer.close();
  });

  test('forgets captures and runs that were over before the oldest flow, and keeps those that have flows', async () => {
    const path = tempDb();
    for (const age of [-9 * HOUR, -5 * HOUR, -60]) {
      const [writer, channel] = startParted(path);
      writer.write([
        [
          channel,
          {
            type: 'routeAudit',
            netns: 'blue',
            netnsId: '4:1',
            asked: 1,
            agreed: 1,
            disagreed: 0,
            unasked: 0,
          },
        ],
      ]);
      put(writer, channel, endingIn(age));
      if (age === -9 * HOUR) writer.partitions!.begin();
      writer.close();
    }
    const raw = new Database(path);
    raw.exec(`UPDATE runs SET started_ns = started_ns - ${9 * HOUR}000000000, ended_ns = ended_ns - ${9 * HOUR}000000000
      WHERE run_id < 3`);
    raw.close();
    const { writer, settle } = scene({ ageSec: 8 * HOUR }, path);
    await settle();
    writer.close();
    withDb(path, (db) => {
      expect(db.prepare('SELECT capture_id FROM captures').pluck().all()).toEqual([2, 3, 4]);
      expect(db.prepare('SELECT run_id FROM runs').pluck().all()).toEqual([2, 3, 4]);
      expect(db.prepare('SELECT run_id FROM route_audits').pluck().all()).toEqual([2, 3]);
    });
    expect(ids(path)).toHaveLength(2);
  });

  test('keeps of a run that was killed what it cannot know to be over', async () => {
    const path = tempDb();
    startParted(path)[0].close();
    startParted(path)[0].close();
    const raw = new Database(path);
    raw.exec(`UPDATE runs SET started_ns = 1, ended_ns = NULL;
      UPDATE runs SET pid = 4194305 WHERE run_id = 1`); // beyond the kernel's greatest
    raw.close();
    const { path: same, writer, channel, settle } = scene({}, path);
    put(writer, channel, endingIn(0));
    await settle();
    writer.close();
    const runs = withDb(same, (db) => db.prepare('SELECT run_id FROM runs').pluck().all());
    expect(runs).toEqual([2, 3]);
  });

  test('keeps of route updates what tables since the oldest flow are made from', async () => {
    const path = tempDb();
    const { writer, channel, settle } = scene({}, path);
    const base = nowNs() - 10n * BigInt(HOUR) * SEC;
    const update = (text: string, hour: number, netns = 'blue') =>
      [
        channel,
        {
          type: 'routeUpdate',
          netns,
          netnsId: '4:1',
          atNs: base + BigInt(hour * HOUR) * SEC,
          isFull: /^[A-Z]/.test(text),
          data: Buffer.from(text),
        },
      ] as const;
    writer.write([
      update('A', 0),
      update('b', 1),
      update('C', 2),
      update('d', 3),
      update('e', 6),
      update('F', 7),
      update('X', 1, 'red'),
    ]);
    put(writer, channel, endingIn(-5 * HOUR)); // hour 5
    await settle();
    const texts = (hour: number, netns = 'blue'): string[] =>
      withDb(path, (db) => routeUpdatesAt(db, netns, base + BigInt(hour * HOUR) * SEC)).map(({ data }) =>
        String(data),
      );
    expect(texts(1)).toEqual([]);
    expect(texts(5)).toEqual(['C', 'd']);
    expect(texts(6)).toEqual(['C', 'd', 'e']);
    expect(texts(9)).toEqual(['F']);
    expect(texts(5, 'red')).toEqual(['X']);
    writer.close();
  });
});

test('the only file that somebody removed is told, and another one begun', async () => {
  const path = tempDb();
  const [writer, channel] = startParted(path);
  put(writer, channel, { seq: 0 });
  writer.close();
  rmSync(partitionPath(path, 1));
  const next = scene({}, path);
  put(next.writer, next.channel, { seq: 0 });
  await next.settle();
  expect(next.notices.map(({ partition, reason }) => [partition, reason])).toEqual([[1, 'missing']]);
  expect(ids(path)).toEqual([1025]);
  next.writer.close();
});

test('a file that somebody removed is told, and forgotten', async () => {
  const path = tempDb();
  const [writer, channel] = startParted(path);
  put(writer, channel, { seq: 0 });
  writer.partitions!.begin();
  put(writer, channel, { seq: 1 });
  writer.close();
  rmSync(partitionPath(path, 1));
  const next = scene({}, path);
  await next.settle();
  expect(next.notices).toEqual([
    { type: 'dropped', partition: 1, flows: 1, octets: 0, fromNs: null, untilNs: null, reason: 'missing' },
  ]);
  next.writer.close();
});

import { describe, expect, test } from 'vitest';
import type { StorageRequest } from '../../storage/messages.ts';
import { RouteBacklog } from '../../storage/route-backlog.ts';
import { routeAudits, routeMirrors } from '../../storage/route-counts.ts';
import {
  nextFullUpdate,
  routeHistoryNames,
  routeUpdateSpan,
  routeUpdatesAt,
} from '../../storage/route-updates.ts';
import { FlowWriter, type WriteRequest } from '../../storage/writer.ts';
import { TEST_RUN } from './records.ts';
import { tempDb, withDb } from './temp-db.ts';

const T0 = 1_700_000_000_000_000_001n;

type UpdateRequest = Extract<StorageRequest, { type: 'routeUpdate' }>;

/** An update at T0 + `at`; full when its text begins with a capital letter. */
function update(text: string, at: number, netnsId = '4:1', netns = 'blue'): UpdateRequest {
  const isFull = /^[A-Z]/.test(text);
  return { type: 'routeUpdate', netns, netnsId, atNs: T0 + BigInt(at), isFull, data: Buffer.from(text) };
}

/** One run that writes these, a transaction each. */
function run(path: string, ...requests: WriteRequest[]): void {
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  for (const request of requests) writer.write([[channel, request]]);
  writer.close();
}

function textsAt(path: string, at: number, netns = 'blue'): string[] {
  const updates = withDb(path, (db) => routeUpdatesAt(db, netns, T0 + BigInt(at)));
  return updates.map(({ data }) => data.toString());
}

describe('route updates', () => {
  test('come back exact, the latest full one and what followed up to the time asked for', () => {
    const path = tempDb();
    const data = new Uint8Array([9, 9, 0, 255, 1, 9]).subarray(2, 5);
    run(path, update('A', 0), update('b', 5), update('c', 10), update('D', 20), {
      ...update('e', 30),
      data,
    });
    expect(textsAt(path, -1)).toEqual([]);
    expect(textsAt(path, 0)).toEqual(['A']);
    expect(textsAt(path, 9)).toEqual(['A', 'b']);
    expect(textsAt(path, 10)).toEqual(['A', 'b', 'c']);
    expect(textsAt(path, 20)).toEqual(['D']);
    expect(withDb(path, (db) => routeUpdatesAt(db, 'blue', 2n ** 70n))).toEqual([
      { runId: 1, netnsId: '4:1', atNs: T0 + 20n, isFull: true, data: Buffer.from('D') },
      { runId: 1, netnsId: '4:1', atNs: T0 + 30n, isFull: false, data: Buffer.from([0, 255, 1]) },
    ]);
    expect(textsAt(path, 99, 'red')).toEqual([]);
  });

  test('of other namespaces, of one re-created under the name, and of other runs are kept apart', () => {
    const path = tempDb();
    const first = new FlowWriter(path, TEST_RUN);
    const second = new FlowWriter(path, TEST_RUN);
    const [one, two] = [first.channel(), second.channel()];
    first.write([
      [one, update('A', 0)],
      [one, update('X', 1, '4:9', 'red')],
      [one, update('b', 2)],
    ]);
    second.write([[two, update('C', 3)]]);
    first.write([[one, update('d', 4)]]);
    second.write([[two, update('e', 5)]]);
    first.write([[one, update('F', 6, '4:2')]]);
    first.write([[one, update('g', 7)]]); // of the namespace that had the name before
    first.close();
    second.close();
    expect(textsAt(path, 2)).toEqual(['A', 'b']);
    expect(textsAt(path, 5)).toEqual(['C', 'e']);
    expect(textsAt(path, 7)).toEqual(['F']);
    expect(textsAt(path, 7, 'red')).toEqual(['X']);
  });

  test('written after the clock was set back do not lose the ones before them', () => {
    const path = tempDb();
    run(path, update('A', 0), update('b', 50), update('c', 10));
    expect(textsAt(path, 10)).toEqual(['A', 'b', 'c']);
  });

  test('tell from when to when there are any', () => {
    const path = tempDb();
    run(path, update('a', 0), update('B', 5), update('c', 7), update('X', 9, '4:9', 'red'));
    withDb(path, (db) => {
      expect(routeUpdateSpan(db, 'blue')).toEqual({ firstNs: T0 + 5n, lastNs: T0 + 7n });
      expect(routeUpdateSpan(db, 'green')).toBeNull();
      expect(routeHistoryNames(db)).toEqual(['blue', 'red']);
    });
  });

  test('tell the next one from which tables can be made, and the next of another namespace of the name', () => {
    const path = tempDb();
    run(path, update('A', 0), update('b', 5), update('C', 10), update('D', 20, '4:2'));
    withDb(path, (db) => {
      const next = (at: number, notOf?: string): bigint | null =>
        nextFullUpdate(db, 'blue', T0 + BigInt(at), notOf);
      expect([-1, 0, 9, 10, 20].map((at) => next(at))).toEqual([T0, T0 + 10n, T0 + 10n, T0 + 20n, null]);
      expect(next(-1, '4:1')).toBe(T0 + 20n);
      expect(next(0, '4:2')).toBe(T0 + 10n);
      expect(nextFullUpdate(db, 'green', 0n)).toBeNull();
    });
  });

  test('behind lost ones are not given out until one stands for itself, and the loss is counted', () => {
    const path = tempDb();
    const gap = { type: 'routeGap', netns: 'blue', netnsId: '4:1', atNs: T0 + 4n, lost: 3 } as const;
    run(path, update('A', 0), gap, { ...gap, atNs: T0 + 6n, lost: 2 }, update('B', 9), update('c', 10));
    expect(textsAt(path, 3)).toEqual(['A']);
    expect(textsAt(path, 5)).toEqual([]);
    expect(textsAt(path, 8)).toEqual([]);
    expect(textsAt(path, 10)).toEqual(['B', 'c']);
    expect(withDb(path, routeMirrors)).toEqual([expect.objectContaining({ netns: 'blue', shedUpdates: 5 })]);
  });

  test('are found without a walk over all of them', () => {
    const path = tempDb();
    run(path, update('A', 0));
    const plan = withDb(path, (db) =>
      db
        .prepare(
          `EXPLAIN QUERY PLAN SELECT update_id FROM route_updates WHERE netns = 'blue' AND is_full = 1 AND at_ns <= 9
           ORDER BY at_ns DESC, update_id DESC LIMIT 1`,
        )
        .all(),
    );
    expect(plan).toEqual([
      expect.objectContaining({ detail: expect.stringContaining('INDEX route_updates_at') }),
    ]);
  });
});

describe('the backlog of route updates', () => {
  test('takes what fits; what does not, and what came after it, becomes one gap until the next full update', () => {
    const backlog = new RouteBacklog(4);
    const [a, b] = [update('A', 0), update('bb', 1)];
    expect(backlog.admit(a)).toBe(a);
    expect(backlog.admit(b)).toBe(b);
    const gap = backlog.admit(update('cc', 2));
    expect(gap).toEqual({ type: 'routeGap', netns: 'blue', netnsId: '4:1', atNs: T0 + 2n, lost: 1 });
    expect(backlog.admit(update('d', 3))).toBeNull(); // would fit, but means nothing
    expect(gap).toMatchObject({ lost: 2 });
    const other = update('e', 4, '4:2');
    expect(backlog.admit(other)).toBe(other);
    backlog.written();
    expect(backlog.admit(update('f', 5))).toMatchObject({ atNs: T0 + 5n, lost: 1 });
    expect(gap).toMatchObject({ lost: 2 }); // it is in the database: nothing may be added to it any more
    const full = update('G', 6);
    expect(backlog.admit(full)).toBe(full);
    const after = update('h', 7);
    expect(backlog.admit(after)).toBe(after);
  });

  test('takes a single update of any size when nothing waits', () => {
    const backlog = new RouteBacklog(4);
    const large = update('Large enough', 0);
    expect(backlog.admit(large)).toBe(large);
    expect(backlog.admit(update('b', 1))).toMatchObject({ type: 'routeGap' });
  });
});

describe('counts of routes', () => {
  test('are those sent last, by run and namespace', () => {
    const path = tempDb();
    const audit = { type: 'routeAudit', netns: 'blue', netnsId: '4:1', asked: 5, agreed: 4 } as const;
    const mirror = {
      type: 'routeMirror',
      netns: 'blue',
      netnsId: '4:1',
      reloads: 2,
      interrupted: 0,
    } as const;
    run(
      path,
      { ...audit, disagreed: 1, unasked: 7 },
      { ...audit, netns: 'red', netnsId: '4:2', disagreed: 1, unasked: 0 },
      { ...audit, asked: 9, agreed: 8, disagreed: 1, unasked: 8 },
      { ...mirror, resyncs: 0, applied: 10 },
      { ...mirror, resyncs: 1, applied: 11 },
    );
    run(path, { ...audit, netns: 'renamed', disagreed: 0, unasked: 0 });
    withDb(path, (db) => {
      expect(routeAudits(db)).toEqual([
        { runId: 1, netns: 'blue', netnsId: '4:1', asked: 9, agreed: 8, disagreed: 1, unasked: 8 },
        { runId: 1, netns: 'red', netnsId: '4:2', asked: 5, agreed: 4, disagreed: 1, unasked: 0 },
        { runId: 2, netns: 'renamed', netnsId: '4:1', asked: 5, agreed: 4, disagreed: 0, unasked: 0 },
      ]);
      expect(routeMirrors(db)).toEqual([
        {
          runId: 1,
          netns: 'blue',
          netnsId: '4:1',
          resyncs: 1,
          reloads: 2,
          applied: 11,
          interrupted: 0,
          shedUpdates: 0,
        },
      ]);
    });
  });
});

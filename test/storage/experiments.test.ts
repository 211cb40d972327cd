import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openForReading, openForWriting } from '../../storage/database.ts';
import { sumExperiments } from '../../storage/experiment-sums.ts';
import {
  parseExperimentName,
  whyNoExperimentName,
  whyNoNetnsPattern,
} from '../../storage/experiment-name.ts';
import {
  changeExperiment,
  type Experiment,
  type ExperimentChange,
  ExperimentError,
  readExperiments,
} from '../../storage/experiments.ts';
import type { FilterNode } from '../../storage/filter-ast.ts';
import { queryFlows } from '../../storage/query.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, type RecordSpec, TEST_RUN } from './records.ts';
import { EVERYTHING, readFlows, tempDb, withDb } from './temp-db.ts';

const SEC = 1_000_000_000n;
const start = (name: string, netns: string | null = null): ExperimentChange => ({
  type: 'start',
  name,
  netns,
});
const stop = (name: string | null = null, id: number | null = null): ExperimentChange => ({
  type: 'stop',
  name,
  id,
});

/** Makes changes in a database, each at its second. */
function change(path: string, ...changes: [atSec: number, change: ExperimentChange][]): Experiment[] {
  const db = openForWriting(path);
  try {
    return changes.map(([atSec, each]) => changeExperiment(db, each, BigInt(atSec) * SEC));
  } finally {
    db.close();
  }
}

function refusal(work: () => unknown): [code: string, message: string] {
  try {
    work();
  } catch (error) {
    if (error instanceof ExperimentError) return [error.code, error.message];
    throw error;
  }
  throw new Error('was not refused');
}

/** Writes flows that live from one second to another, in namespaces "blue" and "red" and none. */
function write(
  path: string,
  flows: [from: number, to: number, capture?: number][],
  isPartitioned = false,
): void {
  const writer = new FlowWriter(path, TEST_RUN, isPartitioned);
  const channel = writer.channel();
  const infos = [{ netns: 'blue' }, { netns: 'red' }, { netns: null, source: 'file' as const }];
  writer.write(infos.map((info, i) => [channel, { type: 'capture', info: captureInfo(i, info) }] as const));
  const specs = flows.map(
    ([from, to, capture = 0], seq): RecordSpec => ({ seq, capture, start: [from, 0], end: [to, 0] }),
  );
  const half = Math.ceil(specs.length / 2);
  for (const part of [specs.slice(0, half), specs.slice(half)]) {
    if (part.length > 0) writer.write([[channel, { type: 'batch', batch: batchOf(...part) }]]);
    if (part.length === half) writer.partitions?.begin();
  }
  writer.close();
}

describe('an experiment', () => {
  test('is started and stopped, by name, by id, or the one started last', () => {
    const path = tempDb();
    const [a, b, c] = change(path, [10, start('a')], [20, start('b', 'lab-*')], [30, start('c')]);
    expect([a, b]).toEqual([
      { id: 1, name: 'a', number: 1, netns: null, startedNs: 10n * SEC, endedNs: null },
      { id: 2, name: 'b', number: 1, netns: 'lab-*', startedNs: 20n * SEC, endedNs: null },
    ]);
    // To the end of that millisecond.
    expect(change(path, [40, stop()])).toEqual([{ ...c, endedNs: 40n * SEC + 999_999n }]);
    expect(change(path, [50, stop('a')])).toMatchObject([{ name: 'a', endedNs: 50n * SEC + 999_999n }]);
    expect(change(path, [60, stop(null, b!.id)])).toMatchObject([{ name: 'b' }]);
    // The same name again is another one, and both have a number.
    expect(change(path, [70, start('a')])).toMatchObject([{ id: 4, name: 'a', number: 2 }]);
    expect(withDb(path, readExperiments).map(({ name, number }) => `${name}#${number}`)).toEqual([
      'a#1',
      'b#1',
      'c#1',
      'a#2',
    ]);
  });

  test('of a name that runs is refused with the time since when, and so is stopping what does not run', () => {
    const path = tempDb();
    expect(refusal(() => change(path, [1, stop()]))).toEqual([
      'EXPERIMENT_NOT_RUNNING',
      'no experiment is running; `nstap experiment list` shows them',
    ]);
    change(path, [1_700_000_000, start('a')]);
    expect(refusal(() => change(path, [1_700_000_001, start('a')]))).toEqual([
      'EXPERIMENT_RUNNING',
      'experiment a is running since 2023-11-14T22:13:20.000Z; stop it first (`nstap experiment stop`), or take another name',
    ]);
    expect(refusal(() => change(path, [1_700_000_001, stop('b')]))[1]).toMatch(
      /^experiment b is not running/,
    );
    change(path, [1_700_000_002, stop('a')]);
    expect(refusal(() => change(path, [1_700_000_003, stop('a')]))[0]).toBe('EXPERIMENT_NOT_RUNNING');
    expect(refusal(() => change(path, [1_700_000_003, stop('a', 7)]))[0]).toBe('EXPERIMENT_NOT_RUNNING');
    // By its id it can be asked for again, and ended when it did.
    const ended = { id: 1, endedNs: 1_700_000_002n * SEC + 999_999n };
    expect(change(path, [1_700_000_004, stop('a', 1)])).toMatchObject([ended]);
    expect(refusal(() => change(path, [1, start('a#1')]))[0]).toBe('EXPERIMENT_NAME');
    expect(refusal(() => change(path, [1, start('b', '')]))[0]).toBe('EXPERIMENT_NAME');
    expect(withDb(path, readExperiments)).toHaveLength(1);
  });

  test('does not end before it began when the clock is set back', () => {
    const path = tempDb();
    change(path, [100, start('a')]);
    expect(change(path, [50, stop()])).toMatchObject([{ endedNs: 100n * SEC + 999_999n }]);
  });

  test('waits for the transaction of another process, and then sees what that one did', () => {
    const path = tempDb();
    change(path);
    const other = openForWriting(path);
    const db = openForWriting(path);
    db.pragma('busy_timeout = 1');
    other.exec("BEGIN IMMEDIATE; INSERT INTO experiments (name, started_ns) VALUES ('a', 5)");
    expect(() => changeExperiment(db, start('a'), 6n)).toThrow(/^start an experiment in .*: SQLITE_BUSY/);
    other.exec('COMMIT');
    expect(refusal(() => changeExperiment(db, start('a'), 6n))[0]).toBe('EXPERIMENT_RUNNING');
    other.close();
    db.close();
  });

  test.each(['', ' a', 'a ', 'a#2', 'a\nb', 'x'.repeat(101)])('cannot be called %j', (name) => {
    expect(whyNoExperimentName(name)).toMatch(/^a name has 1 to 100 characters/);
  });

  test('has a name of any other kind', () => {
    for (const name of ['a', 'MTU 1400 ü', 'x'.repeat(100)]) expect(whyNoExperimentName(name)).toBeNull();
    expect(whyNoNetnsPattern('lab-[ab]*')).toBeNull();
    for (const pattern of ['', '****', 'a\tb', 'x'.repeat(256)])
      expect(whyNoNetnsPattern(pattern)).toMatch(/^a namespace is a name or pattern/);
    expect(parseExperimentName('web#12')).toEqual({ name: 'web', number: 12 });
    expect(parseExperimentName('web#')).toEqual({ name: 'web#', number: null });
  });
});

describe.each([false, true])('flows (partitioned: %s)', (isPartitioned) => {
  const names = (path: string) =>
    readFlows(path).map(({ experiment, experiments }) => [experiment, experiments]);
  const found = (path: string, ...wanted: string[]) =>
    readFlows(path, { filter: { kind: 'experiment', names: wanted } }).map(({ flowId }) => flowId);

  test('belong to each experiment in whose time they were alive: nested, overlapping, at its edges', () => {
    const path = tempDb();
    change(path, [100, start('outer')], [200, start('inner')], [300, stop('inner')]);
    change(path, [350, start('late')], [400, stop('outer')], [500, stop('late')]);
    write(
      path,
      [
        [50, 99], // before
        [50, 100], // until it began
        [210, 290], // within both
        [290, 360], // spans the end of one and the begin of another
        [400, 450], // from the second in which it ended
        [501, 600], // after all
      ],
      isPartitioned,
    );
    expect(names(path)).toEqual([
      [null, []],
      ['outer', ['outer']],
      ['inner', ['outer', 'inner']],
      ['late', ['outer', 'inner', 'late']],
      ['late', ['outer', 'late']],
      [null, []],
    ]);
    expect(found(path, 'outer')).toEqual([2, 3, 4, 5]);
    expect(found(path, 'inner')).toEqual([3, 4]);
    expect(found(path, 'inner', 'late')).toEqual([3, 4, 5]);
    expect(found(path, 'none')).toEqual([]);
    const not: FilterNode = { kind: 'not', node: { kind: 'experiment', names: ['outer'] } };
    expect(readFlows(path, { filter: not }).map(({ flowId }) => flowId)).toEqual([1, 6]);
  });

  test('belong to one that was marked after they were written, and to one that still goes on', () => {
    const path = tempDb();
    write(
      path,
      [
        [10, 20],
        [30, 40],
      ],
      isPartitioned,
    );
    change(path, [25, start('open')]);
    expect(found(path, 'open')).toEqual([2]);
    expect(names(path)).toEqual([
      [null, []],
      ['open', ['open']],
    ]);
  });

  test('are limited to namespaces, by name or pattern', () => {
    const path = tempDb();
    change(path, [0, start('blue', 'blue')], [1, start('ends in d', '*d')], [2, start('all')]);
    write(
      path,
      [
        [5, 6, 0],
        [5, 6, 1],
        [5, 6, 2],
      ],
      isPartitioned,
    );
    expect(names(path).map(([, list]) => list)).toEqual([['blue', 'all'], ['ends in d', 'all'], ['all']]);
    expect(found(path, 'blue')).toEqual([1]);
    expect(found(path, 'ends in d')).toEqual([2]);
  });

  test('of a name that was used twice are those of both, or of the one whose number is asked for', () => {
    const path = tempDb();
    change(path, [10, start('a')], [20, stop()], [25, start('b')], [30, start('a')], [40, stop('a')]);
    write(
      path,
      [
        [12, 13],
        [32, 33],
        [15, 35],
      ],
      isPartitioned,
    );
    expect(found(path, 'a')).toEqual([1, 2, 3]);
    expect(found(path, 'a#1')).toEqual([1, 3]);
    expect(found(path, 'a#2')).toEqual([2, 3]);
    expect(found(path, 'a#3')).toEqual([]);
    // Once, at the place of the later.
    expect(names(path)[2]).toEqual(['a', ['b', 'a']]);
  });

  test('are added up for each experiment', () => {
    const path = tempDb();
    change(path, [10, start('a')], [20, stop()], [30, start('b')]);
    write(
      path,
      [
        [12, 13],
        [12, 33],
      ],
      isPartitioned,
    );
    const sums = withDb(path, (db) => sumExperiments(db, readExperiments(db)));
    const [first] = readFlows(path);
    const packets = first!.packetsFwd + first!.packetsRev;
    const bytes = first!.bytesFwd + first!.bytesRev;
    expect(sums).toMatchObject([
      { name: 'a', flows: 2, packets: 2 * packets, bytes: 2 * bytes },
      { name: 'b', flows: 1, packets, bytes },
    ]);
  });
});

describe.each([false, true])('random experiments (partitioned: %s)', (isPartitioned) => {
  const NETNS = ['blue', 'red', null];
  const FLOWS = Array.from({ length: 40 }, (_, i): [number, number, number] => {
    const from = (i * 37) % 200;
    return [from, from + [0, 3, 25, 60][i % 4]!, i % 3];
  });

  test('what a filter finds, what a flow says of itself and plain arithmetic agree, also of more than have a lookup each', () => {
    const path = tempDb();
    write(path, FLOWS, isPartitioned);
    const db = openForWriting(path);
    const reader = openForReading(path);
    const window = fc.record({
      at: fc.integer({ min: 0, max: 200 }),
      lasts: fc.option(fc.integer({ min: 0, max: 50 }), { freq: 9 }),
      name: fc.constantFrom('a', 'a', 'b'),
      pattern: fc.constantFrom(null, 'blue', 'r?d', '*'),
    });
    const matchers: Record<string, RegExp> = { blue: /^blue$/, 'r?d': /^r.d$/, '*': /^/ };
    const seen = { some: 0, none: 0, many: 0 };
    fc.assert(
      fc.property(fc.array(window, { maxLength: 80, size: 'max' }), (windows) => {
        db.exec('DELETE FROM experiments');
        const insert = db.prepare(
          'INSERT INTO main.experiments (name, netns, started_ns, ended_ns) VALUES (?, ?, ?, ?)',
        );
        for (const { at, lasts, name, pattern } of windows)
          insert.run(name, pattern, BigInt(at) * SEC, lasts === null ? null : BigInt(at + lasts) * SEC);
        const expected = FLOWS.map(([from, to, capture]) => {
          const netns = NETNS[capture]!;
          const own = windows.filter(
            ({ at, lasts, pattern }) =>
              at <= to &&
              (lasts === null || at + lasts >= from) &&
              (pattern === null || (netns !== null && matchers[pattern]!.test(netns))),
          );
          return [...new Set(own.map(({ name }) => name))].toSorted();
        });
        const rows = [...queryFlows(reader, EVERYTHING)];
        expect(rows.map(({ experiments }) => experiments.toSorted())).toEqual(expected);
        for (const names of expected) seen[names.length > 0 ? 'some' : 'none']++;
        for (const name of ['a', 'b']) {
          if (windows.filter((each) => each.name === name).length > 32) seen.many++;
          const filter: FilterNode = { kind: 'experiment', names: [name] };
          expect([...queryFlows(reader, { ...EVERYTHING, filter })].map(({ flowId }) => flowId)).toEqual(
            rows.filter(({ experiments }) => experiments.includes(name)).map(({ flowId }) => flowId),
          );
        }
      }),
      { numRuns: 60 },
    );
    reader.close();
    db.close();
    expect(Math.min(seen.some, seen.none, seen.many)).toBeGreaterThan(0);
  });
});

import { once } from 'node:events';
import { expect, test } from 'vitest';
import { parseFilter } from '../../cli/filter/parse.ts';
import { openForWriting } from '../../storage/database.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { oldDb } from './old-db.ts';
import { batchOf, captureInfo, decision, TEST_RUN } from './records.ts';
import { startWriting } from './start-writing.ts';
import { readFlows, tempDb, withDb } from './temp-db.ts';

/** Names and SQL of the indexes of flows, and what SQLite is told of them. */
function indexes(path: string): unknown[] {
  return withDb(path, (db) =>
    db
      .prepare(
        `SELECT name, sql, stat FROM sqlite_schema LEFT JOIN sqlite_stat1 ON idx = name
         WHERE type = 'index' AND tbl_name = 'flows' ORDER BY name`,
      )
      .raw()
      .all(),
  );
}

function indexesOfDaemon(): unknown[] {
  const path = tempDb();
  openForWriting(path).close();
  return indexes(path);
}

const SPECS = Array.from({ length: 40 }, (_, seq) => ({
  seq,
  start: [1_700_000_000 + seq, 0] as [number, number],
  end: [1_700_000_000 + seq + (seq % 10 === 0 ? 400 : 1), 0] as [number, number],
  src: [10, 0, 0, seq % 5],
  ports: [40_000 + seq, seq % 3 === 0 ? 80 : 443] as [number, number],
  route: [seq % 4 === 0 ? 1 : 0, -1] as [number, number],
  vlan: seq % 7 === 0 ? [7] : [],
}));

function begin(path: string, writer = new FlowWriter(path, TEST_RUN)): FlowWriter {
  const channel = writer.channel();
  writer.write([
    [channel, { type: 'capture', info: captureInfo(0) }],
    [channel, { type: 'decisions', base: 0, list: [decision(), decision({ type: 'blackhole', dev: null })] }],
    [channel, { type: 'batch', batch: batchOf(...SPECS) }],
  ]);
  return writer;
}

const at = (sec: number): bigint => (1_700_000_000n + BigInt(sec)) * 1_000_000_000n;

/** What queries of each kind of index find. */
function answers(path: string): unknown {
  const filters = ['host 10.0.0.3', 'net 10.0.0.0/30', 'port 80', 'src port > 40020', 'route type blackhole'];
  return ['', ...filters, 'netns blue', 'tunnel', 'flow 7', 'not port 80'].flatMap((text) =>
    [
      { sort: 'start', limit: 5 },
      { sort: 'bytes', limit: null },
      { sort: 'end', limit: 3, since: at(20), until: at(30) },
    ].map((more) =>
      readFlows(path, { filter: parseFilter(text), descending: true, ...more }).map(({ flowId }) => flowId),
    ),
  );
}

test('a replay into a new database makes the indexes at its end, the same as a daemon has', () => {
  const path = tempDb();
  const writer = begin(path);
  expect(indexes(path)).toEqual([]);
  const meanwhile = answers(path);
  writer.close();
  expect(indexes(path)).toEqual(indexesOfDaemon());
  expect(answers(path)).toEqual(meanwhile);
});

test('a daemon, and a replay into a database that is there, have them from the start', () => {
  const path = tempDb();
  const daemon = begin(path, new FlowWriter(path, { ...TEST_RUN, kind: 'daemon' }));
  expect(indexes(path)).toEqual(indexesOfDaemon());
  daemon.close();
  const replay = begin(path);
  expect(indexes(path)).toEqual(indexesOfDaemon());
  replay.close();
});

test('another process that writes to it meanwhile makes them, and both go on', () => {
  const path = tempDb();
  const replay = begin(path);
  const other = begin(path);
  expect(indexes(path)).toEqual(indexesOfDaemon());
  replay.close();
  other.close();
  expect(readFlows(path)).toHaveLength(2 * SPECS.length);
});

test('what a killed replay left can be read, and the next one to write makes them', async () => {
  const path = tempDb();
  const child = startWriting(path, 0, 100);
  for await (const text of child.stdout!.setEncoding('utf8')) if (text !== '') child.kill('SIGKILL');
  expect(child.signalCode ?? (await once(child, 'exit'))[1]).toBe('SIGKILL');
  expect(indexes(path)).toEqual([]);
  const rows = readFlows(path, { filter: parseFilter('port 80'), sort: 'start', limit: 50 });
  expect(rows).toHaveLength(50);
  openForWriting(path).close();
  expect(indexes(path)).toEqual(indexesOfDaemon());
  expect(readFlows(path, { filter: parseFilter('port 80'), sort: 'start', limit: 50 })).toEqual(rows);
});

test('a long replay does not wait for its end', () => {
  const path = tempDb();
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
  const batch = batchOf(...Array.from({ length: 4096 }, () => ({})));
  for (let n = 0; n <= 65; n++) {
    for (let i = 0; i < batch.count; i++) batch.columns.flowSeq[i] = n * batch.count + i;
    writer.write([[channel, { type: 'batch', batch }]]);
    expect(indexes(path).length > 0).toBe(n > 63);
  }
  writer.close();
});

test('what a killed replay of an older nstap left without indexes has them when it is brought up to date', () => {
  const path = tempDb();
  const old = oldDb(path, 12);
  for (const name of old
    .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'flows'")
    .pluck()
    .all())
    old.exec(`DROP INDEX ${name}`);
  old.close();
  openForWriting(path, true).close();
  expect(indexes(path)).toEqual(indexesOfDaemon());
});

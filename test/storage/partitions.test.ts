import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openForReading } from '../../storage/database.ts';
import { APPLICATION_ID, MIGRATIONS } from '../../storage/migrations.ts';
import {
  allFilesOctets,
  MAX_PARTITIONS,
  partitionPath,
  partitionRows,
} from '../../storage/partition-files.ts';
import { queryFlows } from '../../storage/query.ts';
import { seriesReader } from '../../storage/series.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { put, startParted } from './parted.ts';
import { addChange, batchOf, captureInfo, decision, TEST_RUN } from './records.ts';
import { EVERYTHING, readFlows, tempDb, tempFolder, withDb } from './temp-db.ts';

const ROLLING_PROCESS = fileURLToPath(new URL('./rolling-process.ts', import.meta.url));
const KILLED_PROCESS = fileURLToPath(new URL('./killed-process.ts', import.meta.url));

/** Rows that a file itself has. */
function countIn(path: string, table: string): number {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number;
  } finally {
    db.close();
  }
}

function files(path: string): string[] {
  return readdirSync(dirname(path))
    .filter((name) => /^flows\.db(-\d+)?$/.test(name))
    .sort();
}

test('all octets of a database are those of its partitions and logs as well, and of no other file', () => {
  const path = join(tempFolder(), 'flows.db');
  const octets = { '': 1, '-wal': 20, '-shm': 300, '-0001': 4000, '-0001-wal': 50_000, '-old': 600_000 };
  for (const [suffix, size] of Object.entries(octets)) writeFileSync(path + suffix, Buffer.alloc(size));
  expect(allFilesOctets(path)).toBe(54_321);
});

describe('a writer with partitions', () => {
  test('writes flows into files of their own, for owner and group, and counts them in the main one', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path);
    put(writer, channel, { seq: 0 }, { seq: 1 });
    writer.partitions!.begin();
    put(writer, channel, { seq: 2 });
    writer.close();
    expect(files(path)).toEqual(['flows.db', 'flows.db-0001', 'flows.db-0002']);
    expect(statSync(`${path}-0001`).mode & 0o777).toBe(0o640);
    expect([path, `${path}-0001`, `${path}-0002`].map((file) => countIn(file, 'flows'))).toEqual([0, 2, 1]);
    const rows = withDb(path, partitionRows);
    expect(rows.map(({ number, flows }) => [number, flows])).toEqual([
      [1, 2],
      [2, 1],
    ]);
    expect(rows[0]!.closedNs).toBe(rows[1]!.createdNs);
    expect(rows[1]!.closedNs).toBeNull();
    expect(readFlows(path).map(({ flowId }) => flowId)).toEqual([1, 2, 3]);
    expect(writer.totals).toEqual({ flows: 3, records: 3 });
  });

  test('goes on with the newest one in the next run, with new ids', () => {
    const path = tempDb();
    for (let run = 0; run < 2; run++) {
      const [writer, channel] = startParted(path);
      put(writer, channel, { seq: 0 });
      writer.close();
    }
    expect(files(path)).toEqual(['flows.db', 'flows.db-0001']);
    expect(readFlows(path).map(({ flowId }) => flowId)).toEqual([1, 1025]);
  });

  test('keeps a flow that lives on in the file that it began in: one row, and its sums are right', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path, true);
    put(writer, channel, { seq: 0, packets: [5, 1] }, { seq: 3, packets: [1, 0] });
    writer.partitions!.begin();
    put(writer, channel, { seq: 0, isNew: false, packets: [8, 2] }, { seq: 4 });
    writer.partitions!.begin();
    // Its first record comes late, but its number is below those that were seen in the first file.
    put(writer, channel, { seq: 0, isNew: false, packets: [9, 2] }, { seq: 2 });
    writer.close();
    expect([1, 2, 3].map((n) => countIn(partitionPath(path, n), 'flows'))).toEqual([3, 1, 0]);
    const rows = readFlows(path);
    expect(rows.map(({ flowId, packetsFwd, packetsRev }) => [flowId, packetsFwd, packetsRev])).toEqual([
      [1, 9, 2],
      [3, 1, 0],
      [4, 1, 0],
      [5, 1, 0],
    ]);
    const series = withDb(path, (db) => seriesReader(db)(1));
    expect(series.reduce((sum, row) => sum + row.packetsFwd, 0)).toBe(9);
  });

  test('puts a flow whose file was dropped into the main file, as one row', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path, true);
    put(writer, channel, { seq: 0, packets: [5, 1] }, { seq: 1 });
    writer.partitions!.begin();
    const [row] = writer.partitions!.rows();
    writer.partitions!.detach(1);
    rmSync(partitionPath(path, 1));
    writer.partitions!.forget(row!, 1000);
    put(writer, channel, { seq: 0, isNew: false, packets: [6, 1] });
    writer.partitions!.begin();
    put(writer, channel, { seq: 0, isNew: false, packets: [7, 1] }, { seq: 2 });
    writer.close();
    expect(countIn(path, 'flows')).toBe(1);
    expect(readFlows(path).map(({ flowId, packetsFwd }) => [flowId, packetsFwd])).toEqual([
      [1, 7],
      [3, 1],
    ]);
    expect(withDb(path, (db) => seriesReader(db)(1)).reduce((sum, r) => sum + r.packetsFwd, 0)).toBe(7);
  });

  test('keeps series and route changes beside their flows, and they are found again', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path, true);
    writer.write([
      [channel, { type: 'decisions', base: 0, list: [decision(), decision({ type: 'local' })] }],
    ]);
    for (const seq of [0, 1]) {
      if (seq === 1) writer.partitions!.begin();
      const batch = batchOf({ seq, route: [1, -1], routeOrigSide: 0 });
      addChange(batch, { seq, at: [1_700_000_001, 5], previous: 0, decision: 1 });
      writer.write([[channel, { type: 'batch', batch }]]);
    }
    writer.close();
    expect(countIn(path, 'route_changes')).toBe(0);
    for (const n of [1, 2]) {
      expect(countIn(partitionPath(path, n), 'route_changes')).toBe(2);
      expect(countIn(partitionPath(path, n), 'flow_series')).toBe(1);
    }
    const flows = readFlows(path);
    expect(flows.map(({ routeChanges }) => routeChanges?.map(({ decision: d }) => d.type))).toEqual([
      ['unicast', 'local'],
      ['unicast', 'local'],
    ]);
    const routes = withDb(path, (db) =>
      db
        .prepare('SELECT flow_id, direction, decision_id FROM flow_routes ORDER BY flow_id, since_ns')
        .raw()
        .all(),
    );
    expect(routes).toEqual([
      [1, 'fwd', 1],
      [1, 'fwd', 2],
      [2, 'fwd', 1],
      [2, 'fwd', 2],
    ]);
  });

  test('begins no more than a reader can attach', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path);
    for (let seq = 0; seq < 15; seq++) {
      put(writer, channel, { seq });
      writer.partitions!.begin();
    }
    writer.close();
    expect(files(path)).toHaveLength(1 + MAX_PARTITIONS);
    expect(readFlows(path)).toHaveLength(15);
  });

  test('takes over what another process begins and drops', () => {
    const path = tempDb();
    const [one, first] = startParted(path);
    const [two, second] = startParted(path);
    put(one, first, { seq: 0 });
    one.partitions!.begin();
    two.partitions!.begin(); // there is a newer one already
    expect(files(path)).toHaveLength(3);
    put(two, second, { seq: 0 });
    expect(countIn(partitionPath(path, 2), 'flows')).toBe(1);
    one.partitions!.begin();
    const row = one.partitions!.rows()[1]!;
    one.partitions!.detach(2);
    rmSync(partitionPath(path, 2));
    one.partitions!.forget(row, 1);
    two.partitions!.refresh();
    put(two, second, { seq: 0, isNew: false, packets: [7, 0] }, { seq: 1 });
    one.close();
    two.close();
    expect(readFlows(path).map(({ flowId, packetsFwd }) => [flowId, packetsFwd])).toEqual([
      [1, 1],
      [1025, 7],
      [1026, 1],
    ]);
  });

  test('never gives an id twice, whatever of the main file a power cut took back', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path);
    put(writer, channel, { seq: 0 }, { seq: 3000 });
    writer.close();
    const db = new Database(path);
    db.exec("UPDATE meta SET value = 1 WHERE name = 'next_flow_id'");
    db.close();
    const next = new FlowWriter(path, TEST_RUN); // a replay, too
    const own = next.channel();
    next.write([[own, { type: 'capture', info: captureInfo(0) }]]);
    put(next, own, { seq: 0 });
    next.close();
    const ids = readFlows(path).map(({ flowId }) => flowId);
    expect(new Set(ids).size).toBe(3);
    expect(countIn(path, 'flows')).toBe(1);
  });

  test('leaves a replay to the main file', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path);
    const replay = new FlowWriter(path, TEST_RUN);
    const own = replay.channel();
    replay.write([[own, { type: 'capture', info: captureInfo(0, { netns: 'red' }) }]]);
    put(replay, own, { seq: 0 });
    put(writer, channel, { seq: 0 });
    replay.close();
    writer.close();
    expect(countIn(path, 'flows')).toBe(1);
    expect(
      readFlows(path)
        .map(({ netns }) => netns)
        .sort(),
    ).toEqual(['blue', 'red']);
  });
});

describe('a database of an older nstap', () => {
  test('goes on with partitions, and its own flows are the first ones', () => {
    const path = tempDb();
    const old = new Database(path);
    for (const step of MIGRATIONS.slice(0, 5)) old.exec(step);
    old.pragma(`application_id = ${APPLICATION_ID}`);
    old.pragma('user_version = 5');
    old.exec(`INSERT INTO hosts VALUES (1, '', 'h');
      INSERT INTO runs (run_id, host_id, kind, version, command_line, pid, started_ns) VALUES (1, 1, 'daemon', '', '', 1, 0);
      INSERT INTO captures (capture_id, run_id, link_type, source) VALUES (1, 1, 1, 'ring');
      UPDATE meta SET value = 1025 WHERE name = 'next_flow_id';
      INSERT INTO flows (flow_id, host_id, capture_id, start_ns, end_ns, ip_version, proto, src, dst, packets_fwd, packets_rev,
        bytes_fwd, bytes_rev, ip_bytes_fwd, ip_bytes_rev, payload_bytes_fwd, payload_bytes_rev, conn_state, end_reason)
        VALUES (1, 1, 1, 0, 1, 4, 6, x'0a000001', x'0a000002', 3, 2, 1, 1, 1, 1, 0, 0, 0, 0)`);
    old.close();
    const [writer, channel] = startParted(path);
    put(writer, channel, { seq: 0 });
    writer.close();
    expect(readFlows(path).map(({ flowId, packetsFwd }) => [flowId, packetsFwd])).toEqual([
      [1, 3],
      [1025, 1],
    ]);
  });

  describe('of this one', () => {
    afterEach(() => {
      vi.doUnmock('../../storage/migrations.ts');
      vi.resetModules();
    });

    test('is brought up to date with its partitions', async () => {
      const path = tempDb();
      const [writer, channel] = startParted(path);
      put(writer, channel, { seq: 0 });
      writer.close();
      vi.resetModules();
      vi.doMock('../../storage/migrations.ts', () => ({
        APPLICATION_ID,
        MIGRATIONS: [...MIGRATIONS, 'ALTER TABLE flows ADD COLUMN newer INTEGER'],
      }));
      const next = await import('../../storage/database.ts');
      expect(() => next.openForReading(path)).toThrow(/older nstap/);
      next.openForWriting(path).close();
      const db = next.openForReading(path);
      expect(db.prepare('SELECT flow_id, newer FROM flows').raw().all()).toEqual([[1, null]]);
      db.close();
    });
  });
});

describe('a process that is killed', () => {
  // The step before which it dies, and the flows and files that are left.
  test.each([
    ['while it makes a file', 'UPDATE main.partitions SET closed_ns', [1], ['0001']],
    ['when a file is recorded but not attached', 'ATTACH', [1], ['0001', '0002']],
    ['before it lets go of a file', 'DETACH', [1, 2], ['0001', '0002', '0003']],
    ['when a file is removed but still recorded', 'DELETE FROM main.partitions', [2], ['0002', '0003']],
  ])('%s', (_, statement, flowIds, kept) => {
    const path = tempDb();
    const { signal, stdout, stderr } = spawnSync(process.execPath, [KILLED_PROCESS, path, statement], {
      encoding: 'utf8',
    });
    expect({ signal, stdout, stderr }).toEqual({ signal: 'SIGKILL', stdout: '', stderr: '' });
    expect(readFlows(path).map(({ flowId }) => flowId)).toEqual(flowIds);
    const [writer, channel] = startParted(path); // and the next one settles it
    put(writer, channel, { seq: 0 });
    for (const row of writer.partitions!.refresh()) writer.partitions!.forget(row, 0);
    writer.close();
    expect(readFlows(path).map(({ flowId }) => flowId)).toEqual([...flowIds, 1025]);
    expect(files(path)).toEqual(['flows.db', ...kept.map((number) => `flows.db-${number}`)]);
    withDb(path, (db) => {
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
      expect(partitionRows(db).map(({ number }) => number)).toEqual(kept.map(Number));
    });
  });

  test('leaves no file that no one knows', () => {
    const path = tempDb();
    startParted(path)[0].close();
    writeFileSync(`${path}-0007`, 'half a file');
    writeFileSync(`${path}-0007-wal`, '');
    writeFileSync(`${path}-notes`, 'not ours');
    const [writer, channel] = startParted(path);
    put(writer, channel, { seq: 0 });
    writer.close();
    expect(existsSync(`${path}-0007`)).toBe(false);
    expect(existsSync(`${path}-0007-wal`)).toBe(false);
    expect(existsSync(`${path}-notes`)).toBe(true);
  });
});

describe('a reader', () => {
  test('goes on with a partition that is dropped while it reads', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path);
    put(writer, channel, ...Array.from({ length: 500 }, (_, seq) => ({ seq })));
    writer.partitions!.begin();
    const db = openForReading(path);
    const rows = queryFlows(db, EVERYTHING);
    rows.next();
    const [row] = writer.partitions!.rows();
    writer.partitions!.detach(1);
    rmSync(partitionPath(path, 1));
    writer.partitions!.forget(row!, 1);
    expect([...rows]).toHaveLength(499);
    db.close();
    expect(readFlows(path)).toEqual([]);
    writer.close();
  });

  test('opens a database whose partitions come and go, and misses none in between', async () => {
    const path = tempDb();
    const child = spawn(process.execPath, [ROLLING_PROCESS, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    let told = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    try {
      await once(child.stdout!, 'data');
      const dropped = (): number => told.split('\n').length - 1;
      for (let n = 0; n < 100 || dropped() < 5; n++) {
        const ids = readFlows(path).map(({ flowId }) => flowId);
        expect(ids).toEqual(ids.map((_, i) => ids[0]! + i));
        await setImmediate();
      }
    } finally {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
  });

  test('does without one whose file is gone before it is forgotten', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path);
    put(writer, channel, { seq: 0 });
    writer.partitions!.begin();
    put(writer, channel, { seq: 1 });
    writer.partitions!.detach(1);
    rmSync(partitionPath(path, 1));
    expect(readFlows(path).map(({ flowId }) => flowId)).toEqual([2]);
    writer.close();
  });

  test('finds partitions through a link to the main file, and takes a relative path', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path);
    put(writer, channel, { seq: 0 });
    writer.close();
    const link = join(tempFolder(), 'link.db');
    symlinkSync(path, link);
    expect(readFlows(link)).toHaveLength(1);
    const before = process.cwd();
    process.chdir(dirname(path));
    try {
      expect(readFlows(basename(path))).toHaveLength(1);
    } finally {
      process.chdir(before);
    }
  });

  test.each([true, false])(
    'holds one snapshot while rows are taken one by one; in partitions: %s',
    (isParted) => {
      const path = tempDb();
      const writer = new FlowWriter(path, TEST_RUN, isParted);
      const channel = writer.channel();
      writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
      put(writer, channel, { seq: 0, packets: [1, 1] }, { seq: 1, packets: [1, 1] });
      const db = openForReading(path);
      const rows = queryFlows(db, { ...EVERYTHING, limit: 2 });
      rows.next();
      put(writer, channel, { seq: 1, packets: [2, 2], isNew: false });
      expect([...rows].map((row) => row.packetsFwd)).toEqual([1]);
      expect([...queryFlows(db, EVERYTHING)].map((row) => row.packetsFwd)).toEqual([1, 2]);
      expect(db.inTransaction).toBe(false);
      db.close();
      writer.close();
    },
  );

  test('holds one snapshot of all files: a flow never points at what is not there yet', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path);
    put(writer, channel, { seq: 0 });
    const db = openForReading(path);
    const rows = queryFlows(db, EVERYTHING);
    rows.next();
    writer.write([[channel, { type: 'capture', info: captureInfo(1) }]]);
    put(writer, channel, { seq: 1, capture: 1 });
    expect([...rows]).toEqual([]);
    expect([...queryFlows(db, EVERYTHING)]).toHaveLength(2);
    db.close();
    writer.close();
  });
});

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openForReading, openForWriting } from '../../storage/database.ts';
import { StorageError } from '../../storage/errors.ts';
import { rareNames } from '../../storage/flow-rare.ts';
import { queryFlows } from '../../storage/query.ts';
import { SCHEMA_VERSION } from '../../storage/schema.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { partitionPath } from '../../storage/partition-files.ts';
import { oldDb } from './old-db.ts';
import { put, startParted } from './parted.ts';
import { TEST_RUN } from './records.ts';
import { EVERYTHING, readFlows, tempDb, tempFolder, withDb } from './temp-db.ts';

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof StorageError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('opening a database', () => {
  test('creates it for owner and group only, in WAL mode, with the names of its codes', () => {
    const path = tempDb();
    const db = openForWriting(path);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o640);
    expect(db.prepare('SELECT name FROM protocols WHERE proto = 58').pluck().get()).toBe('icmp6');
    expect(db.prepare("SELECT code FROM conn_states WHERE name = 'SF'").pluck().get()).toBe(3);
    expect(db.prepare('SELECT name FROM end_reasons WHERE code = 6').pluck().get()).toBe('eof');
    db.close();
  });

  test('takes one that the first nstap wrote to the schema of now', () => {
    const path = tempDb();
    const old = oldDb(path, 1);
    old.exec(`INSERT INTO hosts VALUES (1, '', 'h');
      INSERT INTO runs (run_id, host_id, kind, version, command_line, pid, started_ns) VALUES (1, 1, 'replay', '', '', 1, 0);
      INSERT INTO captures (capture_id, run_id, link_type, source, packets) VALUES (1, 1, 1, 'file', 5);
      INSERT INTO flows (flow_id, host_id, capture_id, start_ns, end_ns, ip_version, proto, src, dst, packets_fwd, packets_rev,
        bytes_fwd, bytes_rev, ip_bytes_fwd, ip_bytes_rev, payload_bytes_fwd, payload_bytes_rev, conn_state, end_reason)
        VALUES (1, 1, 1, 0, 1, 4, 6, x'0a000001', x'0a000002', 3, 2, 1, 1, 1, 1, 0, 0, 0, 0)`);
    old.close();
    expect(() => openForReading(path)).toThrow(/schema version 1/);

    const db = openForWriting(path);
    expect(db.pragma('user_version', { simple: true })).toBe(SCHEMA_VERSION);
    expect(db.prepare("SELECT code FROM tunnel_types WHERE name = 'gtp-u'").pluck().get()).toBe(10);
    expect(
      db.prepare('SELECT packets, tunnelled, shed_route_changes, untracked_flows FROM captures').raw().get(),
    ).toEqual([5, 0, 0, 0]);
    expect([...queryFlows(db, EVERYTHING)]).toEqual([
      expect.objectContaining({
        flowId: 1,
        packetsFwd: 3,
        tunnelType: null,
        tunnelOuterFlowId: null,
        routeChanges: null,
      }),
    ]);
    db.close();
  });

  test('gives one of an older schema the indexes that a new one has, also its partitions, and loses no flow', () => {
    const path = tempDb();
    const [writer, channel] = startParted(path);
    put(writer, channel, { seq: 0 }, { seq: 1, end: [1_700_001_000, 0] });
    writer.close();
    const objects = (file: string): unknown[] => {
      const db = new Database(file);
      const found = db.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY name').all();
      db.close();
      return found;
    };
    const files = [path, partitionPath(path, 1)];
    const wanted = files.map(objects);
    for (const file of files) {
      const old = new Database(file);
      for (const name of ['src', 'dst', 'src_port', 'dst_port', 'capture'])
        old.exec(`DROP INDEX flows_${name};
          CREATE INDEX flows_${name} ON flows (${name === 'capture' ? 'capture_id' : name})`);
      for (const name of rareNames()) old.exec(`ALTER TABLE flows ADD COLUMN ${name} INTEGER`);
      old.exec('ALTER TABLE flows DROP COLUMN rare');
      for (const name of ['route_fwd', 'route_rev', 'long']) old.exec(`DROP INDEX flows_${name}`);
      for (const name of old
        .prepare<[], string>("SELECT name FROM sqlite_schema WHERE name GLOB 'route_decisions_*'")
        .pluck()
        .all())
        old.exec(`DROP INDEX ${name}`);
      old.pragma('user_version = 10');
      old.close();
    }
    expect(() => openForReading(path)).toThrow(/schema version 10 of an older nstap/);
    openForWriting(path).close();
    expect(files.map(objects)).toEqual(wanted);
    expect(readFlows(path).map(({ flowId }) => flowId)).toEqual([1, 2]);
  });

  test('refuses one that a newer nstap wrote, and leaves it as it is', () => {
    const path = tempDb();
    const db = openForWriting(path);
    db.pragma('user_version = 999');
    db.close();
    const before = readFileSync(path);
    expect(codeOf(() => openForWriting(path))).toBe('NSTAP_NEWER');
    expect(() => openForReading(path)).toThrow(
      /schema version 999, this nstap knows up to \d+; update nstap/,
    );
    expect(readFileSync(path)).toEqual(before);
  });

  test("refuses somebody else's database, and leaves it as it is", () => {
    const path = tempDb();
    const db = new Database(path);
    db.exec('CREATE TABLE places (url TEXT)');
    db.close();
    const before = readFileSync(path);
    expect(codeOf(() => openForWriting(path))).toBe('NSTAP_FOREIGN');
    expect(codeOf(() => openForReading(path))).toBe('NSTAP_FOREIGN');
    expect(readFileSync(path)).toEqual(before);
  });

  test('says what is wrong with a path', () => {
    const folder = tempFolder();
    const text = join(folder, 'notes.txt');
    writeFileSync(text, 'not a database, but long enough to be read as the header of one; '.repeat(4));
    expect(codeOf(() => openForWriting(text))).toBe('SQLITE_NOTADB');
    expect(codeOf(() => openForReading(text))).toBe('SQLITE_NOTADB');
    expect(codeOf(() => openForWriting(join(folder, 'no', 'flows.db')))).toBe('ENOENT');
    expect(codeOf(() => openForReading(join(folder, 'flows.db')))).toBe('NSTAP_MISSING');
    mkdirSync(join(folder, 'dir'));
    expect(codeOf(() => openForWriting(join(folder, 'dir')))).toBe('EISDIR');
    expect(codeOf(() => openForReading(join(folder, 'dir')))).toBe('EISDIR');
    const empty = join(folder, 'empty.db');
    writeFileSync(empty, '');
    expect(codeOf(() => openForReading(empty))).toBe('NSTAP_OLDER');
  });

  test('names operation, path, reason and what to do', () => {
    const path = join(tempFolder(), 'no', 'flows.db');
    expect(() => openForWriting(path)).toThrow(
      `open ${path}: ENOENT, there is no folder ${dirname(path)} (create the folder first, or choose another file with --db)`,
    );
  });

  test('a reader can neither change it nor block a writer', () => {
    const path = tempDb();
    const writer = new FlowWriter(path, TEST_RUN);
    withDb(path, (db) => {
      expect(() => db.exec('DELETE FROM runs')).toThrow(/readonly/);
      const rows = db.prepare('SELECT * FROM runs').iterate();
      rows.next();
      writer.write([]);
      rows.return?.();
    });
    writer.close();
  });

  test('several processes may create the same one at once', async () => {
    const path = tempDb();
    const module = new URL('../../storage/database.ts', import.meta.url).href;
    const source = `const { openForWriting } = await import(${JSON.stringify(module)});
      const db = openForWriting(${JSON.stringify(path)});
      process.stdout.write(String(db.prepare('SELECT count(*) FROM meta').pluck().get()));
      db.close();`;
    const runs = await Promise.all(
      Array.from({ length: 6 }, () =>
        promisify(execFile)(process.execPath, ['--input-type=module', '-e', source]),
      ),
    );
    expect(runs.map(({ stdout }) => stdout)).toEqual(['1', '1', '1', '1', '1', '1']);
  });
});

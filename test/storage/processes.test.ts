import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openForWriting } from '../../storage/database.ts';
import { StorageError } from '../../storage/errors.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from './records.ts';
import { startWriting } from './start-writing.ts';
import { readFlows, tempDb, withDb } from './temp-db.ts';

describe('several processes', () => {
  test('write one database at once, and every flow of each is there', async () => {
    const path = tempDb();
    const children = [startWriting(path, 40, 50), startWriting(path, 40, 50)];
    for (const child of children) child.stdout!.resume();
    const exits = await Promise.all(children.map((child) => once(child, 'exit')));
    expect(exits.map(([code]) => code)).toEqual([0, 0]);
    expect(existsSync(`${path}-wal`)).toBe(false); // the last to close has folded it in
    const rows = readFlows(path);
    expect(rows).toHaveLength(4000);
    for (const { pid } of children) {
      const own = rows.filter(({ netns }) => netns === `pid${pid}`);
      expect(own.map((row) => row.packetsFwd * 50 + row.packetsRev)).toEqual(own.map((_, i) => i));
      expect(own).toHaveLength(2000);
    }
  });

  test('one that is killed leaves a sound database with all it has committed', async () => {
    const path = tempDb();
    const child = startWriting(path, 0, 100);
    let told = 0;
    for await (const text of child.stdout!.setEncoding('utf8')) {
      told = Number((text as string).trimEnd().split('\n').at(-1));
      if (told >= 2000) child.kill('SIGKILL');
    }
    expect(child.signalCode ?? (await once(child, 'exit'))[1]).toBe('SIGKILL');
    withDb(path, (db) => {
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
      expect(db.prepare('SELECT ended_ns FROM runs').pluck().get()).toBeNull();
      const { flows, records } = db.prepare('SELECT flows, records FROM runs').get() as Record<
        string,
        number
      >;
      expect(flows).toBe(db.prepare('SELECT count(*) FROM flows').pluck().get());
      expect(records).toBe(flows);
    });
    const rows = readFlows(path);
    expect(rows.length).toBeGreaterThanOrEqual(told);
    expect(rows.length % 100).toBe(0);
    const writer = new FlowWriter(path, TEST_RUN); // and the next run goes on with it
    const channel = writer.channel();
    writer.write([
      [channel, { type: 'capture', info: captureInfo(0) }],
      [channel, { type: 'batch', batch: batchOf({}) }],
    ]);
    writer.close();
    expect(readFlows(path)).toHaveLength(rows.length + 1);
  });
});

describe('a locked database', () => {
  test('gives SQLITE_BUSY, and the same transaction works when it is free', () => {
    const path = tempDb();
    const writer = new FlowWriter(path, TEST_RUN);
    const channel = writer.channel();
    writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
    const requests = [[channel, { type: 'batch', batch: batchOf({ seq: 0 }, { seq: 2000 }) }]] as const;
    const other = openForWriting(path);
    other.exec('BEGIN IMMEDIATE');
    writer.setBusyTimeout(1);
    let caught: unknown;
    try {
      writer.write(requests);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(StorageError);
    expect(caught).toMatchObject({ code: 'SQLITE_BUSY', operation: 'commit', path, isTransient: true });
    other.exec('COMMIT');
    other.close();
    writer.write(requests);
    writer.close();
    expect(readFlows(path).map(({ flowId }) => flowId)).toEqual([1, 1025 + (2000 % 1024)]);
    expect(writer.totals).toEqual({ flows: 2, records: 2 });
  });
});

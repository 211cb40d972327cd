import Database from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import { Retention } from '../../storage/retention.ts';
import { nowNs } from '../../storage/time.ts';
import { put, startParted } from './parted.ts';
import { tempDb } from './temp-db.ts';

test('at rest only the disk is looked at, until somebody writes or it gets full', async () => {
  const path = tempDb();
  const [writer, channel] = startParted(path, true);
  let freeOctets = 1e12;
  const bound = { octets: 1e10, percent: null };
  const retention = new Retention(writer, { ageSec: null, size: bound, free: bound }, () => {}, {
    nowNs,
    elapsedMs: () => 0,
    disk: () => ({ totalOctets: 1e12, freeOctets }),
  });
  const rows = vi.spyOn(writer.partitions!, 'rows');
  const looks = async (): Promise<boolean> => {
    rows.mockClear();
    while (await retention.check());
    return rows.mock.calls.length > 0;
  };
  put(writer, channel, {});
  expect(await looks()).toBe(true);
  expect(await looks()).toBe(false);
  put(writer, channel, { seq: 1 });
  expect(await looks()).toBe(true);
  expect(await looks()).toBe(false);
  const other = new Database(path);
  other.exec('UPDATE runs SET pid = pid + 1');
  other.close();
  expect(await looks()).toBe(true);
  expect(await looks()).toBe(false);
  freeOctets = 1e8;
  expect(await looks()).toBe(true);
  writer.close();
});

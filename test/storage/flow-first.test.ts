import { expect, test } from 'vitest';
import { parseFilter } from '../../cli/filter/parse.ts';
import type { FlowDatabase } from '../../storage/database.ts';
import { firstFlows } from '../../storage/flow-first.ts';
import { PIECE_BITS, piecesOf } from '../../storage/flow-pieces.ts';
import { firstFlowsSql } from '../../storage/query.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, TEST_RUN } from './records.ts';
import { EVERYTHING, tempDb, withDb } from './temp-db.ts';

/** Of each: ids far apart, so that they are as many pieces. */
const PIECES = 10;
const FLOWS = 100;

/** Flows of one host, in pieces with gaps between; the later a flow the higher its id, unless `isOld`: then the other way around. */
function filled(isOld: boolean): string {
  const path = tempDb();
  const writer = new FlowWriter(path, { ...TEST_RUN, kind: 'daemon' });
  const channel = writer.channel();
  writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
  for (let piece = 0; piece < PIECES; piece++) {
    const specs = Array.from({ length: FLOWS }, (_, n) => {
      const at = 1_700_000_000 + (isOld ? -1 : 1) * (piece * FLOWS + n);
      return { seq: piece * 2 * 2 ** PIECE_BITS + n, start: [at, 0] as [number, number] };
    });
    writer.write([[channel, { type: 'batch', batch: batchOf(...specs) }]]);
  }
  writer.close();
  return path;
}

/** The starts found, in seconds after the first; and how many rows SQLite gave for them. */
function found(db: FlowDatabase, descending: boolean): { starts: number[]; rows: number } {
  let rows = 0;
  const counted = {
    prepare: (sql: string) => {
      const statement = db.prepare(sql).raw().safeIntegers();
      const all = (...params: unknown[]): unknown[] => {
        const list = statement.all(...params);
        rows += list.length;
        return list;
      };
      return { raw: () => ({ safeIntegers: () => ({ all }) }) };
    },
  } as unknown as FlowDatabase;
  const query = { ...EVERYTHING, filter: parseFilter('dst port 80'), sort: 'start', descending };
  const order = { sort: 'f.start_ns', descending, limit: 5 };
  const places = firstFlows(counted, firstFlowsSql(db, query, 5), order);
  const startOf = db
    .prepare<[number], number>('SELECT start_ns / 1000000000 - 1700000000 FROM flows WHERE flow_id = ?')
    .pluck();
  return { starts: places.map(([id]) => startOf.get(id)!), rows };
}

test('of a value that many flows have, the first are read of the piece that has them, and no others', () => {
  withDb(filled(false), (db) => {
    expect(piecesOf(db, 'main')).toEqual(Array.from({ length: PIECES }, (_, piece) => 2 * piece));
    expect(found(db, true)).toEqual({ starts: [999, 998, 997, 996, 995], rows: 5 });
    expect(found(db, false)).toEqual({ starts: [0, 1, 2, 3, 4], rows: 5 });
  });
});

test('ids may go the other way than starts', () => {
  withDb(filled(true), (db) => {
    expect(found(db, true)).toEqual({ starts: [0, -1, -2, -3, -4], rows: 5 * PIECES });
    expect(found(db, false).starts).toEqual([-999, -998, -997, -996, -995]);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openForWriting } from '../../storage/database.ts';
import type { FlowBatch } from '../../storage/flow-batch.ts';
import { flowSql, hasRare, rareNames, rareOf } from '../../storage/flow-rare.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { oldDb } from './old-db.ts';
import { addRecord, batchOf, captureInfo, TEST_RUN } from './records.ts';
import { tempDb } from './temp-db.ts';

/** The schema version before `rare`, and what that had as columns. */
const BEFORE = 12;
const TROUBLE = [
  'retransmits',
  'outOfOrder',
  'zeroWindows',
  'fastRetransmits',
  'spuriousRetransmits',
  'dupAcks',
  'lostSegments',
  'keepAlives',
] as const;

type Values = Record<string, number | null>;
type Pair = [number, number];

/** Numbers of a record, as a capture thread may write them, and what a flow then has. */
interface Drawn {
  proto: number;
  packets: Pair;
  trouble: Pair[];
  seqBytes: Pair;
  missedBytes: Pair;
  retransmittedBytes: Pair;
  ttlMin: Pair;
  ttlMax: Pair;
  dscp: Pair;
  dscpMin: Pair;
  dscpMax: Pair;
  guessed: 0 | 1;
  vlan: number[];
}

const often = (usual: number, ...others: fc.Arbitrary<number>[]): fc.Arbitrary<Pair> => {
  const one = fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, ...others);
  return fc.tuple(one, one);
};
const few = fc.integer({ min: 0, max: 3 });
const octets = [fc.constant(0), fc.constant(-1), fc.integer({ min: 1, max: 2 ** 40 })];
const ttl = [fc.integer({ min: 0, max: 255 }), fc.constant(255)];
const dscp = [fc.constant(255), fc.integer({ min: 0, max: 63 })];

const drawn: fc.Arbitrary<Drawn> = fc.record({
  proto: fc.constantFrom(6, 6, 17, 1),
  packets: often(1, fc.constant(0), fc.integer({ min: 2, max: 9 })),
  trouble: fc.oneof(
    fc.constant(TROUBLE.map((): Pair => [0, 0])),
    fc.array(fc.tuple(few, few), { minLength: TROUBLE.length, maxLength: TROUBLE.length }),
  ),
  seqBytes: often(0, ...octets),
  missedBytes: often(0, ...octets),
  retransmittedBytes: often(0, ...octets),
  ttlMin: often(64, ...ttl),
  ttlMax: often(64, ...ttl),
  dscp: often(0, ...dscp),
  dscpMin: often(0, ...dscp),
  dscpMax: often(0, ...dscp),
  guessed: fc.constantFrom(0, 0, 1),
  vlan: fc.array(fc.integer({ min: 0, max: 4094 }), { maxLength: 2 }),
});

function fill(batch: FlowBatch, d: Drawn): void {
  const i = batch.count;
  const { seqBytes, missedBytes, retransmittedBytes } = d;
  addRecord(batch, {
    proto: d.proto,
    packets: d.packets,
    vlan: d.vlan,
    retransmits: d.trouble[0]!,
    originatorGuessed: d.guessed === 1,
    tcp: {
      ...Object.fromEntries(TROUBLE.slice(1).map((name, k) => [name, d.trouble[k + 1]!])),
      seqBytes,
      missedBytes,
      retransmittedBytes,
    },
  });
  const c = batch.columns;
  [c.ttlMinFwd[i], c.ttlMinRev[i]] = d.ttlMin;
  [c.ttlMaxFwd[i], c.ttlMaxRev[i]] = d.ttlMax;
  [c.dscpFwd[i], c.dscpRev[i]] = d.dscp;
  [c.dscpMinFwd[i], c.dscpMinRev[i]] = d.dscpMin;
  [c.dscpMaxFwd[i], c.dscpMaxRev[i]] = d.dscpMax;
}

/** Said without a look at how it is stored. */
function meant(d: Drawn): Values {
  const isTcp = d.proto === 6;
  const values: Values = {
    originator_guessed: isTcp ? d.guessed : null,
    vlan_inner: d.vlan[1] ?? null,
  };
  for (const [n, way] of (['fwd', 'rev'] as const).entries()) {
    for (const [k, name] of TROUBLE.entries())
      values[`${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_${way}`] = isTcp
        ? d.trouble[k]![n]!
        : null;
    const known = (pair: Pair): number | null => (isTcp && pair[n]! >= 0 ? pair[n]! : null);
    values[`missed_bytes_${way}`] = known(d.missedBytes);
    values[`retransmitted_bytes_${way}`] = known(d.retransmittedBytes);
    values[`ttl_max_${way}`] = d.packets[n]! > 0 ? d.ttlMax[n]! : null;
    for (const [name, pair] of [
      ['dscp_min', d.dscpMin],
      ['dscp_max', d.dscpMax],
    ] as const)
      values[`${name}_${way}`] = pair[n] === 255 ? null : pair[n]!;
  }
  return values;
}

const SQL = `SELECT ${rareNames()
  .map((name) => `${flowSql(name)} AS ${name}`)
  .join(', ')} FROM flows f ORDER BY flow_id`;

function stored(list: readonly Drawn[]): { writer: FlowWriter; batch: FlowBatch } {
  const batch = batchOf(...list.map(() => ({})));
  batch.count = 0;
  for (const d of list) fill(batch, d);
  const writer = new FlowWriter(tempDb(), TEST_RUN);
  const channel = writer.channel();
  writer.write([
    [channel, { type: 'capture', info: captureInfo(0) }],
    [channel, { type: 'batch', batch }],
  ]);
  return { writer, batch };
}

const lists = fc.sample(fc.array(drawn, { minLength: 400, maxLength: 400 }), { numRuns: 3 });

describe('what hardly a flow has something of its own in', () => {
  test('is read as it was written, whether it is in a row or not', () => {
    for (const list of lists) {
      const { writer, batch } = stored(list);
      expect(writer.db.prepare(SQL).all()).toEqual(list.map(meant));
      const rare = writer.db.prepare('SELECT rare FROM flows ORDER BY flow_id').pluck().all();
      expect(rare).toEqual(list.map((_, i) => rareOf(batch.columns, i)));
      expect(rare.map((text) => text !== null)).toEqual(list.map((_, i) => hasRare(batch.columns, i)));
      writer.close();
    }
  });

  test('takes no octet of an ordinary flow of any protocol', () => {
    const tcp = { seqBytes: [900, 12], missedBytes: [0, 0], retransmittedBytes: [0, 0] } as const;
    const batch = batchOf(
      { packets: [4, 3], dscp: [8, 0], vlan: [7], tcp: structuredClone(tcp) as never },
      { packets: [1, 0] },
      { proto: 17, packets: [1, 1], dscp: [46, 0] },
      { proto: 1, ports: [8, 0] },
      { version: 6, proto: 58, packets: [2, 2], ttl: [255, 255] },
    );
    expect(Array.from({ length: batch.count }, (_, i) => rareOf(batch.columns, i))).toEqual(
      Array(batch.count).fill(null),
    );
  });

  test('comes out of the columns that an older nstap wrote as if it had been written now', () => {
    const list = lists[0]!;
    const { writer, batch } = stored(list);
    const path = tempDb();
    const old = oldDb(path, BEFORE);
    const kept = writer.db
      .prepare<[], string>("SELECT name FROM pragma_table_info('flows') WHERE name <> 'rare'")
      .pluck()
      .all();
    const names = [...kept, ...rareNames()];
    const rows = writer.db
      .prepare<[], unknown[]>(`SELECT ${names.map(flowSql).join(', ')} FROM flows f ORDER BY flow_id`)
      .raw()
      .all();
    const insert = old.prepare(
      `INSERT INTO flows (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
    );
    for (const row of rows) insert.run(...row);
    old.close();
    const db = openForWriting(path);
    const columns = [...kept, 'rare'].join(', ');
    const read = (of: typeof db): unknown[] =>
      of.prepare(`SELECT ${columns} FROM flows ORDER BY flow_id`).all();
    expect(read(db)).toEqual(read(writer.db));
    expect(db.prepare(SQL).all()).toEqual(list.map(meant));
    expect(batch.count).toBe(list.length);
    db.close();
    writer.close();
  });

  test('is NULL where an older nstap knew nothing of it', () => {
    const path = tempDb();
    const old = oldDb(path, BEFORE);
    old.exec(`INSERT INTO flows (flow_id, host_id, capture_id, start_ns, end_ns, ip_version, proto, src, dst, packets_fwd, packets_rev,
      bytes_fwd, bytes_rev, ip_bytes_fwd, ip_bytes_rev, payload_bytes_fwd, payload_bytes_rev, conn_state, end_reason, retransmits_fwd,
      retransmits_rev) VALUES (1, 1, 1, 0, 1, 4, 6, x'0a000001', x'0a000002', 3, 2, 1, 1, 1, 1, 0, 0, 0, 0, 5, 0)`);
    old.close();
    const db = openForWriting(path);
    const row = db.prepare<[], Values>(SQL).get()!;
    expect(row).toEqual({
      ...Object.fromEntries(rareNames().map((name) => [name, null])),
      retransmits_fwd: 5,
      retransmits_rev: 0,
    });
    db.close();
  });
});

import { describe, expect, test } from 'vitest';
import { FlowRecord, type SqlValue } from '../../storage/flow-columns.ts';
import { anyShape, type FlowShape, fillValues, SHAPES_MAX, shapeOf } from '../../storage/flow-shapes.ts';
import { ordinaryNs, SEC_END, toNs } from '../../storage/time.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { batchOf, captureInfo, decision, type RecordSpec, TEST_RUN } from './records.ts';
import { tempDb } from './temp-db.ts';

const PAIRS: RecordSpec = {
  tcp: { seqBytes: [5, 6], missedBytes: [0, 0], retransmittedBytes: [0, 0], maxWindow: [7, 8] },
};
/** Each has something that the others have not. */
const RECORDS: Record<string, RecordSpec> = {
  'TCP that was not answered': {},
  'TCP that was followed': { ...PAIRS, packets: [2, 3], bytes: [4, 5], ttl: [64, 63], dscp: [0, 0] },
  'TCP with options': { tcp: { mss: [1460, 0], windowScale: [7, 15] } },
  'TCP whose timestamps were echoed': { tcp: { tsRttNs: [-1, 9] } },
  'TCP with octets missed': { tcp: { missedBytes: [0, 1], retransmittedBytes: [0, 0] } },
  'TCP with octets of one side not tracked': { tcp: { missedBytes: [0, -1], retransmittedBytes: [0, 0] } },
  'TCP whose originator is guessed': { originatorGuessed: true },
  UDP: { proto: 17, packets: [1, 1], bytes: [60, 90], dscp: [46, 46] },
  'UDP beside numbers of TCP that mean nothing': {
    ...PAIRS,
    proto: 17,
    retransmits: [3, 4],
    tcp: { ...PAIRS.tcp, mss: [1, 2], tsRttNs: [1, 2], missedBytes: [3, 4], dupAcks: [5, 6] },
  },
  ICMP: { proto: 1, ports: [8, 0], packets: [1, 1] },
  'a protocol without ports': { proto: 89, ports: null },
  'IPv6 in two VLANs': { version: 6, vlan: [7, 8], packets: [1, 1] },
  'one VLAN': { vlan: [7] },
  'a tunnel': { tunnel: [7, 42, -1] },
  'no hardware addresses': { macs: null },
  'a route that changed': { routeOrigSide: 1, route: [0, 1] },
  'only the responder was seen': { packets: [0, 2], bytes: [0, 120], dscp: [255, 0], ttl: [255, 60] },
};
for (const [n, name] of [
  'retransmits',
  'outOfOrder',
  'zeroWindows',
  'fastRetransmits',
  'spuriousRetransmits',
].entries())
  RECORDS[`TCP with ${name}`] =
    name === 'retransmits' ? { retransmits: [n, 1] } : { tcp: { [name]: [1, n] } };
for (const name of ['dupAcks', 'lostSegments', 'keepAlives'])
  RECORDS[`TCP with ${name}`] = { tcp: { [name]: [0, 1] } };

/** What a statement of a shape writes into each column. */
function written(spec: RecordSpec, shape: FlowShape): Map<string, SqlValue> {
  const record = recordOf(spec);
  const names = /\((.*)\)\s+VALUES \((.*)\)/s.exec(shape.insertSql)!;
  const values = fillValues([], shape.insertColumns, record).map((value) =>
    Buffer.isBuffer(value) ? Buffer.from(value) : value,
  );
  const constants: Record<string, SqlValue> = { NULL: null, '0': 0 };
  const texts = names[2]!.split(', ');
  return new Map(
    names[1]!
      .split(', ')
      .map((name, k) => [name, texts[k] === '?' ? values.shift()! : constants[texts[k]!]!]),
  );
}

function recordOf(spec: RecordSpec): FlowRecord {
  const record = new FlowRecord(batchOf(spec));
  record.setRecord(0);
  return record;
}

describe.each(Object.entries(RECORDS))('%s', (_, spec) => {
  test('has the values that it has with all columns bound', () => {
    const all = anyShape();
    const shape = shapeOf(recordOf(spec));
    expect(all.insertColumns.length).toBe(53);
    expect(written(spec, shape)).toEqual(written(spec, all));
  });

  test('is in the database as what it became, whatever it was before', () => {
    const writer = new FlowWriter(tempDb(), TEST_RUN);
    const channel = writer.channel();
    const { version, proto, ports, tunnel } = spec;
    const same = {
      start: [1_700_000_000, 5],
      end: [1_700_000_009, 7],
      version,
      proto,
      ports,
      tunnel,
    } as const;
    const fixed = same as unknown as RecordSpec;
    const others = Object.values(RECORDS);
    writer.write([
      [channel, { type: 'capture', info: captureInfo(0) }],
      [channel, { type: 'decisions', base: 0, list: [decision(), decision({ dev: 'lo' })] }],
      [
        channel,
        { type: 'batch', batch: batchOf(...others.map((each, seq) => ({ ...each, ...fixed, seq }))) },
      ],
      [
        channel,
        {
          type: 'batch',
          batch: batchOf(...others.map((_, seq) => ({ ...spec, ...fixed, seq, isNew: false }))),
        },
      ],
      [channel, { type: 'batch', batch: batchOf({ ...spec, ...fixed, seq: others.length }) }],
    ]);
    const rows = writer.db.prepare<[], { flow_id: number }>('SELECT * FROM flows').all();
    writer.close();
    expect(rows).toHaveLength(others.length + 1);
    const [whole, ...later] = rows.toReversed().map((row) => ({ ...row, flow_id: 0 }));
    for (const row of later) expect(row).toEqual(whole);
  });
});

test('there are no more shapes than so many, whatever comes from the network', () => {
  const numbers = new Set<number>();
  for (let k = 0; k < 2 ** 9; k++) {
    const has = (bit: number): boolean => ((k >> bit) & 1) === 1;
    const shape = shapeOf(
      recordOf({
        proto: has(0) ? 6 : 17,
        vlan: has(1) ? [1] : [],
        packets: has(2) ? [1, 1] : [1, 0],
        dscp: [has(3) ? 1 : 0, has(4) ? 0 : 255],
        macs: has(5) ? null : undefined,
        routeOrigSide: has(6) ? 0 : null,
        tunnel: has(7) ? [1, 2, -1] : null,
        tcp: { mss: has(8) ? [1460, 0] : [0, 0] },
      } as RecordSpec),
    );
    numbers.add(shape.number);
  }
  expect(numbers.size).toBeLessThanOrEqual(SHAPES_MAX);
  expect(Math.max(...numbers)).toBe(SHAPES_MAX - 1);
});

test('a time is the same without big integers in between', () => {
  for (const sec of [0, 1, 131_071, 131_072, 4_294_967_295, 4_294_967_296, 1_795_564_800, SEC_END - 1])
    for (const nsec of [0, 1, 294_967_296, 999_999_999]) expect(ordinaryNs(sec, nsec)).toBe(toNs(sec, nsec));
});

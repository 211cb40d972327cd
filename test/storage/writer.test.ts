import { describe, expect, test } from 'vitest';
import { CONN_STATES, END_REASONS, TUNNEL_TYPES } from '../../storage/flow-batch.ts';
import { zeroCounters } from '../../storage/messages.ts';
import { FlowWriter } from '../../storage/writer.ts';
import type { WriterChannel } from '../../storage/writer-channel.ts';
import { batchOf, captureInfo, decision, type RecordSpec, TEST_RUN } from './records.ts';
import { readFlows, tempDb, withDb } from './temp-db.ts';

const MAX = 2 ** 53 - 1;

function startWriter(path: string): [FlowWriter, WriterChannel] {
  const writer = new FlowWriter(path, TEST_RUN);
  const channel = writer.channel();
  writer.write([[channel, { type: 'capture', info: captureInfo(0) }]]);
  return [writer, channel];
}

function write(writer: FlowWriter, channel: WriterChannel, ...specs: RecordSpec[]): void {
  writer.write([[channel, { type: 'batch', batch: batchOf(...specs) }]]);
}

/** The row of a single record. */
function roundTrip(spec: RecordSpec) {
  const path = tempDb();
  const [writer, channel] = startWriter(path);
  writer.write([[channel, { type: 'decisions', base: 0, list: [decision(), decision({ type: 'local' })] }]]);
  write(writer, channel, spec);
  writer.close();
  const rows = readFlows(path);
  expect(rows).toHaveLength(1);
  return rows[0]!;
}

describe('a record comes back as it was', () => {
  test('every column of a TCP flow over IPv6', () => {
    const src = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    const dst = [...src.slice(0, 15), 255];
    const row = roundTrip({
      start: [1_763_900_000, 123_456_789],
      end: [1_763_900_001, 1],
      version: 6,
      src,
      dst,
      ports: [0, 65_535],
      vlan: [4094, 7],
      tunnel: [TUNNEL_TYPES.indexOf('vxlan'), 4_294_967_295, 7],
      packets: [3, 2],
      bytes: [300, 200],
      ipBytes: [258, 172],
      payload: [90, 60],
      flags: [0xc2, 0x12],
      retransmits: [5, 6],
      tcp: {
        outOfOrder: [1, 2],
        zeroWindows: [3, 4],
        fastRetransmits: [7, 8],
        spuriousRetransmits: [9, 10],
        dupAcks: [11, 12],
        lostSegments: [13, 14],
        keepAlives: [15, 16],
        seqBytes: [1099511627776, 17],
        missedBytes: [18, 2199023255552],
        retransmittedBytes: [19, 20],
        mss: [1460, 536],
        windowScale: [14, 0],
        maxWindow: [1073741823, 21],
        ackRttNs: [8589934592, 22],
        tsRttNs: [0, 8589934591],
      },
      originatorGuessed: true,
      ttl: [255, 63],
      dscp: [46, 0],
      rttNs: 123_456,
      connState: CONN_STATES.indexOf('SF'),
      endReason: END_REASONS.indexOf('fin'),
      history: 'ShADadfFShADadfFShADadfF',
      route: [0, 1],
      macs: [
        [1, 2, 3, 4, 5, 6],
        [255, 254, 253, 252, 251, 250],
      ],
    });
    expect(row).toEqual({
      flowId: 1,
      host: expect.stringMatching(/./),
      netns: 'blue',
      interface: 'veth0',
      experiment: null,
      experiments: [],
      hints: null,
      payloadFwd: null,
      payloadRev: null,
      startNs: 1_763_900_000_123_456_789n,
      endNs: 1_763_900_001_000_000_001n,
      ipVersion: 6,
      proto: 6,
      src: Buffer.from(src),
      dst: Buffer.from(dst),
      srcPort: 0,
      dstPort: 65_535,
      vlanOuter: 4094,
      vlanInner: 7,
      tunnelType: 'vxlan',
      tunnelId: 4_294_967_295,
      tunnelOuterFlowId: 8,
      packetsFwd: 3,
      packetsRev: 2,
      bytesFwd: 300,
      bytesRev: 200,
      ipBytesFwd: 258,
      ipBytesRev: 172,
      payloadBytesFwd: 90,
      payloadBytesRev: 60,
      tcpFlagsFwd: 0xc2,
      tcpFlagsRev: 0x12,
      connState: 'SF',
      endReason: 'fin',
      history: 'ShADadfFShADadfFShADadfF',
      rttNs: 123_456,
      retransmitsFwd: 5,
      retransmitsRev: 6,
      outOfOrderFwd: 1,
      outOfOrderRev: 2,
      zeroWindowsFwd: 3,
      zeroWindowsRev: 4,
      fastRetransmitsFwd: 7,
      fastRetransmitsRev: 8,
      spuriousRetransmitsFwd: 9,
      spuriousRetransmitsRev: 10,
      dupAcksFwd: 11,
      dupAcksRev: 12,
      lostSegmentsFwd: 13,
      lostSegmentsRev: 14,
      keepAlivesFwd: 15,
      keepAlivesRev: 16,
      seqBytesFwd: 1099511627776,
      seqBytesRev: 17,
      missedBytesFwd: 18,
      missedBytesRev: 2199023255552,
      retransmittedBytesFwd: 19,
      retransmittedBytesRev: 20,
      mssFwd: 1460,
      mssRev: 536,
      windowScaleFwd: 14,
      windowScaleRev: 0,
      maxWindowFwd: 1073741823,
      maxWindowRev: 21,
      ackRttNsFwd: 8589934592,
      ackRttNsRev: 22,
      tsRttNsFwd: 0,
      tsRttNsRev: 8589934591,
      originatorGuessed: 1,
      ttlMinFwd: 255,
      ttlMinRev: 63,
      ttlMaxFwd: 255,
      ttlMaxRev: 63,
      dscpFwd: 46,
      dscpRev: 0,
      dscpMinFwd: 46,
      dscpMinRev: 0,
      dscpMaxFwd: 46,
      dscpMaxRev: 0,
      ipIdFwd: null,
      ipIdRev: null,
      srcMac: Buffer.from([1, 2, 3, 4, 5, 6]),
      dstMac: Buffer.from([255, 254, 253, 252, 251, 250]),
      routeFwd: decision(),
      routeRev: decision({ type: 'local' }),
      routeChanges: null,
    });
  });

  test('what does not apply is null', () => {
    const row = roundTrip({ proto: 50, ports: null, connState: 0, history: '', macs: null });
    for (const field of [
      'srcPort',
      'dstPort',
      'vlanOuter',
      'vlanInner',
      'tunnelType',
      'tunnelId',
      'tunnelOuterFlowId',
      'tcpFlagsFwd',
      'tcpFlagsRev',
      'connState',
      'history',
      'rttNs',
      'retransmitsFwd',
      'outOfOrderRev',
      'zeroWindowsFwd',
      'dupAcksFwd',
      'seqBytesRev',
      'mssFwd',
      'windowScaleRev',
      'ackRttNsFwd',
      'tsRttNsRev',
      'originatorGuessed',
      'dscpMaxRev',
      'ipIdRev',
      'ttlMinRev',
      'ttlMaxRev',
      'dscpRev',
      'srcMac',
      'dstMac',
      'routeFwd',
      'routeRev',
      'routeChanges',
    ] as const)
      expect(row[field], field).toBeNull();
    expect(row.src).toEqual(Buffer.from([10, 0, 0, 1]));
    expect(row.ttlMinFwd).toBe(64);
  });

  test('the identification of a direction of IPv4 that has packets', () => {
    expect(roundTrip({ ipId: [65_535, 7] })).toMatchObject({ ipIdFwd: 65_535, ipIdRev: null });
    expect(roundTrip({ ipId: [0, 7], packets: [0, 1] })).toMatchObject({ ipIdFwd: null, ipIdRev: 7 });
  });

  test('what a TCP flow did not show is null', () => {
    const row = roundTrip({});
    for (const field of ['seqBytesFwd', 'missedBytesRev', 'mssFwd', 'windowScaleRev', 'ackRttNsFwd'] as const)
      expect(row[field], field).toBeNull();
    expect([row.dupAcksFwd, row.maxWindowRev, row.originatorGuessed]).toEqual([0, 0, 0]);
  });

  test('counters to 2^53-1', () => {
    const row = roundTrip({
      packets: [MAX, MAX - 1],
      bytes: [MAX, 2 ** 31],
      ipBytes: [2 ** 32, 2 ** 32 - 1],
      rttNs: MAX,
    });
    expect([row.packetsFwd, row.packetsRev, row.bytesFwd, row.bytesRev]).toEqual([
      MAX,
      MAX - 1,
      MAX,
      2 ** 31,
    ]);
    expect([row.ipBytesFwd, row.ipBytesRev, row.rttNs]).toEqual([2 ** 32, 2 ** 32 - 1, MAX]);
  });

  test.each([
    [[0, 0], 0n],
    [[-1, 999_999_999], -1n],
    [[-2_208_988_800, 1], -2_208_988_799_999_999_999n],
    [[2 ** 32, 999_999_999], 4_294_967_296_999_999_999n],
    [[9_223_372_036, 854_775_807], 2n ** 63n - 1n],
  ] as const)('the time %j to the nanosecond', ([sec, nsec], ns) => {
    const row = roundTrip({ start: [sec, nsec] });
    expect([row.startNs, row.endNs]).toEqual([ns, ns]);
  });

  test('times beyond 64 bits are clamped, and counted', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    write(writer, channel, { start: [-(2 ** 52), 5], end: [2 ** 63, 7] }, { seq: 1 });
    writer.close();
    const [row] = readFlows(path);
    expect([row!.startNs, row!.endNs]).toEqual([-(2n ** 63n), 2n ** 63n - 1n]);
    const clamped = withDb(path, (db) => db.prepare('SELECT clamped_times FROM runs').pluck().get());
    expect(clamped).toBe(2);
  });
});

describe('later records of a flow', () => {
  test('replace the earlier one in place, in this transaction or a later one', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    write(
      writer,
      channel,
      { seq: 0, packets: [1, 0] },
      { seq: 0, isNew: false, packets: [2, 0] },
      { seq: 1 },
    );
    write(writer, channel, { seq: 0, isNew: false, packets: [5, 4], end: [1_700_000_009, 0], endReason: 1 });
    writer.close();
    const rows = readFlows(path);
    expect(rows.map((row) => [row.packetsFwd, row.packetsRev, row.endReason])).toEqual([
      [5, 4, 'fin'],
      [1, 0, 'idle'],
    ]);
    expect(rows[0]!.endNs).toBe(1_700_000_009_000_000_000n);
    expect(writer.totals).toEqual({ flows: 2, records: 4 });
  });

  test('may turn the flow around', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    write(writer, channel, { src: [10, 0, 0, 2], dst: [10, 0, 0, 1], ports: [80, 40_000] });
    write(writer, channel, { isNew: false, ports: [40_000, 80] });
    writer.close();
    const rows = readFlows(path);
    expect(rows.map((row) => [row.src[3], row.srcPort, row.dst[3], row.dstPort])).toEqual([
      [1, 40_000, 2, 80],
    ]);
  });

  test('stand alone when the first one is gone', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    write(writer, channel, { seq: 7, isNew: false, packets: [9, 9] });
    writer.close();
    expect(readFlows(path).map((row) => row.packetsFwd)).toEqual([9]);
  });
});

describe('numbers', () => {
  test('ids of flows stay apart between channels, runs and far sequence numbers', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    const other = writer.channel();
    writer.write([[other, { type: 'capture', info: captureInfo(0, { netns: 'red' }) }]]);
    write(writer, channel, { seq: 0 }, { seq: 1023 }, { seq: 1024 }, { seq: 2 ** 40 });
    write(writer, other, { seq: 0 }, { seq: 1 });
    write(writer, channel, { seq: 1, packets: [3, 0] });
    writer.close();
    const [second, again] = startWriter(path);
    write(second, again, { seq: 0 });
    second.close();
    const rows = readFlows(path);
    expect(new Set(rows.map(({ flowId }) => flowId)).size).toBe(8);
    expect(rows.filter(({ netns }) => netns === 'red')).toHaveLength(2);
    // Later channels and runs are behind; within one, flows keep the order in which they began.
    expect(rows[1]!.packetsFwd).toBe(3);
  });

  test('a decision that an earlier run wrote is not written again', () => {
    const path = tempDb();
    for (let run = 0; run < 2; run++) {
      const [writer, channel] = startWriter(path);
      const list = [decision(), decision({ table: '100' }), decision()];
      writer.write([[channel, { type: 'decisions', base: 0, list }]]);
      write(writer, channel, { route: [1, 2] });
      writer.close();
    }
    const count = withDb(path, (db) => db.prepare('SELECT count(*) FROM route_decisions').pluck().get());
    expect(count).toBe(2);
    expect(readFlows(path).map((row) => [row.routeFwd!.table, row.routeRev!.table])).toEqual([
      ['100', 'main'],
      ['100', 'main'],
    ]);
  });

  test('a record that names a capture or decision nobody announced is refused whole', () => {
    const path = tempDb();
    const [writer, channel] = startWriter(path);
    expect(() => write(writer, channel, { seq: 0 }, { seq: 1, capture: 3 })).toThrow(/capture 3/);
    expect(() => write(writer, channel, { route: [0, -1] })).toThrow(/decision 0/);
    write(writer, channel, { seq: 0 });
    writer.close();
    expect(readFlows(path)).toHaveLength(1);
  });
});

describe('a run', () => {
  test('has its counters, its end and what wrote it', () => {
    const path = tempDb();
    const writer = new FlowWriter(path, {
      kind: 'daemon',
      version: '1.2.3',
      commandLine: 'nstap daemon',
      host: { machineId: 'abc', name: 'one' },
    });
    const channel = writer.channel();
    const counters = { ...zeroCounters() };
    for (const [i, key] of Object.keys(counters).entries()) counters[key as keyof typeof counters] = i + 1;
    writer.write([
      [
        channel,
        { type: 'capture', info: captureInfo(4, { file: '/a.pcap', source: 'file', filter: 'tcp' }) },
      ],
      [
        channel,
        {
          type: 'counters',
          captureIndex: 4,
          counters: { ...counters, packets: 999 },
          span: null,
          final: false,
        },
      ],
      [channel, { type: 'counters', captureIndex: 4, counters, span: null, final: true }],
    ]);
    writer.close();
    writer.close(); // a second call does nothing
    const [run, capture] = withDb(path, (db) => [
      db.prepare('SELECT r.*, h.name AS host FROM runs r JOIN hosts h USING (host_id)').get(),
      db.prepare('SELECT * FROM captures').get() as Record<string, unknown>,
    ]);
    expect(run).toMatchObject({
      kind: 'daemon',
      version: '1.2.3',
      command_line: 'nstap daemon',
      host: 'one',
    });
    expect((run as { ended_ns: number }).ended_ns).toBeGreaterThan(1.7e18);
    expect(capture).toMatchObject({
      file: '/a.pcap',
      source: 'file',
      filter: 'tcp',
      netns: 'blue',
      ended: 1,
    });
    const stored = Object.keys(counters).map(
      (key) => capture[key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)],
    );
    expect(stored).toEqual(Object.values(counters));
  });
});

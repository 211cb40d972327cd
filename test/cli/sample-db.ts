import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONN_STATES, EndReasonCode } from '../../storage/flow-batch.ts';
import { FlowWriter } from '../../storage/writer.ts';
import { addChange, batchOf, captureInfo, decision, type RecordSpec, TEST_RUN } from '../storage/records.ts';

/** Seconds since the epoch of the sample's flows: 2023-11-14T22:13:20Z, one flow every 10 s. */
export const SAMPLE_START = 1_700_000_000;

const state = (name: 'SF' | 'S0'): number => CONN_STATES.indexOf(name);

/** Six flows: what differs from a plain one is what the tests of the command line look for. */
const FLOWS: RecordSpec[] = [
  {
    src: [10, 1, 0, 2],
    dst: [10, 2, 0, 2],
    ports: [40_000, 443],
    packets: [10, 8],
    bytes: [2_000_000, 500],
    flags: [0x1b, 0x1b],
    rttNs: 123_456,
    connState: state('SF'),
    endReason: EndReasonCode.fin,
    history: 'ShADadfF',
    route: [0, 1],
    ttl: [64, 63],
    dscp: [0, 46],
    tcp: {
      seqBytes: [1400, 300],
      missedBytes: [0, 0],
      mss: [1460, 0],
      windowScale: [0, 15],
      ackRttNs: [500, -1],
      tsRttNs: [1500, 2000],
    },
    ipId: [4660, 0],
  },
  {
    src: [10, 1, 0, 2],
    dst: [10, 66, 0, 1],
    ports: [40_001, 80],
    connState: state('S0'),
    route: [2, -1],
    routeOrigSide: 0,
  },
  { proto: 17, src: [10, 1, 0, 3], dst: [8, 8, 8, 8], ports: [5353, 53], packets: [1, 1], bytes: [80, 120] },
  { proto: 1, src: [10, 1, 0, 2], dst: [10, 2, 0, 2], ports: [8, 0], vlan: [100], history: '' },
  {
    version: 6,
    proto: 58,
    src: [0xfe, 0x80, ...new Array(13).fill(0), 1],
    dst: [0xff, 2, ...new Array(13).fill(0), 1],
    ports: [135, 136],
    ttl: [255, 255],
    vlan: [100, 200],
    capture: 1,
  },
  { proto: 253, src: [10, 1, 0, 9], dst: [10, 2, 0, 9], ports: null, macs: null, connState: 0, capture: 2 },
];

/**
 * Writes the sample into a new folder.
 * @param isPartitioned every flow in a partition of its own, but for the last two
 * @returns the database, and what removes it
 */
export function sampleDb(isPartitioned = false): { path: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'nstap-test-'));
  const path = join(folder, 'flows.db');
  const writer = new FlowWriter(path, { ...TEST_RUN, timeseries: true }, isPartitioned);
  const channel = writer.channel();
  const records = FLOWS.map((spec, seq) => ({
    ...spec,
    seq,
    start: [SAMPLE_START + seq * 10, 123_456_789] as [number, number],
    end: [SAMPLE_START + seq * 10 + 1, 0] as [number, number],
  }));
  const drop = decision({
    type: 'blackhole',
    verdict: 'drop',
    prefix: '10.66.0.0/16',
    gateway: null,
    dev: null,
    reason: 'a blackhole route matches',
  });
  const batches = isPartitioned
    ? [...records.slice(0, 4).map((record) => batchOf(record)), batchOf(...records.slice(4))]
    : [batchOf(...records)];
  // The second flow went the way of the first, until a blackhole route came.
  addChange(batches[isPartitioned ? 1 : 0]!, {
    seq: 1,
    at: [SAMPLE_START + 10, 623_456_789],
    previous: 0,
    decision: 2,
  });
  writer.write([
    [channel, { type: 'capture', info: captureInfo(0) }],
    [channel, { type: 'capture', info: captureInfo(1, { netns: 'red', interface: 'eth0' }) }],
    [channel, { type: 'capture', info: captureInfo(2, { netns: null, interface: null, source: 'file' }) }],
    [
      channel,
      { type: 'decisions', base: 0, list: [decision(), decision({ type: 'local', table: 'local' }), drop] },
    ],
  ]);
  for (const [i, batch] of batches.entries()) {
    if (i > 0) writer.partitions?.begin();
    writer.write([[channel, { type: 'batch', batch }]]);
  }
  writer.close();
  return { path, remove: () => rmSync(folder, { recursive: true }) };
}

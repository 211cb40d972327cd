import { FlowBatch } from '../../storage/flow-batch.ts';
import type { CaptureInfo } from '../../storage/messages.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';

/** Column pairs of TCP, each with what stands for "nothing of it". */
const TCP_PAIRS = {
  outOfOrder: 0,
  zeroWindows: 0,
  fastRetransmits: 0,
  spuriousRetransmits: 0,
  dupAcks: 0,
  lostSegments: 0,
  keepAlives: 0,
  seqBytes: -1,
  missedBytes: -1,
  retransmittedBytes: -1,
  mss: 0,
  windowScale: 15,
  maxWindow: 0,
  ackRttNs: -1,
  tsRttNs: -1,
} as const;
type TcpPair = keyof typeof TCP_PAIRS;

/** One flow record of a test: what is left out is that of a plain, ended TCP flow over IPv4. */
export interface RecordSpec {
  seq?: number;
  isNew?: boolean;
  start?: [sec: number, nsec: number];
  end?: [sec: number, nsec: number];
  version?: 4 | 6;
  proto?: number;
  src?: number[];
  dst?: number[];
  ports?: [number, number] | null;
  vlan?: number[];
  /** Code of the type, id and outer flow's seq (-1: none); null: none. */
  tunnel?: readonly [type: number, id: number, outerSeq: number] | null;
  capture?: number;
  packets?: [number, number];
  bytes?: [number, number];
  ipBytes?: [number, number];
  payload?: [number, number];
  flags?: [number, number];
  retransmits?: [number, number];
  /** Names of column pairs of TCP without Fwd and Rev, such as `dupAcks`; those left out are 0 or "not known". */
  tcp?: Partial<Record<TcpPair, [number, number]>>;
  originatorGuessed?: boolean;
  ttl?: [number, number];
  dscp?: [number, number];
  ipId?: [number, number];
  rttNs?: number;
  connState?: number;
  endReason?: number;
  history?: string;
  route?: [number, number];
  macs?: [number[], number[]] | null;
  /** Of a flow whose route decision changed; null: it did not. */
  routeOrigSide?: 0 | 1 | null;
}

/** A change of a route decision: of flow `seq`, with the numbers of the decisions. */
export interface ChangeSpec {
  seq?: number;
  side?: 0 | 1;
  at: [sec: number, nsec: number];
  previous: number;
  decision: number;
  isFirst?: boolean;
}

/** Puts a change at the end of those of a batch. */
export function addChange(batch: FlowBatch, spec: ChangeSpec): void {
  const c = batch.changes;
  const i = batch.changeCount;
  c.flowSeq[i] = spec.seq ?? 0;
  [c.sec[i], c.nsec[i]] = spec.at;
  c.previous[i] = spec.previous;
  c.decision[i] = spec.decision;
  c.side[i] = spec.side ?? 0;
  c.isFirst[i] = (spec.isFirst ?? true) ? 1 : 0;
  batch.changeCount = i + 1;
}

/** Names made once: benchmarks add millions of records. */
const TCP_COLUMNS = (Object.entries(TCP_PAIRS) as [TcpPair, number][]).map(([name, none]) => ({
  name,
  fwd: `${name}Fwd` as const,
  rev: `${name}Rev` as const,
  none: [none, none] as [number, number],
}));

/** Puts a record at the end of a batch. */
export function addRecord(batch: FlowBatch, spec: RecordSpec = {}): void {
  const c = batch.columns;
  const i = batch.count;
  const put = (column: Uint8Array, width: number, bytes: number[]): void => {
    column.fill(0, i * width, (i + 1) * width);
    column.set(bytes, i * width);
  };
  const pair = (fwd: keyof typeof c, rev: keyof typeof c, values: [number, number]): void => {
    c[fwd][i] = values[0];
    c[rev][i] = values[1];
  };
  const start = spec.start ?? [1_700_000_000, 123_456_789];
  const end = spec.end ?? start;
  c.flowSeq[i] = spec.seq ?? i;
  c.isNew[i] = (spec.isNew ?? true) ? 1 : 0;
  [c.startSec[i], c.startNsec[i]] = start;
  [c.endSec[i], c.endNsec[i]] = end;
  c.ipVersion[i] = spec.version ?? 4;
  c.proto[i] = spec.proto ?? 6;
  put(c.src, 16, spec.src ?? [10, 0, 0, 1]);
  put(c.dst, 16, spec.dst ?? [10, 0, 0, 2]);
  const ports = spec.ports === undefined ? ([40_000, 80] as const) : spec.ports;
  c.hasPorts[i] = ports === null ? 0 : 1;
  c.srcPort[i] = ports?.[0] ?? 0;
  c.dstPort[i] = ports?.[1] ?? 0;
  const vlan = spec.vlan ?? [];
  c.vlanCount[i] = vlan.length;
  c.vlanOuter[i] = vlan[0] ?? 0;
  c.vlanInner[i] = vlan[1] ?? 0;
  // Beside no tunnel, what an earlier record left there: it must mean nothing.
  [c.tunnelType[i], c.tunnelId[i], c.outerSeq[i]] = spec.tunnel ?? [0, 77, 3];
  c.captureIndex[i] = spec.capture ?? 0;
  pair('packetsFwd', 'packetsRev', spec.packets ?? [1, 0]);
  pair('bytesFwd', 'bytesRev', spec.bytes ?? [54, 0]);
  pair('ipBytesFwd', 'ipBytesRev', spec.ipBytes ?? [40, 0]);
  pair('payloadBytesFwd', 'payloadBytesRev', spec.payload ?? [0, 0]);
  pair('tcpFlagsFwd', 'tcpFlagsRev', spec.flags ?? [2, 0]);
  pair('retransmitsFwd', 'retransmitsRev', spec.retransmits ?? [0, 0]);
  for (const { name, fwd, rev, none } of TCP_COLUMNS) pair(fwd, rev, spec.tcp?.[name] ?? none);
  c.originatorGuessed[i] = spec.originatorGuessed === true ? 1 : 0;
  pair('ttlMinFwd', 'ttlMinRev', spec.ttl ?? [64, 255]);
  pair('ttlMaxFwd', 'ttlMaxRev', spec.ttl ?? [64, 255]);
  const dscp = spec.dscp ?? [0, 255];
  pair('dscpFwd', 'dscpRev', dscp);
  pair('dscpMinFwd', 'dscpMinRev', dscp);
  pair('dscpMaxFwd', 'dscpMaxRev', dscp);
  pair('ipIdFwd', 'ipIdRev', spec.ipId ?? [0, 0]);
  pair('routeFwd', 'routeRev', spec.route ?? [-1, -1]);
  c.rttNs[i] = spec.rttNs ?? -1;
  c.connState[i] = spec.connState ?? 1;
  c.endReason[i] = spec.endReason ?? 3;
  const history = [...(spec.history ?? 'S')].map((letter) => letter.charCodeAt(0));
  c.historyLen[i] = history.length;
  put(c.history, 24, history);
  c.routeOrigSide[i] = spec.routeOrigSide ?? 255;
  c.hasMac[i] = spec.macs === null ? 0 : 1;
  put(c.srcMac, 6, spec.macs?.[0] ?? [2, 0, 0, 0, 0, 1]);
  put(c.dstMac, 6, spec.macs?.[1] ?? [2, 0, 0, 0, 0, 2]);
  batch.count = i + 1;
}

/** A batch that holds these records. */
export function batchOf(...specs: RecordSpec[]): FlowBatch {
  const batch = new FlowBatch(Math.max(8, Math.ceil(specs.length / 8) * 8));
  for (const spec of specs) addRecord(batch, spec);
  return batch;
}

/** A capture point of a test. */
export function captureInfo(index: number, more: Partial<CaptureInfo> = {}): CaptureInfo {
  return {
    index,
    netns: 'blue',
    netnsId: '4:4026532000',
    interface: 'veth0',
    ifIndex: 2,
    linkType: 1,
    source: 'ring',
    file: null,
    filter: null,
    ...more,
  };
}

/** A route decision of a test: unicast by the main table. */
export function decision(more: Partial<RouteDecision> = {}): RouteDecision {
  return {
    type: 'unicast',
    verdict: 'forward',
    rule: 32766,
    table: 'main',
    prefix: '10.2.0.0/24',
    gateway: '10.1.0.254',
    dev: 'veth0',
    scope: 'global',
    protocol: 'static',
    metric: null,
    prefsrc: null,
    stage: 'forward',
    observed: 'agrees',
    confidence: 'exact',
    reason: null,
    text: '10.2.0.0/24 via 10.1.0.254 dev veth0 proto static',
    ...more,
  };
}

/** The run that tests write as. */
export const TEST_RUN = { kind: 'replay', version: '0.0.0', commandLine: 'test' } as const;

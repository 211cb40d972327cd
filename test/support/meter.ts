import { Meter } from '../../daemon/capture/meter.ts';
import { TunnelMeter } from '../../daemon/capture/tunnel-meter.ts';
import type { TunnelMode } from '../../daemon/config.ts';
import type { FlowTableOptions, PacketTagger } from '../../daemon/flow/table-options.ts';
import { FlowTable } from '../../daemon/flow/table.ts';
import { DEFAULT_TIMEOUTS } from '../../daemon/flow/timeouts.ts';
import {
  CONN_STATES,
  END_REASONS,
  FlowBatch,
  HISTORY_MAX,
  NONE_U8,
  TUNNEL_TYPES,
} from '../../storage/flow-batch.ts';
import { type FrameSpec, frame } from './frames.ts';
import { noRoutes } from './no-routes.ts';

/** A flow record as a test likes to read it. */
export interface TestRecord {
  seq: number;
  isNew: boolean;
  capture: number;
  proto: number;
  src: string;
  dst: string;
  vlan: number[];
  start: string;
  end: string;
  packets: [number, number];
  bytes: [number, number];
  payload: [number, number];
  flags: [number, number];
  ttl: [number, number, number, number];
  state: string | null;
  history: string;
  reason: string;
  rttNs: number;
  retransmits: [number, number];
  outOfOrder: [number, number];
  /** Only of a TCP flow whose originator no SYN told. */
  guessed?: true;
  routes: [number, number];
  /** Only of a flow whose route decision changed. */
  routeOrigSide?: number;
  /** Only of a flow inside a tunnel: type, id or null, and `seq` of the flow outside or null. */
  tunnel?: [string, number | null, number | null];
}

/** Counts of a TCP flow beyond those of every test. -1: not known. */
export interface TestTcp {
  fast: [number, number];
  spurious: [number, number];
  dupAcks: [number, number];
  lost: [number, number];
  keepAlives: [number, number];
  zeroWindows: [number, number];
  seqBytes: [number, number];
  missed: [number, number];
  repeated: [number, number];
  mss: [number, number];
  scale: [number, number];
  maxWindow: [number, number];
  ackRtt: [number, number];
  tsRtt: [number, number];
}

/** A record with everything; `tcp` is null unless TCP, `ipId` means nothing unless IPv4. */
export type WholeRecord = TestRecord & { ipId: [number, number]; tcp: TestTcp | null };

/** A meter with its flow table, fed by hand, whose records are read back from the batches. */
export class TestMeter {
  readonly table: FlowTable;
  readonly meter: Meter | TunnelMeter;
  readonly #batches: FlowBatch[] = [];
  /** While true the queue to storage is full. */
  full = false;

  constructor(
    options: Partial<FlowTableOptions> = {},
    tagger: PacketTagger = noRoutes(),
    tunnels: TunnelMode = 'outer',
  ) {
    const hasExtras = options.hints === true || (options.payloadOctets ?? 0) > 0;
    const withRoom = (hasRoom: (batch: FlowBatch) => boolean): FlowBatch | null => {
      if (this.full) return null;
      const last = this.#batches.at(-1);
      if (last !== undefined && hasRoom(last)) return last;
      const batch = new FlowBatch(64, undefined, hasExtras ? 1 << 18 : 0);
      this.#batches.push(batch);
      return batch;
    };
    const sink = {
      batch: () => withRoom((batch) => !batch.isFull),
      changes: () => withRoom((batch) => batch.changeCount < batch.capacity),
    };
    this.table = new FlowTable(
      {
        maxFlows: 1024,
        timeouts: DEFAULT_TIMEOUTS,
        checkpointSec: 0,
        seed: 7,
        tunnels: tunnels !== 'outer',
        ...options,
      },
      sink,
      tagger,
    );
    this.meter = tunnels === 'outer' ? new Meter(this.table) : new TunnelMeter(this.table, tunnels);
  }

  /** Feeds one frame at a time given in seconds (nanoseconds exact up to 1e-9 of small numbers); `wireLen` when fewer octets were captured. */
  feed(spec: FrameSpec | Uint8Array, sec: number, nsec = 0, captureIndex = 0, wireLen?: number): void {
    const bytes = spec instanceof Uint8Array ? spec : frame(spec);
    const f = this.meter.fields;
    f.linkType = 1;
    f.captureIndex = captureIndex;
    f.tsSec = sec;
    f.tsNsec = nsec;
    f.wireLen = wireLen ?? bytes.length;
    f.strippedTci = -1;
    this.meter.packet(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length);
  }

  /** Ends all flows and gives the records so far. */
  finish(): TestRecord[] {
    this.table.endAll('eof');
    return this.records();
  }

  /** Ends all flows and gives the records so far, with all that TCP flows have. */
  finishWhole(): WholeRecord[] {
    this.table.endAll('eof');
    return this.#batches.flatMap((batch) =>
      Array.from({ length: batch.count }, (_, i) => ({
        ...readRecord(batch, i),
        ipId: [batch.columns.ipIdFwd[i]!, batch.columns.ipIdRev[i]!],
        tcp: batch.columns.proto[i] === 6 ? readTcp(batch, i) : null,
      })),
    );
  }

  /** The route changes so far, oldest first. */
  changes(): TestChange[] {
    return this.#batches.flatMap(({ changes: c, changeCount }) =>
      Array.from({ length: changeCount }, (_, i) => ({
        seq: c.flowSeq[i]!,
        at: `${c.sec[i]}.${String(c.nsec[i]).padStart(9, '0')}`,
        side: c.side[i]!,
        decisions: [c.previous[i]!, c.decision[i]!],
        isFirst: c.isFirst[i] === 1,
      })),
    );
  }

  /** Hints and payloads written so far, oldest first. */
  extras(): { seq: number; kind: number; octets: Buffer }[] {
    return this.#batches.flatMap((batch) =>
      [...batch.extras.entries(batch.extraLength)].map(({ flowSeq, ...entry }) => ({
        seq: flowSeq,
        ...entry,
      })),
    );
  }

  /** The records written so far, oldest first. */
  records(): TestRecord[] {
    return this.#batches.flatMap((batch) =>
      Array.from({ length: batch.count }, (_, i) => readRecord(batch, i)),
    );
  }
}

/** A route change as a test likes to read it. */
export interface TestChange {
  seq: number;
  at: string;
  side: number;
  decisions: [number, number];
  isFirst: boolean;
}

function readRecord(batch: FlowBatch, i: number): TestRecord {
  const c = batch.columns;
  const address = (bytes: Uint8Array): string =>
    c.ipVersion[i] === 4
      ? [...bytes.subarray(i * 16, i * 16 + 4)].join('.')
      : Buffer.from(bytes.subarray(i * 16, i * 16 + 16)).toString('hex');
  const port = (n: number): string => (c.hasPorts[i] === 1 ? `:${n}` : '');
  return {
    seq: c.flowSeq[i]!,
    isNew: c.isNew[i] === 1,
    capture: c.captureIndex[i]!,
    proto: c.proto[i]!,
    src: address(c.src) + port(c.srcPort[i]!),
    dst: address(c.dst) + port(c.dstPort[i]!),
    vlan: [c.vlanOuter[i]!, c.vlanInner[i]!].slice(0, c.vlanCount[i]),
    start: `${c.startSec[i]}.${String(c.startNsec[i]).padStart(9, '0')}`,
    end: `${c.endSec[i]}.${String(c.endNsec[i]).padStart(9, '0')}`,
    packets: [c.packetsFwd[i]!, c.packetsRev[i]!],
    bytes: [c.bytesFwd[i]!, c.bytesRev[i]!],
    payload: [c.payloadBytesFwd[i]!, c.payloadBytesRev[i]!],
    flags: [c.tcpFlagsFwd[i]!, c.tcpFlagsRev[i]!],
    ttl: [c.ttlMinFwd[i]!, c.ttlMaxFwd[i]!, c.ttlMinRev[i]!, c.ttlMaxRev[i]!],
    state: CONN_STATES[c.connState[i]!] ?? null,
    history: Buffer.from(c.history.subarray(i * HISTORY_MAX, i * HISTORY_MAX + c.historyLen[i]!)).toString(
      'latin1',
    ),
    reason: END_REASONS[c.endReason[i]!]!,
    rttNs: c.rttNs[i]!,
    retransmits: [c.retransmitsFwd[i]!, c.retransmitsRev[i]!],
    outOfOrder: [c.outOfOrderFwd[i]!, c.outOfOrderRev[i]!],
    routes: [c.routeFwd[i]!, c.routeRev[i]!],
    ...(c.proto[i] === 6 && c.originatorGuessed[i] === 1 && { guessed: true }),
    ...(c.routeOrigSide[i] !== NONE_U8 && { routeOrigSide: c.routeOrigSide[i]! }),
    ...(c.tunnelType[i] !== 0 && {
      tunnel: [TUNNEL_TYPES[c.tunnelType[i]!]!, orNull(c.tunnelId[i]!), orNull(c.outerSeq[i]!)],
    }),
  };
}

function readTcp({ columns: c }: FlowBatch, i: number): TestTcp {
  return {
    fast: [c.fastRetransmitsFwd[i]!, c.fastRetransmitsRev[i]!],
    spurious: [c.spuriousRetransmitsFwd[i]!, c.spuriousRetransmitsRev[i]!],
    dupAcks: [c.dupAcksFwd[i]!, c.dupAcksRev[i]!],
    lost: [c.lostSegmentsFwd[i]!, c.lostSegmentsRev[i]!],
    keepAlives: [c.keepAlivesFwd[i]!, c.keepAlivesRev[i]!],
    zeroWindows: [c.zeroWindowsFwd[i]!, c.zeroWindowsRev[i]!],
    seqBytes: [c.seqBytesFwd[i]!, c.seqBytesRev[i]!],
    missed: [c.missedBytesFwd[i]!, c.missedBytesRev[i]!],
    repeated: [c.retransmittedBytesFwd[i]!, c.retransmittedBytesRev[i]!],
    mss: [c.mssFwd[i]!, c.mssRev[i]!],
    scale: [c.windowScaleFwd[i]!, c.windowScaleRev[i]!],
    maxWindow: [c.maxWindowFwd[i]!, c.maxWindowRev[i]!],
    ackRtt: [c.ackRttNsFwd[i]!, c.ackRttNsRev[i]!],
    tsRtt: [c.tsRttNsFwd[i]!, c.tsRttNsRev[i]!],
  };
}

function orNull(n: number): number | null {
  return n < 0 ? null : n;
}

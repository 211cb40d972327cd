import { type FlowBatch, type FlowColumns, HISTORY_MAX, NONE_U8 } from './flow-batch.ts';
import { hasRare, rareOf } from './flow-rare.ts';
import { clampNs, ordinaryNs, SEC_END, toNs } from './time.ts';

/** What better-sqlite3 binds. Integral doubles become exact INTEGERs below 2^53; times are bigint. */
export type SqlValue = number | bigint | string | Buffer | null;

/** IANA protocol number: the only one whose records have flags, sequence and window counters. */
const TCP = 6;

/**
 * One record of a batch as parameters of a statement. It is reused from record to record; the BLOBs it returns are
 * overwritten by the next one, and SQLite copies them when they are bound.
 */
export class FlowRecord {
  flowId = 0;
  hostId = 0;
  captureId = 0;
  /** Database ids of the decisions, or null. */
  routeFwd: number | null = null;
  routeRev: number | null = null;
  /** Database id of the flow that an inner flow came in, or null. */
  outerFlowId: number | null = null;
  startNs = 0n;
  endNs = 0n;
  /** Times that did not fit into 64 bits, since this object was made. */
  clampedTimes = 0;
  i = 0;
  c: FlowColumns;
  #history: Buffer;
  readonly #addresses = {
    src4: Buffer.alloc(4),
    src6: Buffer.alloc(16),
    dst4: Buffer.alloc(4),
    dst6: Buffer.alloc(16),
  };
  readonly #macs = { src: Buffer.alloc(6), dst: Buffer.alloc(6) };

  constructor(batch: FlowBatch) {
    this.c = batch.columns;
    this.#history = historyBytes(batch);
  }

  /** Points at another batch. */
  setBatch(batch: FlowBatch): void {
    this.c = batch.columns;
    this.#history = historyBytes(batch);
  }

  /** Points at record `i` of the batch; whoever calls sets the ids. */
  setRecord(i: number): void {
    const { c } = this;
    this.i = i;
    this.startNs = this.#time(c.startSec[i]!, c.startNsec[i]!);
    this.endNs = this.#time(c.endSec[i]!, c.endNsec[i]!);
  }

  get history(): string | null {
    const length = this.c.historyLen[this.i]!;
    const off = this.i * HISTORY_MAX;
    return length === 0 ? null : this.#history.toString('latin1', off, off + length);
  }

  get src(): Buffer {
    const isIPv6 = this.c.ipVersion[this.i] === 6;
    return copied(this.c.src, this.i * 16, isIPv6 ? this.#addresses.src6 : this.#addresses.src4);
  }

  get dst(): Buffer {
    const isIPv6 = this.c.ipVersion[this.i] === 6;
    return copied(this.c.dst, this.i * 16, isIPv6 ? this.#addresses.dst6 : this.#addresses.dst4);
  }

  get srcMac(): Buffer | null {
    return this.c.hasMac[this.i] === 1 ? copied(this.c.srcMac, this.i * 6, this.#macs.src) : null;
  }

  get dstMac(): Buffer | null {
    return this.c.hasMac[this.i] === 1 ? copied(this.c.dstMac, this.i * 6, this.#macs.dst) : null;
  }

  #time(sec: number, nsec: number): bigint {
    if (sec >= 0 && sec < SEC_END) return ordinaryNs(sec, nsec);
    const ns = toNs(sec, nsec);
    const clamped = clampNs(ns);
    if (clamped !== ns) this.clampedTimes++;
    return clamped;
  }
}

type Value = (c: FlowColumns, i: number, r: FlowRecord) => SqlValue;

/** A column of `flows`, and what it is in a record. */
export type Column = readonly [name: string, value: Value];

/**
 * Columns that many records have nothing in, all at once: those are written as constants in the statement, for what is bound takes
 * most of a record's time.
 */
export interface ColumnGroup {
  readonly columns: readonly Column[];
  /** SQL for all columns of the group. */
  readonly constants: readonly string[];
  /** 0: the columns have to be bound; n: each is constant n - 1. */
  readonly constantOf: (c: FlowColumns, i: number) => number;
}

const isTcp = (c: FlowColumns, i: number): boolean => c.proto[i] === TCP;
const isIPv4 = (c: FlowColumns, i: number): boolean => c.ipVersion[i] === 4;
/** A number of TCP that is not known below 0. */
const known = (tcp: boolean, value: number): SqlValue => (tcp && value >= 0 ? value : null);
const unlessNone = (value: number): SqlValue => (value === NONE_U8 ? null : value);

// Every value is a function of its own that names its column: one function for all of them, with the name as a variable, reads it by a
// look into a hash table.

/** What a record is known by; never changes. */
export const ID_COLUMNS: readonly Column[] = [
  ['flow_id', (_c, _i, r) => r.flowId],
  ['host_id', (_c, _i, r) => r.hostId],
  ['capture_id', (_c, _i, r) => r.captureId],
];

/** As ID_COLUMNS, of flows inside tunnels. */
export const TUNNEL_COLUMNS: ColumnGroup = {
  columns: [
    ['tunnel_type', (c, i) => c.tunnelType[i] || null],
    ['tunnel_id', (c, i) => (c.tunnelType[i] !== 0 && c.tunnelId[i]! >= 0 ? c.tunnelId[i]! : null)],
    ['tunnel_outer_flow_id', (_c, _i, r) => r.outerFlowId],
  ],
  constants: ['NULL'],
  constantOf: (c, i) => (c.tunnelType[i] === 0 ? 1 : 0),
};

/**
 * Indexed, and seldom changed by a later record of the same flow: when its originator turns out to be the other end, when the other
 * end sends its first packet, or when the route changes.
 */
export const ENDPOINT_COLUMNS: readonly Column[] = [
  ['start_ns', (_c, _i, r) => r.startNs],
  ['src', (_c, _i, r) => r.src],
  ['dst', (_c, _i, r) => r.dst],
  ['src_port', (c, i) => (c.hasPorts[i] === 1 ? c.srcPort[i]! : null)],
  ['dst_port', (c, i) => (c.hasPorts[i] === 1 ? c.dstPort[i]! : null)],
  ['route_fwd', (_c, _i, r) => r.routeFwd],
  ['route_rev', (_c, _i, r) => r.routeRev],
];

/** What every record has. */
export const VALUE_COLUMNS: readonly Column[] = [
  ['end_ns', (_c, _i, r) => r.endNs],
  ['ip_version', (c, i) => c.ipVersion[i]!],
  ['proto', (c, i) => c.proto[i]!],
  ['packets_fwd', (c, i) => c.packetsFwd[i]!],
  ['bytes_fwd', (c, i) => c.bytesFwd[i]!],
  ['ip_bytes_fwd', (c, i) => c.ipBytesFwd[i]!],
  ['payload_bytes_fwd', (c, i) => c.payloadBytesFwd[i]!],
  ['conn_state', (c, i) => c.connState[i]!],
  ['end_reason', (c, i) => c.endReason[i]!],
  ['history', (_c, _i, r) => r.history],
  ['rtt_ns', (c, i) => (c.rttNs[i]! < 0 ? null : c.rttNs[i]!)],
  // A hop limit of 255 is ordinary (neighbour discovery), so what tells "no packet" apart is the counter, not NONE_U8.
  ['ttl_min_fwd', (c, i) => (c.packetsFwd[i]! > 0 ? c.ttlMinFwd[i]! : null)],
  ['ip_id_fwd', (c, i) => (isIPv4(c, i) && c.packetsFwd[i]! > 0 ? c.ipIdFwd[i]! : null)],
];

/** Everything else of `flows` that a record carries. */
export const VALUE_GROUPS: readonly ColumnGroup[] = [
  {
    columns: [['vlan_outer', (c, i) => (c.vlanCount[i]! > 0 ? c.vlanOuter[i]! : null)]],
    constants: ['NULL'],
    constantOf: (c, i) => (c.vlanCount[i] === 0 ? 1 : 0),
  },
  {
    columns: [
      ['packets_rev', (c, i) => c.packetsRev[i]!],
      ['bytes_rev', (c, i) => c.bytesRev[i]!],
      ['ip_bytes_rev', (c, i) => c.ipBytesRev[i]!],
      ['payload_bytes_rev', (c, i) => c.payloadBytesRev[i]!],
    ],
    constants: ['0'],
    constantOf: (c, i) =>
      c.packetsRev[i] === 0 && c.bytesRev[i] === 0 && c.ipBytesRev[i] === 0 && c.payloadBytesRev[i] === 0
        ? 1
        : 0,
  },
  {
    columns: [
      ['ttl_min_rev', (c, i) => (c.packetsRev[i]! > 0 ? c.ttlMinRev[i]! : null)],
      ['ip_id_rev', (c, i) => (isIPv4(c, i) && c.packetsRev[i]! > 0 ? c.ipIdRev[i]! : null)],
    ],
    constants: ['NULL'],
    constantOf: (c, i) => (c.packetsRev[i] === 0 ? 1 : 0),
  },
  {
    columns: [['dscp_fwd', (c, i) => unlessNone(c.dscpFwd[i]!)]],
    constants: ['0', 'NULL'],
    constantOf: (c, i) => dscpConstant(c.dscpFwd[i]!),
  },
  {
    columns: [['dscp_rev', (c, i) => unlessNone(c.dscpRev[i]!)]],
    constants: ['0', 'NULL'],
    constantOf: (c, i) => dscpConstant(c.dscpRev[i]!),
  },
  {
    columns: [
      ['tcp_flags_fwd', (c, i) => (isTcp(c, i) ? c.tcpFlagsFwd[i]! : null)],
      ['tcp_flags_rev', (c, i) => (isTcp(c, i) ? c.tcpFlagsRev[i]! : null)],
      ['seq_bytes_fwd', (c, i) => known(isTcp(c, i), c.seqBytesFwd[i]!)],
      ['seq_bytes_rev', (c, i) => known(isTcp(c, i), c.seqBytesRev[i]!)],
      ['max_window_fwd', (c, i) => (isTcp(c, i) ? c.maxWindowFwd[i]! : null)],
      ['max_window_rev', (c, i) => (isTcp(c, i) ? c.maxWindowRev[i]! : null)],
      ['ack_rtt_ns_fwd', (c, i) => known(isTcp(c, i), c.ackRttNsFwd[i]!)],
      ['ack_rtt_ns_rev', (c, i) => known(isTcp(c, i), c.ackRttNsRev[i]!)],
    ],
    constants: ['NULL'],
    constantOf: (c, i) => (isTcp(c, i) ? 0 : 1),
  },
  {
    columns: [
      ['mss_fwd', (c, i) => (isTcp(c, i) && c.mssFwd[i]! > 0 ? c.mssFwd[i]! : null)],
      ['mss_rev', (c, i) => (isTcp(c, i) && c.mssRev[i]! > 0 ? c.mssRev[i]! : null)],
      [
        'window_scale_fwd',
        (c, i) => (isTcp(c, i) && c.windowScaleFwd[i]! < 15 ? c.windowScaleFwd[i]! : null),
      ],
      [
        'window_scale_rev',
        (c, i) => (isTcp(c, i) && c.windowScaleRev[i]! < 15 ? c.windowScaleRev[i]! : null),
      ],
    ],
    constants: ['NULL'],
    constantOf: (c, i) =>
      isTcp(c, i) &&
      (c.mssFwd[i]! > 0 || c.mssRev[i]! > 0 || c.windowScaleFwd[i]! < 15 || c.windowScaleRev[i]! < 15)
        ? 0
        : 1,
  },
  {
    columns: [
      ['ts_rtt_ns_fwd', (c, i) => known(isTcp(c, i), c.tsRttNsFwd[i]!)],
      ['ts_rtt_ns_rev', (c, i) => known(isTcp(c, i), c.tsRttNsRev[i]!)],
    ],
    constants: ['NULL'],
    constantOf: (c, i) => (isTcp(c, i) && (c.tsRttNsFwd[i]! >= 0 || c.tsRttNsRev[i]! >= 0) ? 0 : 1),
  },
  {
    columns: [['rare', (c, i) => rareOf(c, i)]],
    constants: ['NULL'],
    constantOf: (c, i) => (hasRare(c, i) ? 0 : 1),
  },
  {
    columns: [
      ['src_mac', (_c, _i, r) => r.srcMac],
      ['dst_mac', (_c, _i, r) => r.dstMac],
    ],
    constants: ['NULL'],
    constantOf: (c, i) => (c.hasMac[i] === 1 ? 0 : 1),
  },
  {
    columns: [['route_orig_side', (c, i) => unlessNone(c.routeOrigSide[i]!)]],
    constants: ['NULL'],
    constantOf: (c, i) => (c.routeOrigSide[i] === NONE_U8 ? 1 : 0),
  },
];

function dscpConstant(first: number): number {
  if (first === 0) return 1;
  return first === NONE_U8 ? 2 : 0;
}

function historyBytes(batch: FlowBatch): Buffer {
  const { history } = batch.columns;
  return Buffer.from(batch.buffer, history.byteOffset, history.byteLength);
}

function copied(from: Uint8Array, off: number, to: Buffer): Buffer {
  for (let k = 0; k < to.length; k++) to[k] = from[off + k]!;
  return to;
}

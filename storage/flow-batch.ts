/**
 * The columnar layout in which flow records cross from a capture thread to the storage thread: one SharedArrayBuffer a
 * batch, one typed array a column, no object per flow. This file owns the units; whoever writes or reads a flow record
 * goes by the comments here.
 */

import { EXTRA_MAX, ExtraArea } from './flow-extras.ts';

/** Why a flow record ended, by code; `active` is a record whose flow still lived when it was written. */
export const EndReasonCode = { active: 0, fin: 1, rst: 2, idle: 3, evicted: 4, shutdown: 5, eof: 6 } as const;
export type EndReason = keyof typeof EndReasonCode;

/** The names by code. */
export const END_REASONS = Object.keys(EndReasonCode) as EndReason[];

/** Zeek conn_state by code; code 0 is "does not apply". */
export const CONN_STATES = [
  null,
  'S0',
  'S1',
  'SF',
  'REJ',
  'S2',
  'S3',
  'RSTO',
  'RSTR',
  'RSTOS0',
  'RSTRH',
  'SH',
  'SHR',
  'OTH',
] as const;

/** What an inner flow came in, by code; code 0 is a flow of the outermost IP header. */
export const TUNNEL_TYPES = [
  null,
  'ipip',
  '4in6',
  '6in4',
  '6in6',
  'gre',
  'erspan',
  'vxlan',
  'vxlan-gpe',
  'geneve',
  'gtp-u',
] as const;

/** Octets kept of a flow's history string. */
export const HISTORY_MAX = 24;
/** Column value for "not seen" in 8-bit columns (ttl, dscp). */
export const NONE_U8 = 255;

const COLUMNS = {
  /** Number of the flow within its capture thread, from 0; storage maps it to a `flow_id`. Double, integral. */
  flowSeq: ['f64', 1],
  /** Times: whole seconds since the epoch (integral double, may pass 2^32) and nanoseconds in the second. */
  startSec: ['f64', 1],
  endSec: ['f64', 1],
  /** Counters are cumulative over the flow's whole life, so a later record of the same flow replaces the earlier one. */
  packetsFwd: ['f64', 1],
  packetsRev: ['f64', 1],
  bytesFwd: ['f64', 1],
  bytesRev: ['f64', 1],
  ipBytesFwd: ['f64', 1],
  ipBytesRev: ['f64', 1],
  payloadBytesFwd: ['f64', 1],
  payloadBytesRev: ['f64', 1],
  /** Nanoseconds from SYN to the ACK of the SYN-ACK; -1 when not measured. */
  rttNs: ['f64', 1],
  /** Of a flow inside a tunnel: the tunnel's id (unsigned; -1: it has none) and `flowSeq` of the flow outside (-1: not kept). */
  tunnelId: ['f64', 1],
  outerSeq: ['f64', 1],
  /** Unless TCP, all columns of TCP mean nothing. Octets of payload in sequence space that were
   * seen or missed, that were missed, and of payload that was sent again; -1: not tracked, the trouble table was full. */
  seqBytesFwd: ['f64', 1],
  seqBytesRev: ['f64', 1],
  missedBytesFwd: ['f64', 1],
  missedBytesRev: ['f64', 1],
  retransmittedBytesFwd: ['f64', 1],
  retransmittedBytesRev: ['f64', 1],
  /** Nanoseconds of the shortest time to an ACK of that side's data; -1 when not measured. */
  ackRttNsFwd: ['f64', 1],
  ackRttNsRev: ['f64', 1],
  /** Nanoseconds of the shortest time to the echo of a timestamp of that side; -1 when not measured. */
  tsRttNsFwd: ['f64', 1],
  tsRttNsRev: ['f64', 1],
  startNsec: ['u32', 1],
  endNsec: ['u32', 1],
  retransmitsFwd: ['u32', 1],
  retransmitsRev: ['u32', 1],
  outOfOrderFwd: ['u32', 1],
  outOfOrderRev: ['u32', 1],
  zeroWindowsFwd: ['u32', 1],
  zeroWindowsRev: ['u32', 1],
  fastRetransmitsFwd: ['u32', 1],
  fastRetransmitsRev: ['u32', 1],
  spuriousRetransmitsFwd: ['u32', 1],
  spuriousRetransmitsRev: ['u32', 1],
  dupAcksFwd: ['u32', 1],
  dupAcksRev: ['u32', 1],
  lostSegmentsFwd: ['u32', 1],
  lostSegmentsRev: ['u32', 1],
  keepAlivesFwd: ['u32', 1],
  keepAlivesRev: ['u32', 1],
  /** Octets, scaled where both sides scale; SYNs not counted. */
  maxWindowFwd: ['u32', 1],
  maxWindowRev: ['u32', 1],
  /** Index into the writer's decision list (sent beside the batches), or -1: no packet in that direction. */
  routeFwd: ['i32', 1],
  routeRev: ['i32', 1],
  /** Index into the writer's capture list. */
  captureIndex: ['u32', 1],
  /** Originator's and responder's port; ICMP: type and code as Zeek. `hasPorts` 0: the protocol has none. */
  srcPort: ['u16', 1],
  dstPort: ['u16', 1],
  /** IPv4 identification of the first packet of that direction; means nothing unless it has one and is IPv4. */
  ipIdFwd: ['u16', 1],
  ipIdRev: ['u16', 1],
  /** Option of the SYN; 0: none. */
  mssFwd: ['u16', 1],
  mssRev: ['u16', 1],
  vlanOuter: ['u16', 1],
  vlanInner: ['u16', 1],
  /** 1: first record of this flow (insert); 0: a later one (update in place). */
  isNew: ['u8', 1],
  ipVersion: ['u8', 1],
  proto: ['u8', 1],
  hasPorts: ['u8', 1],
  /** Code of TUNNEL_TYPES; 0: the two tunnel columns mean nothing. */
  tunnelType: ['u8', 1],
  /** 0, 1 or 2 of the two VLAN columns are set. */
  vlanCount: ['u8', 1],
  tcpFlagsFwd: ['u8', 1],
  tcpFlagsRev: ['u8', 1],
  connState: ['u8', 1],
  endReason: ['u8', 1],
  /** Smallest and largest TTL or hop limit, and the DSCP of the first packet; NONE_U8 for a direction without packets. */
  ttlMinFwd: ['u8', 1],
  ttlMaxFwd: ['u8', 1],
  ttlMinRev: ['u8', 1],
  ttlMaxRev: ['u8', 1],
  dscpFwd: ['u8', 1],
  dscpRev: ['u8', 1],
  /** Smallest and largest DSCP; NONE_U8 as above. */
  dscpMinFwd: ['u8', 1],
  dscpMaxFwd: ['u8', 1],
  dscpMinRev: ['u8', 1],
  dscpMaxRev: ['u8', 1],
  /** Option of the SYN, 0 to 14; above: none. */
  windowScaleFwd: ['u8', 1],
  windowScaleRev: ['u8', 1],
  /** 1: neither a SYN nor a SYN+ACK told who the originator is. */
  originatorGuessed: ['u8', 1],
  /** 1 when both MAC columns hold an address (of the originator's first packet, or turned from the responder's). */
  hasMac: ['u8', 1],
  historyLen: ['u8', 1],
  /** Which `side` of the changes is the originator's, when the decision of either side changed; NONE_U8: none did. */
  routeOrigSide: ['u8', 1],
  /** Network order; IPv4 in the first four octets, the rest zero. */
  src: ['u8', 16],
  dst: ['u8', 16],
  srcMac: ['u8', 6],
  dstMac: ['u8', 6],
  /** ASCII letters, `historyLen` of them. */
  history: ['u8', HISTORY_MAX],
} as const satisfies ColumnSpecs;

/** Changes of flows' route decisions that happened while the records of the batch were gathered, in their order. */
const CHANGE_COLUMNS = {
  /** As `flowSeq` of the flow's records, of which the first may come in a later batch. */
  flowSeq: ['f64', 1],
  /** From when the new decision holds, as the times of records. Of one side of a flow they never go back. */
  sec: ['f64', 1],
  nsec: ['u32', 1],
  /** Indexes into the writer's decision list. */
  previous: ['i32', 1],
  decision: ['i32', 1],
  /** 0: of what the endpoint with the smaller address sent, 1: of the other one. */
  side: ['u8', 1],
  /** 1: `previous` is what the side began with; 0: there was a change before (which may have been shed). */
  isFirst: ['u8', 1],
} as const satisfies ColumnSpecs;

type ColumnSpecs = Record<string, readonly ['f64' | 'u32' | 'i32' | 'u16' | 'u8', number]>;
type Columns = typeof COLUMNS;
export type ColumnName = keyof Columns;
type ArrayOf<K> = K extends 'f64'
  ? Float64Array
  : K extends 'u32'
    ? Uint32Array
    : K extends 'i32'
      ? Int32Array
      : K extends 'u16'
        ? Uint16Array
        : Uint8Array;

type ArraysOf<S extends ColumnSpecs> = { readonly [N in keyof S]: ArrayOf<S[N][0]> };

/** The columns of one batch as typed arrays; a column of width w holds record i at [i*w, (i+1)*w). */
export type FlowColumns = ArraysOf<Columns>;

/** The columns of a batch's route changes. */
export type RouteChangeColumns = ArraysOf<typeof CHANGE_COLUMNS>;

const ELEMENT_BYTES = { f64: 8, u32: 4, i32: 4, u16: 2, u8: 1 } as const;

/** Octets of the header: an Int32 each with the number of records, of changes, and of octets of extras; one is unused. */
const HEADER_BYTES = 16;

/**
 * Octets of a batch of `capacity` records and as many changes, a multiple of 8 so that every column stays aligned, and of
 * `extraBytes` for what ExtraArea has.
 */
export function flowBatchBytes(capacity: number, extraBytes = 0): number {
  return HEADER_BYTES + columnBytes(COLUMNS, capacity) + columnBytes(CHANGE_COLUMNS, capacity) + extraBytes;
}

/** A batch over its buffer. The same SharedArrayBuffer opened in two threads shows the same records. */
export class FlowBatch {
  readonly buffer: SharedArrayBuffer;
  readonly capacity: number;
  readonly columns: FlowColumns;
  readonly changes: RouteChangeColumns;
  /** Length 0: none is expected. */
  readonly extras: ExtraArea;
  readonly #header: Int32Array;

  /**
   * @param capacity   records, and changes; a multiple of 8
   * @param buffer     an existing batch's buffer (of `flowBatchBytes(capacity, extraBytes)` octets), or none to allocate one
   * @param extraBytes see ExtraArea; 0, or at least EXTRA_MAX
   */
  constructor(capacity: number, buffer?: SharedArrayBuffer, extraBytes = 0) {
    if (capacity <= 0 || capacity % 8 !== 0)
      throw new RangeError(`flow batch: capacity ${capacity} is not a multiple of 8`);
    const bytes = flowBatchBytes(capacity, extraBytes);
    this.buffer = buffer ?? new SharedArrayBuffer(bytes);
    if (this.buffer.byteLength !== bytes)
      throw new RangeError(`flow batch: ${this.buffer.byteLength} octets where ${bytes} are needed`);
    this.capacity = capacity;
    this.#header = new Int32Array(this.buffer, 0, 3);
    this.columns = columnsAt(COLUMNS, this.buffer, HEADER_BYTES, capacity);
    const changesOff = HEADER_BYTES + columnBytes(COLUMNS, capacity);
    this.changes = columnsAt(CHANGE_COLUMNS, this.buffer, changesOff, capacity);
    this.extras = new ExtraArea(this.buffer, bytes - extraBytes, extraBytes);
  }

  /** Records in the batch. */
  get count(): number {
    return this.#header[0]!;
  }
  set count(n: number) {
    this.#header[0] = n;
  }

  /** Route changes in the batch. */
  get changeCount(): number {
    return this.#header[1]!;
  }
  set changeCount(n: number) {
    this.#header[1] = n;
  }

  /** Octets of extras in the batch. */
  get extraLength(): number {
    return this.#header[2]!;
  }
  set extraLength(n: number) {
    this.#header[2] = n;
  }

  /** True when it has no room for one more record with its extras. */
  get isFull(): boolean {
    if (this.count >= this.capacity) return true;
    const { length } = this.extras.octets;
    return length > 0 && this.extraLength + EXTRA_MAX > length;
  }

  /** Empties it. */
  clear(): void {
    this.#header.fill(0);
  }
}

function columnBytes(specs: ColumnSpecs, capacity: number): number {
  let total = 0;
  for (const [kind, width] of Object.values(specs)) total += ELEMENT_BYTES[kind] * width * capacity;
  return total;
}

/** Lays columns out one after the other from `off`, a multiple of 8: the widest come first, so all are aligned. */
function columnsAt<S extends ColumnSpecs>(
  specs: S,
  buffer: SharedArrayBuffer,
  off: number,
  capacity: number,
): ArraysOf<S> {
  // A copy has every property already: 90 that are added one by one make V8 keep a hash table, which is ten times slower to read.
  const columns: Record<string, unknown> = { ...specs };
  let at = off;
  for (const [name, [kind, width]] of Object.entries(specs)) {
    const length = width * capacity;
    columns[name] =
      kind === 'f64'
        ? new Float64Array(buffer, at, length)
        : kind === 'u32'
          ? new Uint32Array(buffer, at, length)
          : kind === 'i32'
            ? new Int32Array(buffer, at, length)
            : kind === 'u16'
              ? new Uint16Array(buffer, at, length)
              : new Uint8Array(buffer, at, length);
    at += ELEMENT_BYTES[kind] * length;
  }
  return columns as ArraysOf<S>;
}

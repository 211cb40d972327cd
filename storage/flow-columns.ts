import { type FlowBatch, type FlowColumns, HISTORY_MAX, NONE_U8 } from './flow-batch.ts';
import { clampNs, toNs } from './time.ts';

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
  isTcp = false;
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
    this.isTcp = c.proto[i] === TCP;
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
    const ns = toNs(sec, nsec);
    const clamped = clampNs(ns);
    if (clamped !== ns) this.clampedTimes++;
    return clamped;
  }
}

type Column = readonly [name: string, value: (r: FlowRecord) => SqlValue];

/** A number where the protocol is TCP. */
function ofTcp(name: keyof FlowColumns): (r: FlowRecord) => SqlValue {
  return (r) => (r.isTcp ? r.c[name][r.i]! : null);
}

/** A number where the protocol is TCP and it is below `end` and at least `first`. */
function ofTcpIn(
  name: keyof FlowColumns,
  first: number,
  end = Number.POSITIVE_INFINITY,
): (r: FlowRecord) => SqlValue {
  return (r) => {
    const value = r.c[name][r.i]!;
    return r.isTcp && value >= first && value < end ? value : null;
  };
}

/** A number where the direction has packets. */
function unlessNone(name: keyof FlowColumns): (r: FlowRecord) => SqlValue {
  return (r) => {
    const value = r.c[name][r.i]!;
    return value === NONE_U8 ? null : value;
  };
}

/** The identification of the first packet of a direction that has one, of IPv4. */
function ipId(
  name: 'ipIdFwd' | 'ipIdRev',
  packets: 'packetsFwd' | 'packetsRev',
): (r: FlowRecord) => SqlValue {
  return (r) => (r.c.ipVersion[r.i] === 4 && r.c[packets][r.i]! > 0 ? r.c[name][r.i]! : null);
}

function plain(name: keyof FlowColumns): (r: FlowRecord) => SqlValue {
  return (r) => r.c[name][r.i]!;
}

/** What a record is known by; never changes. */
export const ID_COLUMNS: readonly Column[] = [
  ['flow_id', (r) => r.flowId],
  ['host_id', (r) => r.hostId],
  ['capture_id', (r) => r.captureId],
  ['tunnel_type', (r) => r.c.tunnelType[r.i] || null],
  ['tunnel_id', (r) => (r.c.tunnelType[r.i] !== 0 && r.c.tunnelId[r.i]! >= 0 ? r.c.tunnelId[r.i]! : null)],
  ['tunnel_outer_flow_id', (r) => r.outerFlowId],
];

/**
 * Indexed, and seldom changed by a later record of the same flow: when its originator turns out to be the other end, when the other
 * end sends its first packet, or when the route changes.
 */
export const ENDPOINT_COLUMNS: readonly Column[] = [
  ['start_ns', (r) => r.startNs],
  ['src', (r) => r.src],
  ['dst', (r) => r.dst],
  ['src_port', (r) => (r.c.hasPorts[r.i] === 1 ? r.c.srcPort[r.i]! : null)],
  ['dst_port', (r) => (r.c.hasPorts[r.i] === 1 ? r.c.dstPort[r.i]! : null)],
  ['route_fwd', (r) => r.routeFwd],
  ['route_rev', (r) => r.routeRev],
];

/** Everything else of `flows` that a record carries. */
export const VALUE_COLUMNS: readonly Column[] = [
  ['end_ns', (r) => r.endNs],
  ['ip_version', plain('ipVersion')],
  ['proto', plain('proto')],
  ['vlan_outer', (r) => (r.c.vlanCount[r.i]! > 0 ? r.c.vlanOuter[r.i]! : null)],
  ['vlan_inner', (r) => (r.c.vlanCount[r.i]! > 1 ? r.c.vlanInner[r.i]! : null)],
  ['packets_fwd', plain('packetsFwd')],
  ['packets_rev', plain('packetsRev')],
  ['bytes_fwd', plain('bytesFwd')],
  ['bytes_rev', plain('bytesRev')],
  ['ip_bytes_fwd', plain('ipBytesFwd')],
  ['ip_bytes_rev', plain('ipBytesRev')],
  ['payload_bytes_fwd', plain('payloadBytesFwd')],
  ['payload_bytes_rev', plain('payloadBytesRev')],
  ['tcp_flags_fwd', ofTcp('tcpFlagsFwd')],
  ['tcp_flags_rev', ofTcp('tcpFlagsRev')],
  ['conn_state', plain('connState')],
  ['end_reason', plain('endReason')],
  ['history', (r) => r.history],
  ['rtt_ns', (r) => (r.c.rttNs[r.i]! < 0 ? null : r.c.rttNs[r.i]!)],
  ['retransmits_fwd', ofTcp('retransmitsFwd')],
  ['retransmits_rev', ofTcp('retransmitsRev')],
  ['out_of_order_fwd', ofTcp('outOfOrderFwd')],
  ['out_of_order_rev', ofTcp('outOfOrderRev')],
  ['zero_windows_fwd', ofTcp('zeroWindowsFwd')],
  ['zero_windows_rev', ofTcp('zeroWindowsRev')],
  // A hop limit of 255 is ordinary (neighbour discovery), so what tells "no packet" apart is the counter, not NONE_U8.
  ['ttl_min_fwd', (r) => (r.c.packetsFwd[r.i]! > 0 ? r.c.ttlMinFwd[r.i]! : null)],
  ['ttl_min_rev', (r) => (r.c.packetsRev[r.i]! > 0 ? r.c.ttlMinRev[r.i]! : null)],
  ['ttl_max_fwd', (r) => (r.c.packetsFwd[r.i]! > 0 ? r.c.ttlMaxFwd[r.i]! : null)],
  ['ttl_max_rev', (r) => (r.c.packetsRev[r.i]! > 0 ? r.c.ttlMaxRev[r.i]! : null)],
  ['dscp_fwd', unlessNone('dscpFwd')],
  ['dscp_rev', unlessNone('dscpRev')],
  ['dscp_min_fwd', unlessNone('dscpMinFwd')],
  ['dscp_min_rev', unlessNone('dscpMinRev')],
  ['dscp_max_fwd', unlessNone('dscpMaxFwd')],
  ['dscp_max_rev', unlessNone('dscpMaxRev')],
  ['ip_id_fwd', ipId('ipIdFwd', 'packetsFwd')],
  ['ip_id_rev', ipId('ipIdRev', 'packetsRev')],
  ['fast_retransmits_fwd', ofTcp('fastRetransmitsFwd')],
  ['fast_retransmits_rev', ofTcp('fastRetransmitsRev')],
  ['spurious_retransmits_fwd', ofTcp('spuriousRetransmitsFwd')],
  ['spurious_retransmits_rev', ofTcp('spuriousRetransmitsRev')],
  ['dup_acks_fwd', ofTcp('dupAcksFwd')],
  ['dup_acks_rev', ofTcp('dupAcksRev')],
  ['lost_segments_fwd', ofTcp('lostSegmentsFwd')],
  ['lost_segments_rev', ofTcp('lostSegmentsRev')],
  ['keep_alives_fwd', ofTcp('keepAlivesFwd')],
  ['keep_alives_rev', ofTcp('keepAlivesRev')],
  ['seq_bytes_fwd', ofTcpIn('seqBytesFwd', 0)],
  ['seq_bytes_rev', ofTcpIn('seqBytesRev', 0)],
  ['missed_bytes_fwd', ofTcpIn('missedBytesFwd', 0)],
  ['missed_bytes_rev', ofTcpIn('missedBytesRev', 0)],
  ['retransmitted_bytes_fwd', ofTcpIn('retransmittedBytesFwd', 0)],
  ['retransmitted_bytes_rev', ofTcpIn('retransmittedBytesRev', 0)],
  ['mss_fwd', ofTcpIn('mssFwd', 1)],
  ['mss_rev', ofTcpIn('mssRev', 1)],
  ['window_scale_fwd', ofTcpIn('windowScaleFwd', 0, 15)],
  ['window_scale_rev', ofTcpIn('windowScaleRev', 0, 15)],
  ['max_window_fwd', ofTcp('maxWindowFwd')],
  ['max_window_rev', ofTcp('maxWindowRev')],
  ['ack_rtt_ns_fwd', ofTcpIn('ackRttNsFwd', 0)],
  ['ack_rtt_ns_rev', ofTcpIn('ackRttNsRev', 0)],
  ['ts_rtt_ns_fwd', ofTcpIn('tsRttNsFwd', 0)],
  ['ts_rtt_ns_rev', ofTcpIn('tsRttNsRev', 0)],
  ['originator_guessed', ofTcp('originatorGuessed')],
  ['src_mac', (r) => r.srcMac],
  ['dst_mac', (r) => r.dstMac],
  ['route_orig_side', unlessNone('routeOrigSide')],
];

function historyBytes(batch: FlowBatch): Buffer {
  const { history } = batch.columns;
  return Buffer.from(batch.buffer, history.byteOffset, history.byteLength);
}

function copied(from: Uint8Array, off: number, to: Buffer): Buffer {
  for (let k = 0; k < to.length; k++) to[k] = from[off + k]!;
  return to;
}

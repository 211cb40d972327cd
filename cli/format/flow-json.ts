import { formatAddress, formatMac } from '../../decoders/address.ts';
import { communityId } from '../../decoders/community-id.ts';
import type { FlowHints } from '../../storage/flow-extras.ts';
import { protocolName } from '../../storage/protocols.ts';
import type { FlowRow } from '../../storage/query.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { flagLetters } from './tcp-flags.ts';
import { formatSeconds, formatTime } from './time.ts';

/** What a flow inside a tunnel came in. */
interface FlowTunnel {
  type: string;
  id: number | null;
  outer_flow_id: number | null;
}

/** Its keys, in their order. */
export const TUNNEL_KEYS = ['type', 'id', 'outer_flow_id'] as const satisfies (keyof FlowTunnel)[];

/** A decision that packets of a direction had, and the time from which it holds. */
interface FlowRouteChange {
  direction: 'fwd' | 'rev';
  since: string;
  route: RouteDecision;
}

/** Each key of a flow in JSON, in the order of the contract; docs/flow.schema.json says what they mean. */
const FIELDS = {
  flow_id: (row: FlowRow) => row.flowId,
  netns: (row: FlowRow) => row.netns,
  interface: (row: FlowRow) => row.interface,
  vlan: (row: FlowRow) => [row.vlanOuter, row.vlanInner].filter((id) => id !== null),
  ip_version: (row: FlowRow) => row.ipVersion,
  protocol: (row: FlowRow) => protocolName(row.proto),
  proto_number: (row: FlowRow) => row.proto,
  src: (row: FlowRow) => formatAddress(row.src, 0, row.ipVersion),
  src_port: (row: FlowRow) => row.srcPort,
  dst: (row: FlowRow) => formatAddress(row.dst, 0, row.ipVersion),
  dst_port: (row: FlowRow) => row.dstPort,
  start: (row: FlowRow) => formatTime(row.startNs),
  end: (row: FlowRow) => formatTime(row.endNs),
  duration_s: (row: FlowRow) => formatSeconds(row.endNs - row.startNs),
  packets_fwd: (row: FlowRow) => row.packetsFwd,
  packets_rev: (row: FlowRow) => row.packetsRev,
  bytes_fwd: (row: FlowRow) => row.bytesFwd,
  bytes_rev: (row: FlowRow) => row.bytesRev,
  ip_bytes_fwd: (row: FlowRow) => row.ipBytesFwd,
  ip_bytes_rev: (row: FlowRow) => row.ipBytesRev,
  payload_bytes_fwd: (row: FlowRow) => row.payloadBytesFwd,
  payload_bytes_rev: (row: FlowRow) => row.payloadBytesRev,
  tcp_flags_fwd: (row: FlowRow) => flagLetters(row.tcpFlagsFwd),
  tcp_flags_rev: (row: FlowRow) => flagLetters(row.tcpFlagsRev),
  conn_state: (row: FlowRow) => row.connState,
  history: (row: FlowRow) => row.history,
  rtt_us: (row: FlowRow) => microseconds(row.rttNs),
  retransmits_fwd: (row: FlowRow) => row.retransmitsFwd,
  retransmits_rev: (row: FlowRow) => row.retransmitsRev,
  out_of_order_fwd: (row: FlowRow) => row.outOfOrderFwd,
  out_of_order_rev: (row: FlowRow) => row.outOfOrderRev,
  zero_windows_fwd: (row: FlowRow) => row.zeroWindowsFwd,
  zero_windows_rev: (row: FlowRow) => row.zeroWindowsRev,
  fast_retransmits_fwd: (row: FlowRow) => row.fastRetransmitsFwd,
  fast_retransmits_rev: (row: FlowRow) => row.fastRetransmitsRev,
  spurious_retransmits_fwd: (row: FlowRow) => row.spuriousRetransmitsFwd,
  spurious_retransmits_rev: (row: FlowRow) => row.spuriousRetransmitsRev,
  dup_acks_fwd: (row: FlowRow) => row.dupAcksFwd,
  dup_acks_rev: (row: FlowRow) => row.dupAcksRev,
  lost_segments_fwd: (row: FlowRow) => row.lostSegmentsFwd,
  lost_segments_rev: (row: FlowRow) => row.lostSegmentsRev,
  keep_alives_fwd: (row: FlowRow) => row.keepAlivesFwd,
  keep_alives_rev: (row: FlowRow) => row.keepAlivesRev,
  seq_bytes_fwd: (row: FlowRow) => row.seqBytesFwd,
  seq_bytes_rev: (row: FlowRow) => row.seqBytesRev,
  missed_bytes_fwd: (row: FlowRow) => row.missedBytesFwd,
  missed_bytes_rev: (row: FlowRow) => row.missedBytesRev,
  retransmitted_bytes_fwd: (row: FlowRow) => row.retransmittedBytesFwd,
  retransmitted_bytes_rev: (row: FlowRow) => row.retransmittedBytesRev,
  mss_fwd: (row: FlowRow) => row.mssFwd,
  mss_rev: (row: FlowRow) => row.mssRev,
  window_scale_fwd: (row: FlowRow) => row.windowScaleFwd,
  window_scale_rev: (row: FlowRow) => row.windowScaleRev,
  max_window_fwd: (row: FlowRow) => row.maxWindowFwd,
  max_window_rev: (row: FlowRow) => row.maxWindowRev,
  ack_rtt_us_fwd: (row: FlowRow) => microseconds(row.ackRttNsFwd),
  ack_rtt_us_rev: (row: FlowRow) => microseconds(row.ackRttNsRev),
  ts_rtt_us: (row: FlowRow) =>
    row.tsRttNsFwd === null || row.tsRttNsRev === null ? null : microseconds(row.tsRttNsFwd + row.tsRttNsRev),
  ts_rtt_us_fwd: (row: FlowRow) => microseconds(row.tsRttNsFwd),
  ts_rtt_us_rev: (row: FlowRow) => microseconds(row.tsRttNsRev),
  originator_guessed: (row: FlowRow) => (row.originatorGuessed === null ? null : row.originatorGuessed === 1),
  ttl_min_fwd: (row: FlowRow) => row.ttlMinFwd,
  ttl_min_rev: (row: FlowRow) => row.ttlMinRev,
  ttl_max_fwd: (row: FlowRow) => row.ttlMaxFwd,
  ttl_max_rev: (row: FlowRow) => row.ttlMaxRev,
  dscp_fwd: (row: FlowRow) => row.dscpFwd,
  dscp_rev: (row: FlowRow) => row.dscpRev,
  dscp_min_fwd: (row: FlowRow) => row.dscpMinFwd,
  dscp_min_rev: (row: FlowRow) => row.dscpMinRev,
  dscp_max_fwd: (row: FlowRow) => row.dscpMaxFwd,
  dscp_max_rev: (row: FlowRow) => row.dscpMaxRev,
  ip_id_fwd: (row: FlowRow) => row.ipIdFwd,
  ip_id_rev: (row: FlowRow) => row.ipIdRev,
  src_mac: (row: FlowRow) => (row.srcMac === null ? null : formatMac(row.srcMac, 0)),
  dst_mac: (row: FlowRow) => (row.dstMac === null ? null : formatMac(row.dstMac, 0)),
  community_id: flowCommunityId,
  end_reason: (row: FlowRow) => row.endReason,
  experiment: (row: FlowRow) => row.experiment,
  experiments: (row: FlowRow) => row.experiments,
  hints: (row: FlowRow) => (row.hints === null ? null : (JSON.parse(row.hints) as FlowHints)),
  payload_fwd: (row: FlowRow) => row.payloadFwd?.toString('base64') ?? null,
  payload_rev: (row: FlowRow) => row.payloadRev?.toString('base64') ?? null,
  route_fwd: (row: FlowRow) => row.routeFwd,
  route_rev: (row: FlowRow) => row.routeRev,
  route_changes: (row: FlowRow): FlowRouteChange[] | null =>
    row.routeChanges?.map(({ direction, sinceNs, decision }) => ({
      direction,
      since: formatTime(sinceNs),
      route: decision,
    })) ?? null,
  tunnel: (row: FlowRow): FlowTunnel | null =>
    row.tunnelType === null
      ? null
      : { type: row.tunnelType, id: row.tunnelId, outer_flow_id: row.tunnelOuterFlowId },
};

/** How each key of a flow in JSON is made, by key. */
export const FLOW_JSON_FIELDS = FIELDS;

type Fields = typeof FIELDS;

/** A flow in JSON: all keys are there, those that do not apply are null. */
export type FlowJson = { [K in keyof Fields]: ReturnType<Fields[K]> };

const ENTRIES = Object.entries(FIELDS);

/** Every object starts as a copy: properties that are there already can be set by name without becoming a hash table. */
const BLANK: Record<string, unknown> = { ...FIELDS };

/** The keys of a flow in JSON, in their order. */
export const FLOW_KEYS = Object.keys(FIELDS) as (keyof FlowJson)[];

/** The flow as the JSON contract has it. */
export function flowJson(row: FlowRow): FlowJson {
  const json = { ...BLANK };
  for (const [key, value] of ENTRIES) json[key] = value(row);
  return json as FlowJson;
}

/** Community ID version 1 of a flow. */
export function flowCommunityId(row: FlowRow): string {
  return communityId({
    version: row.ipVersion,
    protocol: row.proto,
    src: row.src,
    dst: row.dst,
    srcPort: row.srcPort ?? 0,
    dstPort: row.dstPort ?? 0,
    hasPorts: row.srcPort !== null,
  });
}

function microseconds(ns: number | null): number | null {
  return ns === null ? null : ns / 1000;
}

import type { FlowRow } from '../../storage/query.ts';
import { changeCount, NESTED } from '../format/flow-csv.ts';
import { FLOW_KEYS, type FlowJson, flowJson } from '../format/flow-json.ts';

/** What a column of a typed table holds; each may be null. */
export type ColumnType =
  | 'boolean'
  | 'int32'
  /** The values are bigint. */
  | 'int64'
  | 'double'
  | 'string'
  | 'octets'
  /** Nanoseconds since the epoch, UTC; the values are bigint. */
  | 'time'
  | 'int32 list'
  | 'string list';

/** A column of a flow in a typed table. */
export interface TypedColumn {
  name: string;
  type: ColumnType;
  value(row: FlowRow, json: FlowJson): unknown;
}

/** Each key of a flow that is one column; the compiler finds one that is missing. */
const TYPES: Record<Exclude<keyof FlowJson, 'route_fwd' | 'route_rev' | 'tunnel'>, ColumnType> = {
  flow_id: 'int64',
  netns: 'string',
  interface: 'string',
  vlan: 'int32 list',
  ip_version: 'int32',
  protocol: 'string',
  proto_number: 'int32',
  src: 'string',
  src_port: 'int32',
  dst: 'string',
  dst_port: 'int32',
  start: 'time',
  end: 'time',
  duration_s: 'int64',
  packets_fwd: 'int64',
  packets_rev: 'int64',
  bytes_fwd: 'int64',
  bytes_rev: 'int64',
  ip_bytes_fwd: 'int64',
  ip_bytes_rev: 'int64',
  payload_bytes_fwd: 'int64',
  payload_bytes_rev: 'int64',
  tcp_flags_fwd: 'string',
  tcp_flags_rev: 'string',
  conn_state: 'string',
  history: 'string',
  rtt_us: 'double',
  retransmits_fwd: 'int64',
  retransmits_rev: 'int64',
  out_of_order_fwd: 'int64',
  out_of_order_rev: 'int64',
  zero_windows_fwd: 'int64',
  zero_windows_rev: 'int64',
  fast_retransmits_fwd: 'int64',
  fast_retransmits_rev: 'int64',
  spurious_retransmits_fwd: 'int64',
  spurious_retransmits_rev: 'int64',
  dup_acks_fwd: 'int64',
  dup_acks_rev: 'int64',
  lost_segments_fwd: 'int64',
  lost_segments_rev: 'int64',
  keep_alives_fwd: 'int64',
  keep_alives_rev: 'int64',
  seq_bytes_fwd: 'int64',
  seq_bytes_rev: 'int64',
  missed_bytes_fwd: 'int64',
  missed_bytes_rev: 'int64',
  retransmitted_bytes_fwd: 'int64',
  retransmitted_bytes_rev: 'int64',
  mss_fwd: 'int32',
  mss_rev: 'int32',
  window_scale_fwd: 'int32',
  window_scale_rev: 'int32',
  max_window_fwd: 'int64',
  max_window_rev: 'int64',
  ack_rtt_us_fwd: 'double',
  ack_rtt_us_rev: 'double',
  ts_rtt_us: 'double',
  ts_rtt_us_fwd: 'double',
  ts_rtt_us_rev: 'double',
  originator_guessed: 'boolean',
  ttl_min_fwd: 'int32',
  ttl_min_rev: 'int32',
  ttl_max_fwd: 'int32',
  ttl_max_rev: 'int32',
  dscp_fwd: 'int32',
  dscp_rev: 'int32',
  dscp_min_fwd: 'int32',
  dscp_min_rev: 'int32',
  dscp_max_fwd: 'int32',
  dscp_max_rev: 'int32',
  ip_id_fwd: 'int32',
  ip_id_rev: 'int32',
  src_mac: 'string',
  dst_mac: 'string',
  community_id: 'string',
  end_reason: 'string',
  experiment: 'string',
  experiments: 'string list',
  hints: 'string',
  payload_fwd: 'octets',
  payload_rev: 'octets',
  route_changes: 'int32',
};

/** Numbers among the keys of a decision and a tunnel; what is not here is text. */
const NESTED_TYPES: Readonly<Record<string, ColumnType>> = {
  rule: 'int64',
  metric: 'int64',
  id: 'int64',
  outer_flow_id: 'int64',
};

/** Columns that are no text here though JSON has them as text, or that are something else than in JSON. */
const OWN: Readonly<Partial<Record<keyof FlowJson, Pick<TypedColumn, 'value'> & { name?: string }>>> = {
  start: { value: (row) => row.startNs },
  end: { value: (row) => row.endNs },
  duration_s: { name: 'duration_ns', value: (row) => row.endNs - row.startNs },
  hints: { value: (row) => row.hints },
  payload_fwd: { value: (row) => row.payloadFwd },
  payload_rev: { value: (row) => row.payloadRev },
  route_changes: { value: changeCount },
};

/**
 * The columns of a flow with their types, in the order of JSON: its names, but for the duration, which is whole nanoseconds
 * here; a decision is a column a key (`route_fwd_type`, …).
 */
export const TYPED_COLUMNS: readonly TypedColumn[] = FLOW_KEYS.flatMap((key): TypedColumn[] => {
  const parts = NESTED[key];
  if (parts !== undefined)
    return parts.map((part) => ({
      name: `${key}_${part}`,
      type: NESTED_TYPES[part] ?? 'string',
      value: (_, json) => (json[key] as Record<string, unknown> | null)?.[part] ?? null,
    }));
  const own = OWN[key];
  const type = TYPES[key as keyof typeof TYPES];
  return [{ name: own?.name ?? key, type, value: own?.value ?? ((_, json) => json[key]) }];
});

/** The values of a flow, in the order of TYPED_COLUMNS. */
export function typedValues(row: FlowRow): unknown[] {
  const json = flowJson(row);
  return TYPED_COLUMNS.map((column) => {
    const value = column.value(row, json);
    return column.type === 'int64' && typeof value === 'number' ? BigInt(value) : value;
  });
}

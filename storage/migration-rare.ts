/** Pairs of columns that went into `rare`, and what the first of a pair is when nothing is said there; `_fwd` stands for both. */
const PAIRS: [name: string, usual: string][] = [
  ...[
    'retransmits',
    'out_of_order',
    'zero_windows',
    'fast_retransmits',
    'spurious_retransmits',
    'dup_acks',
    'lost_segments',
    'keep_alives',
  ].map((name): [string, string] => [name, 'CASE proto WHEN 6 THEN 0 END']),
  ['missed_bytes', 'seq_bytes_fwd * 0'],
  ['retransmitted_bytes', 'seq_bytes_fwd * 0'],
  ['ttl_max', 'ttl_min_fwd'],
  ['dscp_min', 'dscp_fwd'],
  ['dscp_max', 'dscp_fwd'],
];

/** As PAIRS, of what there is one of in a flow. */
const SINGLES: [name: string, usual: string][] = [
  ['originator_guessed', 'CASE proto WHEN 6 THEN 0 END'],
  ['vlan_inner', 'NULL'],
];

/** The columns that stay, in their order. */
const KEPT = `
    flow_id INTEGER PRIMARY KEY,
    host_id INTEGER NOT NULL,
    capture_id INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    ip_version INTEGER NOT NULL,
    proto INTEGER NOT NULL,
    src BLOB NOT NULL,
    dst BLOB NOT NULL,
    src_port INTEGER,
    dst_port INTEGER,
    packets_fwd INTEGER NOT NULL,
    packets_rev INTEGER NOT NULL,
    bytes_fwd INTEGER NOT NULL,
    bytes_rev INTEGER NOT NULL,
    ip_bytes_fwd INTEGER NOT NULL,
    ip_bytes_rev INTEGER NOT NULL,
    payload_bytes_fwd INTEGER NOT NULL,
    payload_bytes_rev INTEGER NOT NULL,
    conn_state INTEGER NOT NULL,
    end_reason INTEGER NOT NULL,
    route_fwd INTEGER,
    route_rev INTEGER,
    route_orig_side INTEGER,
    tunnel_type INTEGER,
    tunnel_id INTEGER,
    tunnel_outer_flow_id INTEGER,
    vlan_outer INTEGER,
    tcp_flags_fwd INTEGER,
    tcp_flags_rev INTEGER,
    history TEXT,
    rtt_ns INTEGER,
    ttl_min_fwd INTEGER,
    ttl_min_rev INTEGER,
    dscp_fwd INTEGER,
    dscp_rev INTEGER,
    ip_id_fwd INTEGER,
    ip_id_rev INTEGER,
    src_mac BLOB,
    dst_mac BLOB,
    seq_bytes_fwd INTEGER,
    seq_bytes_rev INTEGER,
    mss_fwd INTEGER,
    mss_rev INTEGER,
    window_scale_fwd INTEGER,
    window_scale_rev INTEGER,
    max_window_fwd INTEGER,
    max_window_rev INTEGER,
    ack_rtt_ns_fwd INTEGER,
    ack_rtt_ns_rev INTEGER,
    ts_rtt_ns_fwd INTEGER,
    ts_rtt_ns_rev INTEGER,
    hints TEXT,
    payload_fwd BLOB,
    payload_rev BLOB`;

const NAMES = [...KEPT.matchAll(/^ +(\w+) /gm)].map(([, name]) => name!).join(', ');

const rev = (sql: string): string => sql.replaceAll('_fwd', '_rev');

const PARTS = [
  ...PAIRS.map(([name, usual]) => {
    const [fwd, back] = [`${name}_fwd`, `${name}_rev`];
    return `iif(${fwd} IS ${usual} AND ${back} IS ${rev(usual)}, '',
      ',"${name}":[' || coalesce(${fwd}, 'null') || ',' || coalesce(${back}, 'null') || ']')`;
  }),
  ...SINGLES.map(
    ([name, usual]) => `iif(${name} IS ${usual}, '', ',"${name}":' || coalesce(${name}, 'null'))`,
  ),
];

/**
 * A table of flows without the 28 columns that hardly a flow has something of its own in: each was an octet of every row. What
 * differs from the usual is in `rare`, see flow-rare.ts. `experiment_id`, which was never written, goes as well.
 */
export const RARE_MIGRATION = `
  DROP VIEW flow_routes;
  CREATE TABLE flows_without_rare (${KEPT},
    rare TEXT
  ) STRICT;
  INSERT INTO flows_without_rare (${NAMES}, rare)
    SELECT ${NAMES}, nullif('{' || ltrim(${PARTS.join(' ||\n      ')}, ',') || '}', '{}')
    FROM flows ORDER BY flow_id;
  DROP TABLE flows;
  ALTER TABLE flows_without_rare RENAME TO flows;
  CREATE INDEX flows_start ON flows (start_ns);
  CREATE INDEX flows_end ON flows (end_ns);
  CREATE INDEX flows_src ON flows (flow_id >> 17, src, start_ns);
  CREATE INDEX flows_dst ON flows (flow_id >> 17, dst, start_ns);
  CREATE INDEX flows_src_port ON flows (flow_id >> 17, src_port, start_ns);
  CREATE INDEX flows_dst_port ON flows (flow_id >> 17, dst_port, start_ns);
  CREATE INDEX flows_capture ON flows (capture_id, start_ns);
  CREATE INDEX flows_route_fwd ON flows (route_fwd, start_ns) WHERE route_fwd IS NOT NULL;
  CREATE INDEX flows_route_rev ON flows (route_rev, start_ns) WHERE route_rev IS NOT NULL;
  CREATE INDEX flows_long ON flows (end_ns, start_ns) WHERE end_ns - start_ns > 300000000000;
  CREATE INDEX flows_tunnel ON flows (tunnel_type, tunnel_id) WHERE tunnel_type IS NOT NULL;
  CREATE INDEX flows_tunnel_outer ON flows (tunnel_outer_flow_id) WHERE tunnel_outer_flow_id IS NOT NULL;
  CREATE INDEX flows_route_changed ON flows (route_orig_side) WHERE route_orig_side IS NOT NULL;
  CREATE VIEW flow_routes AS
    SELECT c.flow_id, CASE WHEN c.side = f.route_orig_side THEN 'fwd' ELSE 'rev' END AS direction,
           coalesce(c.since_ns, f.start_ns) AS since_ns, c.decision_id
    FROM route_changes c JOIN flows f ON f.flow_id = c.flow_id;
  INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('flows', 'flows_src', '1000000 131072 10 1'),
    ('flows', 'flows_dst', '1000000 131072 10 1'),
    ('flows', 'flows_src_port', '1000000 131072 10 1'),
    ('flows', 'flows_dst_port', '1000000 131072 10 1');
`;

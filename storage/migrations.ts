import { RARE_MIGRATION } from './migration-rare.ts';

/** Marks a SQLite file as nstap's: "nstp" in ASCII. PRAGMA application_id, https://sqlite.org/fileformat2.html §1.3.18. */
export const APPLICATION_ID = 0x6e737470;

/**
 * How the schema came to be, oldest first: entry n takes a database from PRAGMA user_version n to n + 1. An entry that was
 * ever released is never edited; a change of the schema is a new entry at the end.
 *
 * Times (`…_ns`) are one 64-bit INTEGER of nanoseconds since the epoch, clamped at both ends of int64. Addresses are BLOBs
 * of 4 or 16 octets in network order, hardware addresses of 6. Codes are those of flow-batch.ts, named by the small
 * tables `conn_states`, `end_reasons`, `tunnel_types` and `protocols`. NULL is "does not apply".
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO meta (name, value) VALUES ('next_flow_id', 1);

  CREATE TABLE hosts (
    host_id INTEGER PRIMARY KEY,
    machine_id TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (machine_id, name)
  ) STRICT;

  CREATE TABLE runs (
    run_id INTEGER PRIMARY KEY,
    host_id INTEGER NOT NULL REFERENCES hosts,
    kind TEXT NOT NULL CHECK (kind IN ('daemon', 'replay')),
    version TEXT NOT NULL,
    command_line TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_ns INTEGER NOT NULL,
    ended_ns INTEGER,
    flows INTEGER NOT NULL DEFAULT 0,
    records INTEGER NOT NULL DEFAULT 0,
    clamped_times INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE captures (
    capture_id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs,
    netns TEXT,
    netns_id TEXT,
    interface TEXT,
    if_index INTEGER,
    link_type INTEGER NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('ring', 'libpcap', 'file')),
    file TEXT,
    filter TEXT,
    ended INTEGER NOT NULL DEFAULT 0,
    packets INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    decoded_ipv4 INTEGER NOT NULL DEFAULT 0,
    decoded_ipv6 INTEGER NOT NULL DEFAULT 0,
    decoded_arp INTEGER NOT NULL DEFAULT 0,
    decoded_other INTEGER NOT NULL DEFAULT 0,
    undecoded INTEGER NOT NULL DEFAULT 0,
    tcp INTEGER NOT NULL DEFAULT 0,
    udp INTEGER NOT NULL DEFAULT 0,
    icmp INTEGER NOT NULL DEFAULT 0,
    sctp INTEGER NOT NULL DEFAULT 0,
    other_l4 INTEGER NOT NULL DEFAULT 0,
    truncated INTEGER NOT NULL DEFAULT 0,
    fragments INTEGER NOT NULL DEFAULT 0,
    kernel_drops INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0,
    shed_records INTEGER NOT NULL DEFAULT 0,
    evicted_flows INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX captures_netns ON captures (netns);
  CREATE INDEX captures_interface ON captures (interface);

  CREATE TABLE route_decisions (
    decision_id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    type TEXT NOT NULL,
    verdict TEXT,
    rule INTEGER,
    table_name TEXT,
    prefix TEXT,
    gateway TEXT,
    dev TEXT,
    scope TEXT,
    protocol TEXT,
    metric INTEGER,
    prefsrc TEXT,
    stage TEXT,
    observed TEXT NOT NULL,
    confidence TEXT NOT NULL,
    reason TEXT,
    text TEXT
  ) STRICT;

  CREATE TABLE experiments (
    experiment_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    started_ns INTEGER NOT NULL,
    ended_ns INTEGER
  ) STRICT;
  CREATE INDEX experiments_name ON experiments (name);

  CREATE TABLE protocols (proto INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
  CREATE TABLE conn_states (code INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
  CREATE TABLE end_reasons (code INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;

  CREATE TABLE flows (
    flow_id INTEGER PRIMARY KEY,
    host_id INTEGER NOT NULL,
    capture_id INTEGER NOT NULL,
    experiment_id INTEGER,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    ip_version INTEGER NOT NULL,
    proto INTEGER NOT NULL,
    src BLOB NOT NULL,
    dst BLOB NOT NULL,
    src_port INTEGER,
    dst_port INTEGER,
    vlan_outer INTEGER,
    vlan_inner INTEGER,
    packets_fwd INTEGER NOT NULL,
    packets_rev INTEGER NOT NULL,
    bytes_fwd INTEGER NOT NULL,
    bytes_rev INTEGER NOT NULL,
    ip_bytes_fwd INTEGER NOT NULL,
    ip_bytes_rev INTEGER NOT NULL,
    payload_bytes_fwd INTEGER NOT NULL,
    payload_bytes_rev INTEGER NOT NULL,
    tcp_flags_fwd INTEGER,
    tcp_flags_rev INTEGER,
    conn_state INTEGER NOT NULL,
    end_reason INTEGER NOT NULL,
    history TEXT,
    rtt_ns INTEGER,
    retransmits_fwd INTEGER,
    retransmits_rev INTEGER,
    out_of_order_fwd INTEGER,
    out_of_order_rev INTEGER,
    zero_windows_fwd INTEGER,
    zero_windows_rev INTEGER,
    ttl_min_fwd INTEGER,
    ttl_min_rev INTEGER,
    ttl_max_fwd INTEGER,
    ttl_max_rev INTEGER,
    dscp_fwd INTEGER,
    dscp_rev INTEGER,
    src_mac BLOB,
    dst_mac BLOB,
    route_fwd INTEGER,
    route_rev INTEGER
  ) STRICT;
  CREATE INDEX flows_start ON flows (start_ns);
  CREATE INDEX flows_end ON flows (end_ns);
  CREATE INDEX flows_src ON flows (src);
  CREATE INDEX flows_dst ON flows (dst);
  CREATE INDEX flows_src_port ON flows (src_port);
  CREATE INDEX flows_dst_port ON flows (dst_port);
  CREATE INDEX flows_capture ON flows (capture_id);
  `,
  // Flows inside tunnels. The index has entries for them only: it costs nothing where tunnels are not followed.
  `
  CREATE TABLE tunnel_types (code INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
  ALTER TABLE flows ADD COLUMN tunnel_type INTEGER;
  ALTER TABLE flows ADD COLUMN tunnel_id INTEGER;
  ALTER TABLE flows ADD COLUMN tunnel_outer_flow_id INTEGER;
  CREATE INDEX flows_tunnel ON flows (tunnel_type, tunnel_id) WHERE tunnel_type IS NOT NULL;
  CREATE INDEX flows_tunnel_outer ON flows (tunnel_outer_flow_id) WHERE tunnel_outer_flow_id IS NOT NULL;
  ALTER TABLE captures ADD COLUMN tunnelled INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE captures ADD COLUMN tunnel_undecoded INTEGER NOT NULL DEFAULT 0;
  `,
  // Route decisions over time. A change is kept by the side it is on (0: the endpoint with the smaller address), because who
  // is the originator may be corrected later; `route_orig_side` of the flow says which side is the originator's, and is
  // NULL for a flow whose decisions never changed. Of one side, `seq` 0 is the decision it began with (since_ns is NULL:
  // from the start of the flow), 1 the next one, and so on. `flow_routes` is the same for people.
  // In `route_updates`, data NULL says that updates were lost: what follows means nothing until the next full one.
  `
  ALTER TABLE flows ADD COLUMN route_orig_side INTEGER;
  CREATE INDEX flows_route_changed ON flows (route_orig_side) WHERE route_orig_side IS NOT NULL;
  ALTER TABLE captures ADD COLUMN shed_route_changes INTEGER NOT NULL DEFAULT 0;

  CREATE TABLE route_changes (
    flow_id INTEGER NOT NULL,
    side INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    since_ns INTEGER,
    decision_id INTEGER NOT NULL,
    PRIMARY KEY (flow_id, side, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE VIEW flow_routes AS
    SELECT c.flow_id, CASE WHEN c.side = f.route_orig_side THEN 'fwd' ELSE 'rev' END AS direction,
           coalesce(c.since_ns, f.start_ns) AS since_ns, c.decision_id
    FROM route_changes c JOIN flows f ON f.flow_id = c.flow_id;

  CREATE TABLE route_updates (
    update_id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs,
    netns TEXT NOT NULL,
    netns_id TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    is_full INTEGER NOT NULL,
    data BLOB
  ) STRICT;
  CREATE INDEX route_updates_at ON route_updates (netns, is_full, at_ns);

  CREATE TABLE route_audits (
    run_id INTEGER NOT NULL REFERENCES runs,
    netns TEXT NOT NULL,
    netns_id TEXT NOT NULL,
    asked INTEGER NOT NULL,
    agreed INTEGER NOT NULL,
    disagreed INTEGER NOT NULL,
    unasked INTEGER NOT NULL,
    PRIMARY KEY (run_id, netns_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE route_mirrors (
    run_id INTEGER NOT NULL REFERENCES runs,
    netns TEXT NOT NULL,
    netns_id TEXT NOT NULL,
    resyncs INTEGER NOT NULL,
    reloads INTEGER NOT NULL,
    applied INTEGER NOT NULL,
    interrupted INTEGER NOT NULL,
    shed_updates INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, netns_id)
  ) STRICT, WITHOUT ROWID;
  `,
  // What flows carry: hints of the application as JSON, and the first octets of payload; NULL where they were not asked for. Flows
  // over time: `at_ns` is the begin of an interval of 10 s; the rows of a flow add up to its totals.
  `
  ALTER TABLE flows ADD COLUMN hints TEXT;
  ALTER TABLE flows ADD COLUMN payload_fwd BLOB;
  ALTER TABLE flows ADD COLUMN payload_rev BLOB;
  ALTER TABLE captures ADD COLUMN shed_hints INTEGER NOT NULL DEFAULT 0;

  CREATE TABLE flow_series (
    flow_id INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    packets_fwd INTEGER NOT NULL,
    packets_rev INTEGER NOT NULL,
    bytes_fwd INTEGER NOT NULL,
    bytes_rev INTEGER NOT NULL,
    PRIMARY KEY (flow_id, at_ns)
  ) STRICT, WITHOUT ROWID;
  `,
  // More of TCP, and the range of DSCPs; docs/flow-fields.md says what each means. NULL in flows written before.
  `
  ALTER TABLE flows ADD COLUMN dscp_min_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN dscp_min_rev INTEGER;
  ALTER TABLE flows ADD COLUMN dscp_max_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN dscp_max_rev INTEGER;
  ALTER TABLE flows ADD COLUMN fast_retransmits_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN fast_retransmits_rev INTEGER;
  ALTER TABLE flows ADD COLUMN spurious_retransmits_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN spurious_retransmits_rev INTEGER;
  ALTER TABLE flows ADD COLUMN dup_acks_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN dup_acks_rev INTEGER;
  ALTER TABLE flows ADD COLUMN lost_segments_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN lost_segments_rev INTEGER;
  ALTER TABLE flows ADD COLUMN keep_alives_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN keep_alives_rev INTEGER;
  ALTER TABLE flows ADD COLUMN seq_bytes_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN seq_bytes_rev INTEGER;
  ALTER TABLE flows ADD COLUMN missed_bytes_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN missed_bytes_rev INTEGER;
  ALTER TABLE flows ADD COLUMN retransmitted_bytes_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN retransmitted_bytes_rev INTEGER;
  ALTER TABLE flows ADD COLUMN mss_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN mss_rev INTEGER;
  ALTER TABLE flows ADD COLUMN window_scale_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN window_scale_rev INTEGER;
  ALTER TABLE flows ADD COLUMN max_window_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN max_window_rev INTEGER;
  ALTER TABLE flows ADD COLUMN ack_rtt_ns_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN ack_rtt_ns_rev INTEGER;
  ALTER TABLE flows ADD COLUMN originator_guessed INTEGER;
  `,
  // Flows in trouble beyond the room for them; IPv4 ids, and round trips by TCP timestamps. NULL in flows written before.
  `
  ALTER TABLE captures ADD COLUMN untracked_flows INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE flows ADD COLUMN ip_id_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN ip_id_rev INTEGER;
  ALTER TABLE flows ADD COLUMN ts_rtt_ns_fwd INTEGER;
  ALTER TABLE flows ADD COLUMN ts_rtt_ns_rev INTEGER;
  `,
  // What a capture costs, and how far storage is behind: of a run that has ended, as it was at the end.
  `
  ALTER TABLE captures ADD COLUMN received INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE captures ADD COLUMN alive_flows INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE captures ADD COLUMN cpu_ns INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE runs ADD COLUMN queued INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE runs ADD COLUMN queue_size INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE runs ADD COLUMN capture_cpu_ns INTEGER NOT NULL DEFAULT 0;
  `,
  // Partitions: files beside this one that hold flows, flow_series and route_changes, see partitions.ts. `flows` is how many
  // were inserted. What retention has dropped so far is in `meta`: dropped_partitions, dropped_flows, dropped_octets.
  `
  CREATE TABLE partitions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    created_ns INTEGER NOT NULL,
    closed_ns INTEGER,
    flows INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX captures_run ON captures (run_id);
  `,
  // Experiments are spans of time: which flows belong to one is found out by their times, when it is asked for. `netns` limits
  // one to namespaces, by name or GLOB pattern. `flows.experiment_id` was never written, and stays NULL.
  `
  ALTER TABLE experiments ADD COLUMN netns TEXT;
  `,
  // When a capture began, and the times of its first and last packet as far as they are counted. An engine that died leaves a
  // gap: from the last packet that is counted to the first one of the capture that took its place.
  `
  ALTER TABLE captures ADD COLUMN opened_ns INTEGER;
  ALTER TABLE captures ADD COLUMN first_ns INTEGER;
  ALTER TABLE captures ADD COLUMN last_ns INTEGER;
  ALTER TABLE captures ADD COLUMN gap_from_ns INTEGER;
  ALTER TABLE captures ADD COLUMN gap_reason TEXT;
  CREATE INDEX captures_interface_of ON captures (netns_id, if_index) WHERE netns_id IS NOT NULL;
  CREATE VIEW capture_gaps AS
    SELECT run_id, capture_id, netns, netns_id, interface, gap_from_ns AS from_ns,
           coalesce(first_ns, opened_ns) AS to_ns, gap_reason AS reason
    FROM captures WHERE gap_reason IS NOT NULL;
  `,
  // Indexes that give the flows of one value in the order of their start, so that the newest of many are found without reading
  // all; of route decisions as well. `flows_long` has flows of more than five minutes: so those that were alive in a span of
  // time are found between two bounds of their start, see flow-cover.ts, which says the same words.
  `
  DROP INDEX flows_src;
  DROP INDEX flows_dst;
  DROP INDEX flows_src_port;
  DROP INDEX flows_dst_port;
  DROP INDEX flows_capture;
  CREATE INDEX flows_src ON flows (src, start_ns);
  CREATE INDEX flows_dst ON flows (dst, start_ns);
  CREATE INDEX flows_src_port ON flows (src_port, start_ns);
  CREATE INDEX flows_dst_port ON flows (dst_port, start_ns);
  CREATE INDEX flows_capture ON flows (capture_id, start_ns);
  CREATE INDEX flows_route_fwd ON flows (route_fwd, start_ns) WHERE route_fwd IS NOT NULL;
  CREATE INDEX flows_route_rev ON flows (route_rev, start_ns) WHERE route_rev IS NOT NULL;
  CREATE INDEX flows_long ON flows (end_ns, start_ns) WHERE end_ns - start_ns > 300000000000;
  CREATE INDEX route_decisions_type ON route_decisions (type);
  CREATE INDEX route_decisions_verdict ON route_decisions (verdict);
  CREATE INDEX route_decisions_rule ON route_decisions (rule);
  CREATE INDEX route_decisions_table ON route_decisions (table_name);
  CREATE INDEX route_decisions_prefix ON route_decisions (prefix);
  CREATE INDEX route_decisions_gateway ON route_decisions (gateway);
  CREATE INDEX route_decisions_dev ON route_decisions (dev);
  CREATE INDEX route_decisions_stage ON route_decisions (stage);
  CREATE INDEX route_decisions_observed ON route_decisions (observed);
  CREATE INDEX route_decisions_confidence ON route_decisions (confidence);
  `,
  // Addresses and ports come in any order: of an index over all flows every one that is inserted reads and writes a page of its
  // own. Led by the piece, flow-pieces.ts, which says the same words, these four are inserted into at their end. Figures about them, made
  // up, have SQLite look into each piece when a statement that does not know of pieces asks for a value (nstap sql).
  `
  DROP INDEX flows_src;
  DROP INDEX flows_dst;
  DROP INDEX flows_src_port;
  DROP INDEX flows_dst_port;
  CREATE INDEX flows_src ON flows (flow_id >> 17, src, start_ns);
  CREATE INDEX flows_dst ON flows (flow_id >> 17, dst, start_ns);
  CREATE INDEX flows_src_port ON flows (flow_id >> 17, src_port, start_ns);
  CREATE INDEX flows_dst_port ON flows (flow_id >> 17, dst_port, start_ns);
  ANALYZE sqlite_schema;
  INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('flows', 'flows_src', '1000000 131072 10 1'),
    ('flows', 'flows_dst', '1000000 131072 10 1'),
    ('flows', 'flows_src_port', '1000000 131072 10 1'),
    ('flows', 'flows_dst_port', '1000000 131072 10 1');
  `,
  // Columns that hardly a flow has something of its own in.
  RARE_MIGRATION,
];

import { flowSql } from '../../storage/flow-rare.ts';
import type { ViewColumn } from './views.ts';
import { keyOf, secondsText, timeText } from './view-sql.ts';

const OF = { fwd: 'the originator', rev: 'the responder' } as const;

/** Two columns of `flows`, one a direction. @param help with `%` for whose it is */
function pair(name: string, help: string, sql: (column: string) => string = flowSql): ViewColumn[] {
  return (['fwd', 'rev'] as const).map((way) => ({
    name: `${name}_${way}`,
    sql: sql(`${name}_${way}`),
    help: help.replace('%', OF[way]),
  }));
}

/** Nanoseconds of a column in microseconds, with a fraction. */
function microseconds(column: string): string {
  return `f.${column.replace('_us', '_ns')} / 1000.0`;
}

function tcp(name: string, help: string): ViewColumn[] {
  return pair(name, `${help}; NULL unless TCP.`);
}

/**
 * What tells a flow, and whatever else costs something to make; `c` is the capture. Of a view that is not taken apart (for GROUP BY)
 * SQLite makes all columns behind the 63rd, asked for or not: with the decisions these must not be more.
 */
export const FLOW_COLUMNS: readonly ViewColumn[] = [
  keyOf({ name: 'flow_id', sql: 'f.flow_id', help: 'Number of the flow in its database.' }),
  {
    name: 'host',
    sql: '(SELECT name FROM main.hosts WHERE host_id = f.host_id)',
    help: 'Host that nstap ran on.',
  },
  keyOf({ name: 'capture_id', sql: 'f.capture_id', help: 'The capture, see `captures`.' }),
  keyOf({
    name: 'netns',
    sql: 'c.netns',
    help: 'Network namespace; NULL for a file replayed without --netns.',
  }),
  keyOf({ name: 'interface', sql: 'c.interface', help: 'Interface; NULL when a file does not name it.' }),
  { name: 'vlan_outer', sql: 'f.vlan_outer', help: 'Outer VLAN id.' },
  { name: 'vlan_inner', sql: flowSql('vlan_inner'), help: 'Inner VLAN id.' },
  { name: 'ip_version', sql: 'f.ip_version', help: '4 or 6.' },
  {
    name: 'protocol',
    sql: 'coalesce((SELECT name FROM main.protocols WHERE proto = f.proto), CAST(f.proto AS TEXT))',
    help: 'Name of the protocol in lower case, or its number.',
  },
  { name: 'proto_number', sql: 'f.proto', help: 'IANA protocol number.' },
  { name: 'src', sql: 'ip_text(f.src)', help: 'Address of the originator as text.' },
  keyOf({
    name: 'src_ip',
    sql: 'f.src',
    help: "The same as octets, for filters: `src_ip = ip('10.0.0.1')`.",
  }),
  keyOf({ name: 'src_port', sql: 'f.src_port', help: 'Port of the originator; of ICMP the type.' }),
  { name: 'dst', sql: 'ip_text(f.dst)', help: 'Address of the responder as text.' },
  keyOf({ name: 'dst_ip', sql: 'f.dst', help: 'The same as octets, for filters.' }),
  keyOf({
    name: 'dst_port',
    sql: 'f.dst_port',
    help: 'Port of the responder; of ICMP type or code as Zeek has it.',
  }),
  {
    name: 'start',
    sql: timeText('f.start_ns'),
    help: 'Time of the first packet: RFC 3339, UTC, nanoseconds.',
  },
  keyOf({
    name: 'start_ns',
    sql: 'f.start_ns',
    help: "The same in nanoseconds since 1970: `start_ns >= ns('2026-11-25T10:00:00Z')`.",
  }),
  { name: 'end', sql: timeText('f.end_ns'), help: 'Time of the last packet.' },
  keyOf({ name: 'end_ns', sql: 'f.end_ns', help: 'The same in nanoseconds since 1970.' }),
  {
    name: 'duration_s',
    sql: secondsText('f.end_ns - f.start_ns'),
    help: 'end - start in seconds with 9 decimals, as text; `end_ns - start_ns` is a number.',
  },
  ...pair(
    'tcp_flags',
    'TCP flags of %, in the order CEUAPRSF; NULL unless TCP.',
    (column) => `tcp_flags_text(f.${column})`,
  ),
  {
    name: 'conn_state',
    sql: '(SELECT name FROM main.conn_states WHERE code = f.conn_state)',
    help: "Zeek's conn_state.",
  },
  {
    name: 'end_reason',
    sql: '(SELECT name FROM main.end_reasons WHERE code = f.end_reason)',
    help: 'Why the record ended; active: the flow still lived when it was last written.',
  },
  {
    name: 'tunnel_type',
    sql: '(SELECT name FROM main.tunnel_types WHERE code = f.tunnel_type)',
    help: 'What the flow came in: vxlan, gre, …; NULL for a flow of the outermost IP header.',
  },
  { name: 'src_mac', sql: 'mac_text(f.src_mac)', help: "Hardware address on the originator's side." },
  { name: 'dst_mac', sql: 'mac_text(f.dst_mac)', help: "Hardware address on the responder's side." },
];

/** The other columns: each is no more than a column of the table, or a little arithmetic. */
export const PLAIN_FLOW_COLUMNS: readonly ViewColumn[] = [
  ...pair('packets', 'Packets from %.'),
  ...pair('bytes', 'Octets of frames on the wire from %.'),
  ...pair('ip_bytes', 'Octets of IP packets from %.'),
  ...pair('payload_bytes', 'Octets behind the transport header from %.'),
  { name: 'history', sql: 'f.history', help: "Zeek's history." },
  { name: 'rtt_us', sql: 'f.rtt_ns / 1000.0', help: 'Microseconds from the SYN to the ACK of the SYN-ACK.' },
  ...tcp('retransmits', 'Retransmitted segments from %'),
  ...tcp('out_of_order', 'Segments out of order from %'),
  ...tcp('zero_windows', 'Segments from % that announced a window of zero'),
  ...tcp('fast_retransmits', 'Retransmissions from % that answered duplicate ACKs at once'),
  ...tcp('spurious_retransmits', 'Retransmissions from % of data that was acknowledged already'),
  ...tcp('dup_acks', 'Acknowledgments from % that repeated the one before'),
  ...tcp('lost_segments', 'Segments from % before which something was missing'),
  ...tcp('keep_alives', 'Keep-alives from %'),
  ...tcp('seq_bytes', 'Octets in the sequence space of %, seen or missed'),
  ...tcp('missed_bytes', 'Octets of % that were not seen'),
  ...tcp('retransmitted_bytes', 'Octets of % that were sent again'),
  ...pair('mss', 'MSS that % announced.'),
  ...pair('window_scale', 'Window scale that % announced.'),
  ...tcp('max_window', 'Largest window of % in octets'),
  ...pair('ack_rtt_us', 'Microseconds of the shortest time from data of % to its ACK.', microseconds),
  ...pair(
    'ts_rtt_us',
    'Microseconds of the shortest time from a TCP timestamp of % to its echo.',
    microseconds,
  ),
  {
    name: 'originator_guessed',
    sql: flowSql('originator_guessed'),
    help: '1 when no SYN told who the originator is; NULL unless TCP.',
  },
  ...pair('ttl_min', 'Smallest TTL or hop limit from %.'),
  ...pair('ttl_max', 'Largest TTL or hop limit from %.'),
  ...pair('dscp', 'DSCP of the first packet of %.'),
  ...pair('dscp_min', 'Smallest DSCP from %.'),
  ...pair('dscp_max', 'Largest DSCP from %.'),
  ...pair('ip_id', 'IPv4 identification of the first packet from %.'),
  { name: 'hints', sql: 'f.hints', help: 'What the application said of itself, as JSON, with --hints.' },
  ...pair('payload', 'First octets that % sent, with --payload.'),
  { name: 'tunnel_id', sql: 'f.tunnel_id', help: 'VNI, key, session or TEID of that tunnel.' },
  keyOf({ name: 'tunnel_outer_flow_id', sql: 'f.tunnel_outer_flow_id', help: 'The flow that carried it.' }),
  keyOf({
    name: 'route_fwd_id',
    sql: 'f.route_fwd',
    help: 'The route decision for packets from the originator, see `routes`.',
  }),
  keyOf({
    name: 'route_rev_id',
    sql: 'f.route_rev',
    help: 'The route decision for packets from the responder.',
  }),
];

import { DECISION_KEYS, type RouteDecision } from '../../storage/route-decision.ts';
import { FLOW_COLUMNS, PLAIN_FLOW_COLUMNS } from './flow-view.ts';
import { keyOf, timeText } from './view-sql.ts';

/** A column of a view. */
export interface ViewColumn {
  name: string;
  /** Over the aliases of the view's `from`. */
  sql: string;
  /** One sentence, for `--schema` and docs/sql.md. */
  help: string;
  /** A filter on it is answered from an index. */
  isKey?: boolean;
}

/** What people read with `nstap sql`. */
export interface View {
  name: string;
  help: string;
  columns: readonly ViewColumn[];
  /** FROM and what follows; of a view of flows, `{file}` is the file. */
  from: string;
  /** Flows are in several files: the view is made of one part for each. */
  isOfFlows?: boolean;
}

const DECISION_HELP: Readonly<Record<keyof RouteDecision, string>> = {
  type: 'Type of the route: unicast, local, blackhole, unreachable, prohibit, …, no_route, martian, not_routed, unknown.',
  verdict: 'What happens to the packet: deliver, forward, send, drop.',
  rule: 'Preference of the rule that matched.',
  table: 'Routing table as `ip` prints it: main, local, default, or a number.',
  prefix: 'Prefix of the route, always with its length.',
  gateway: 'Address of the next hop.',
  dev: 'Interface that the route leads out of.',
  scope: 'Scope of the route.',
  protocol: 'Who made the route: kernel, static, dhcp, …',
  metric: 'Metric of the route.',
  prefsrc: 'Source address that the route prefers.',
  stage: 'Where in the path of the kernel: output, forward, input.',
  observed: 'Whether the interface that the packet was seen on agrees: agrees, differs, n/a.',
  confidence: 'exact, or assumed where the kernel may have known more.',
  reason: 'Why it is dropped, assumed or unknown, in one sentence.',
  text: 'The route in one line, as `ip route` prints it.',
};

/** Those that an index finds. */
const INDEXED = [
  'type',
  'verdict',
  'rule',
  'table',
  'prefix',
  'gateway',
  'dev',
  'stage',
  'observed',
  'confidence',
];

/** Columns of a decision. @param alias of `route_decisions` @param prefix of their names */
function decisionColumns(alias: string, prefix: string): ViewColumn[] {
  return DECISION_KEYS.map((key) => ({
    name: key === 'table' && prefix === '' ? 'table_name' : `${prefix}${key}`,
    sql: `${alias}.${key === 'table' ? 'table_name' : key}`,
    help: DECISION_HELP[key],
    ...(INDEXED.includes(key) && { isKey: true }),
  }));
}

const FLOWS: View = {
  name: 'flows',
  help: 'One row a flow. What does not apply is NULL. `_fwd`: from the originator; `_rev`: from the responder.',
  columns: [
    ...FLOW_COLUMNS,
    ...decisionColumns('rf', 'route_fwd_'),
    ...decisionColumns('rr', 'route_rev_'),
    ...PLAIN_FLOW_COLUMNS,
  ],
  from: `{file}.flows f
    LEFT JOIN main.captures c ON c.capture_id = f.capture_id
    LEFT JOIN main.route_decisions rf ON rf.decision_id = f.route_fwd
    LEFT JOIN main.route_decisions rr ON rr.decision_id = f.route_rev`,
  isOfFlows: true,
};

/** Counters of a capture that are losses, and the place where each was lost. */
const LOSSES: readonly (readonly [column: string, place: string, what: string])[] = [
  ['kernel_drops', 'kernel ring', 'packets'],
  ['undecoded', 'decode', 'packets'],
  ['tunnel_undecoded', 'decode', 'inner packets'],
  ['evicted_flows', 'flow table', 'flows ended early'],
  ['untracked_flows', 'flow table', 'flows with TCP counts too low'],
  ['shed_hints', 'flow table', 'hints'],
  ['shed_records', 'queue', 'flow records'],
  ['shed_route_changes', 'queue', 'route changes'],
];

const LOSS_ROWS = LOSSES.map(
  ([column, place, what]) =>
    `SELECT capture_id, run_id, netns, interface, '${place}' AS place, '${what}' AS what, ${column} AS count
     FROM main.captures WHERE ${column} > 0`,
).join(' UNION ALL ');

function plain(alias: string, columns: Readonly<Record<string, string>>): ViewColumn[] {
  return Object.entries(columns).map(([name, help]) => ({ name, sql: `${alias}.${name}`, help }));
}

/** A time as text and in nanoseconds. @param sql in nanoseconds */
function time(name: string, sql: string, help: string): ViewColumn[] {
  return [
    { name, sql: timeText(sql), help: `${help}: RFC 3339, UTC, nanoseconds.` },
    { name: `${name}_ns`, sql, help: 'The same in nanoseconds since 1970.' },
  ];
}

const WHERE_SEEN = {
  netns: 'Network namespace; NULL for a file replayed without --netns.',
  interface: 'Interface; NULL when a file does not name it.',
} as const;

/** Every view, the most important first. */
export const VIEWS: readonly View[] = [
  FLOWS,
  {
    name: 'routes',
    help: 'One row for each distinct route decision; `route_fwd_id` and `route_rev_id` of flows point at them.',
    columns: [
      keyOf({ name: 'decision_id', sql: 'd.decision_id', help: 'Number of the decision.' }),
      ...decisionColumns('d', ''),
    ],
    from: 'main.route_decisions d',
  },
  {
    name: 'flow_routes',
    help: 'The decisions of flows whose route changed while they lived: one row for each decision of a direction, the first included.',
    columns: [
      keyOf({ name: 'flow_id', sql: 'r.flow_id', help: 'The flow.' }),
      { name: 'direction', sql: 'r.direction', help: 'fwd or rev.' },
      ...time('since', 'r.since_ns', 'From when it holds'),
      { name: 'decision_id', sql: 'r.decision_id', help: 'The decision, see `routes`.' },
    ],
    from: '{file}.flow_routes r',
    isOfFlows: true,
  },
  {
    name: 'flow_series',
    help: 'Flows over time, with --timeseries: one row for each interval of 10 s in which a flow had packets.',
    columns: [
      keyOf({ name: 'flow_id', sql: 's.flow_id', help: 'The flow.' }),
      ...time('at', 's.at_ns', 'Begin of the interval'),
      ...plain('s', {
        packets_fwd: 'Packets from the originator.',
        packets_rev: 'Packets from the responder.',
        bytes_fwd: 'Octets of frames from the originator.',
        bytes_rev: 'Octets of frames from the responder.',
      }),
    ],
    from: '{file}.flow_series s',
    isOfFlows: true,
  },
  {
    name: 'experiments',
    help: 'Marked spans of time. A flow belongs to one when it was alive in it: `end_ns >= started_ns AND start_ns <= ended_ns`.',
    columns: [
      keyOf({ name: 'experiment_id', sql: 'e.experiment_id', help: 'Number of the experiment.' }),
      keyOf({ name: 'name', sql: 'e.name', help: 'Its name; several may have the same.' }),
      {
        name: 'netns',
        sql: 'e.netns',
        help: 'Namespaces that it is limited to, a name or pattern; NULL: all.',
      },
      ...time('started', 'e.started_ns', 'When it was started'),
      ...time('ended', 'e.ended_ns', 'When it was stopped; NULL: it goes on'),
    ],
    from: 'main.experiments e',
  },
  {
    name: 'runs',
    help: 'One row for each time that nstap wrote to the database: the life of a daemon, or a replay.',
    columns: [
      keyOf({ name: 'run_id', sql: 'r.run_id', help: 'Number of the run.' }),
      {
        name: 'host',
        sql: '(SELECT name FROM main.hosts WHERE host_id = r.host_id)',
        help: 'Name of the host.',
      },
      ...plain('r', {
        kind: 'daemon or replay.',
        version: 'Version of nstap.',
        command_line: 'As it was typed.',
        pid: 'Process id.',
      }),
      ...time('started', 'r.started_ns', 'When it began'),
      ...time('ended', 'r.ended_ns', 'When it ended; NULL: it goes on, or was killed'),
      ...plain('r', {
        flows: 'Flows that it wrote.',
        records: 'Flow records that it wrote: new flows and later states of them.',
      }),
    ],
    from: 'main.runs r',
  },
  {
    name: 'captures',
    help: 'One row for each interface that was captured on in a run, or each interface of a file, with its counters.',
    columns: [
      keyOf({ name: 'capture_id', sql: 'c.capture_id', help: 'Number of the capture.' }),
      keyOf({ name: 'run_id', sql: 'c.run_id', help: 'The run, see `runs`.' }),
      ...plain('c', WHERE_SEEN).map(keyOf),
      ...plain('c', {
        netns_id: 'Identity of the namespace (dev:inode): one made again under the same name is another.',
        if_index: 'Number of the interface.',
        link_type: 'LINKTYPE_ value.',
        source: 'ring, libpcap or file.',
        file: 'File that was replayed.',
        filter: 'Packet filter.',
      }),
      ...time('opened', 'c.opened_ns', 'When it was opened'),
      ...time('first', 'c.first_ns', 'First packet'),
      ...time(
        'last',
        'c.last_ns',
        'Last packet; while threads share the capture, no later than all have counted',
      ),
      ...plain('c', {
        packets: 'Packets that reached nstap.',
        bytes: 'Octets of their frames on the wire.',
        received: 'Packets that passed the filter, as the kernel counts them.',
        kernel_drops: 'Lost before nstap saw them.',
        duplicates: 'Packets of lo seen a second time, left out.',
        decoded_ipv4: 'Of the packets, those of IPv4.',
        decoded_ipv6: 'Of the packets, those of IPv6.',
        decoded_arp: 'Of the packets, those of ARP.',
        decoded_other: 'Of the packets, those of other protocols.',
        undecoded: 'Of the packets, those that could not be decoded.',
        truncated: 'Packets captured shorter than they were.',
        fragments: 'IP fragments.',
        evicted_flows: 'Flows ended early, because the flow table was full.',
        shed_records: 'Flow records shed, because the queue to the database was full.',
        cpu_ns: 'Nanoseconds of CPU that its packets took.',
      }),
    ],
    from: 'main.captures c',
  },
  {
    name: 'interfaces',
    help: 'One row for each interface of a namespace, with the sums of its captures.',
    columns: [
      ...plain('i', {
        ...WHERE_SEEN,
        captures: 'Captures on it.',
        packets: 'Packets.',
        bytes: 'Octets of their frames.',
        kernel_drops: 'Lost before nstap saw them.',
      }),
      ...time('first', 'i.first_ns', 'First packet'),
      ...time('last', 'i.last_ns', 'Last packet'),
    ],
    from: `(SELECT netns, interface, count(*) AS captures, sum(packets) AS packets, sum(bytes) AS bytes,
                   sum(kernel_drops) AS kernel_drops, min(first_ns) AS first_ns, max(last_ns) AS last_ns
            FROM main.captures GROUP BY netns, interface) i`,
  },
  {
    name: 'losses',
    help: 'What was lost, and where: one row for each counter of a capture that is not 0.',
    columns: plain('l', {
      capture_id: 'The capture, see `captures`.',
      run_id: 'The run, see `runs`.',
      ...WHERE_SEEN,
      place: `Where: ${[...new Set(LOSSES.map(([, place]) => place))].join(', ')}.`,
      what: 'What was lost.',
      count: 'How many.',
    }),
    from: `(${LOSS_ROWS}) l`,
  },
  {
    name: 'gaps',
    help: 'Times in which an interface was not captured although it was meant to be.',
    columns: [
      ...plain('g', { run_id: 'The run after it.', capture_id: 'The capture after it.', ...WHERE_SEEN }),
      ...time('began', 'g.from_ns', 'Last packet before it, or until when all threads had counted'),
      ...time('ended', 'g.to_ns', 'First packet after it'),
      ...plain('g', { reason: 'Why.' }),
    ],
    from: 'main.capture_gaps g',
  },
];

/** The statements that make the views. @param files that have flows, as SQL names them */
export function viewStatements(files: readonly string[]): string[] {
  return VIEWS.map(({ name, columns, from, isOfFlows }) => {
    const list = columns.map((column) => `${column.sql} AS "${column.name}"`).join(', ');
    const parts = isOfFlows ? files.map((file) => from.replaceAll('{file}', file)) : [from];
    const body = parts.map((part) => `SELECT ${list} FROM ${part}`).join(' UNION ALL ');
    return `DROP VIEW IF EXISTS temp.${name}; CREATE TEMP VIEW ${name} AS ${body}`;
  });
}

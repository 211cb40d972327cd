import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CliResult, MAIN } from '../support/nstap.ts';
import { addDirection, type ConversationTable, type Truth, truthTable } from '../support/truth.ts';

/** Something in which the command line and the truth differ. */
export interface Difference {
  /** Name as in the truth file where there is one. */
  field: string;
  got: unknown;
  want: unknown;
}

/** A flow as `flows --format ndjson` prints it, as far as it is compared. */
interface FlowLine {
  proto_number: number;
  src: string;
  src_port: number | null;
  dst: string;
  dst_port: number | null;
  start: string;
  end: string;
  packets_fwd: number;
  packets_rev: number;
  bytes_fwd: number;
  bytes_rev: number;
  ip_bytes_fwd: number;
  ip_bytes_rev: number;
  tcp_flags_fwd: string | null;
  tcp_flags_rev: string | null;
}

const FLAGS = 'CEUAPRSF';
/** Protocols that tshark keeps by address pair only, though our flows have type and code there. */
const ICMP = new Set([1, 58]);
/** Times are stored as 64 bits of nanoseconds; what lies behind their end is that end. */
const LAST_TIME = '9223372036.854775807';

/**
 * Replays a capture and queries its flows, both as processes of their own, and compares what they print with the truth.
 * @returns the differences; none when all agrees
 */
export async function compareWithTruth({ path, truth }: Truth): Promise<Difference[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'nstap-corpus-'));
  try {
    const db = join(scratch, 'flows.db');
    const replay = await run(['replay', '--json', '--db', db, path]);
    const flows = await run(['flows', '--db', db, '--format', 'ndjson']);
    return differences(truth, replay, flows);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function differences(truth: Truth['truth'], replay: CliResult, flows: CliResult): Difference[] {
  const found: Difference[] = [];
  const compare = (field: string, got: unknown, want: unknown): void => {
    if (JSON.stringify(got) !== JSON.stringify(want)) found.push({ field, got, want });
  };
  const isBad = truth.tshark_error !== undefined || truth.read_error !== undefined;
  compare('exit status', replay.status, isBad ? 1 : 0);
  compare('exit status of flows', flows.status, 0);
  const totals = JSON.parse(replay.stdout);
  compare('errors', totals.errors.length, isBad ? 1 : 0);
  const d = totals.decoded;
  compare('sum', d.ipv4 + d.ipv6 + d.arp + d.other + totals.undecoded, totals.packets);
  const lines = flows.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FlowLine);
  compare('flows', lines.length, totals.flows);
  compare('flow_packets', sum(lines, 'packets_fwd') + sum(lines, 'packets_rev'), d.ipv4 + d.ipv6);
  if (truth.tshark_error !== undefined) return found;

  const { outer } = truth;
  compare('packets', totals.packets, truth.packets);
  compare('bytes', totals.bytes, truth.bytes);
  compare('truncated_packets', totals.truncated, truth.truncated_packets);
  compare('first_ts', seconds(totals.first), representable(truth.first_ts));
  compare('last_ts', seconds(totals.last), representable(truth.last_ts));
  // An IP header that cannot be read is undecoded here; tshark counts it under the version that its carrier names.
  compare('ip', d.ipv4 + d.ipv6, outer.ipv4 + outer.ipv6 - outer.bad_ip_header);
  if (outer.bad_ip_header === 0) compare('ipv4', d.ipv4, outer.ipv4);
  if (outer.bad_ip_header > totals.undecoded) compare('undecoded', totals.undecoded, outer.bad_ip_header);
  compare('arp', d.arp, truth.arp_packets);
  for (const name of ['tcp', 'udp', 'sctp'] as const) compare(name, d[name], outer[name]);
  compare('icmp', d.icmp, outer.icmp + outer.icmpv6);
  compare('fragments', totals.fragments, outer.fragments);
  if (truth.linktypes !== undefined) compare('linktypes', totals.link_types, truth.linktypes);
  compareConversations(truth, lines, compare);
  return found;
}

type Compare = (field: string, got: unknown, want: unknown) => void;

/**
 * Conversations of tshark against our flows, merged by endpoints: VLAN, interface and idle gaps part flows only here.
 *
 * tshark leaves later fragments and packets without readable ports out of its conversations. We count a later fragment on
 * the flow of its datagram, and what has no ports on a flow with ports 0: where a file has such packets, conversations are
 * compared by address pair, with the fragments that tshark lists added, and flows with ports 0 as what is left over.
 */
function compareConversations(truth: Truth['truth'], lines: readonly FlowLine[], compare: Compare): void {
  const { outer } = truth;
  const isParted = outer.nonfirst_fragments > 0 || outer.no_ports > 0;
  const wanted = truthTable(truth);
  const got = flowTable(lines);
  if (truth.conversations_truncated) {
    for (const [key, row] of wanted) if (!isParted) compare(`conversation ${key}`, got.get(key), row);
    const totals = truth.conversation_totals;
    if (totals !== undefined && !isParted) {
      compare('conversation packets', sum(lines, 'packets_fwd') + sum(lines, 'packets_rev'), totals.packets);
      compare('conversation bytes', sum(lines, 'bytes_fwd') + sum(lines, 'bytes_rev'), totals.bytes);
      compare(
        'conversation ip_bytes',
        sum(lines, 'ip_bytes_fwd') + sum(lines, 'ip_bytes_rev'),
        totals.ip_bytes,
      );
    }
    return;
  }
  if (!isParted) {
    for (const key of new Set([...wanted.keys(), ...got.keys()]))
      compare(`conversation ${key}`, got.get(key), wanted.get(key));
    if (truth.ts_invalid === 0 && truth.packets_without_ts === 0) compareTimes(truth, lines, compare);
    return;
  }
  // Every conversation with ports is there, with at least what tshark counted.
  for (const [key, row] of wanted) {
    const ours = got.get(key) ?? [];
    const isLess = row.some((n, i) => (i % 4 === 3 ? (n & ~(ours[i] ?? 0)) !== 0 : (ours[i] ?? 0) < n));
    if (isLess) compare(`conversation ${key}`, ours, row);
  }
  const groups = truth.nonfirst_fragment_groups ?? [];
  if (groups.length >= GROUPS_MAX) return;
  const pairs = pairTable(lines);
  for (const [key, row] of truthPairs(truth)) {
    // What had no ports is in no list of the truth, so a pair may have more by no more than that.
    const ours = pairs.get(key) ?? [0, 0, 0];
    const more = ours[0]! - row[0]!;
    if (more < 0 || more > outer.no_ports) compare(`pair ${key}`, ours, row);
    else if (outer.no_ports === 0) compare(`pair ${key}`, ours, row);
  }
}

/** The truth lists so many fragment groups at most. */
const GROUPS_MAX = 200;

function compareTimes(truth: Truth['truth'], lines: readonly FlowLine[], compare: Compare): void {
  const times = new Map<string, [string, string]>();
  for (const flow of lines) {
    const key = keyOf(flow.proto_number, endpoint(flow, 'src'), endpoint(flow, 'dst'));
    const [start, end] = [seconds(flow.start)!, seconds(flow.end)!];
    const known = times.get(key);
    if (known === undefined) times.set(key, [start, end]);
    else {
      if (Number(start) < Number(known[0])) known[0] = start;
      if (Number(end) > Number(known[1])) known[1] = end;
    }
  }
  for (const c of truth.conversations) {
    const a = c.ap === null ? c.a : `${c.a} ${c.ap}`;
    const b = c.bp === null ? c.b : `${c.b} ${c.bp}`;
    const key = keyOf(c.proto, a, b);
    compare(`times ${key}`, times.get(key), [representable(c.first_ts), representable(c.last_ts)]);
  }
}

function flowTable(lines: readonly FlowLine[]): ConversationTable {
  const table: ConversationTable = new Map();
  for (const flow of lines) {
    const src = endpoint(flow, 'src');
    const dst = endpoint(flow, 'dst');
    const { proto_number: proto } = flow;
    const [f, r] = [flagBits(flow.tcp_flags_fwd), flagBits(flow.tcp_flags_rev)];
    addDirection(table, proto, src, dst, flow.packets_fwd, flow.bytes_fwd, flow.ip_bytes_fwd, f);
    addDirection(table, proto, dst, src, flow.packets_rev, flow.bytes_rev, flow.ip_bytes_rev, r);
  }
  return table;
}

type PairTable = Map<string, [packets: number, bytes: number, ipBytes: number]>;

function addPair(t: PairTable, proto: number, src: string, dst: string, row: readonly number[]): void {
  if (row[0] === 0) return;
  const key = `${proto} ${src} > ${dst}`;
  const known = t.get(key) ?? [0, 0, 0];
  t.set(key, [known[0] + row[0]!, known[1] + row[1]!, known[2] + row[2]!]);
}

/** One-way counts by protocol and address pair. */
function pairTable(lines: readonly FlowLine[]): PairTable {
  const table: PairTable = new Map();
  for (const f of lines) {
    addPair(table, f.proto_number, f.src, f.dst, [f.packets_fwd, f.bytes_fwd, f.ip_bytes_fwd]);
    addPair(table, f.proto_number, f.dst, f.src, [f.packets_rev, f.bytes_rev, f.ip_bytes_rev]);
  }
  return table;
}

function truthPairs(truth: Truth['truth']): PairTable {
  const table: PairTable = new Map();
  for (const c of truth.conversations) {
    addPair(table, c.proto, c.a, c.b, [c.pkts_ab, c.bytes_ab, c.ip_bytes_ab]);
    addPair(table, c.proto, c.b, c.a, [c.pkts_ba, c.bytes_ba, c.ip_bytes_ba]);
  }
  for (const g of truth.nonfirst_fragment_groups ?? [])
    addPair(table, g.proto, g.src, g.dst, [g.packets, g.bytes, g.ip_bytes]);
  return table;
}

function endpoint(flow: FlowLine, side: 'src' | 'dst'): string {
  const port = flow[`${side}_port`];
  return port === null || ICMP.has(flow.proto_number) ? flow[side] : `${flow[side]} ${port}`;
}

function keyOf(proto: number, a: string, b: string): string {
  return a <= b ? `${proto} ${a} ${b}` : `${proto} ${b} ${a}`;
}

function flagBits(letters: string | null): number {
  return [...(letters ?? '')].reduce((bits, letter) => bits | (0x80 >> FLAGS.indexOf(letter)), 0);
}

/** RFC 3339 as decimal seconds with nine digits. */
function seconds(time: string | null): string | null {
  return time && `${Date.parse(`${time.slice(0, 19)}Z`) / 1000}.${time.slice(20, 29)}`;
}

function representable(time: string | null): string | null {
  return time !== null && Number(time) > Number(LAST_TIME) ? LAST_TIME : time;
}

function sum(lines: readonly FlowLine[], name: 'packets_fwd' | 'packets_rev' | SumName): number {
  return lines.reduce((n, line) => n + line[name], 0);
}
type SumName = 'bytes_fwd' | 'bytes_rev' | 'ip_bytes_fwd' | 'ip_bytes_rev';

/** Runs `nstap` without blocking, so that several captures are compared at a time. */
async function run(words: string[]): Promise<CliResult> {
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stdout: Buffer.concat(out).toString(), stderr };
}

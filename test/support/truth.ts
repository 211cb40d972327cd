import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PCAPS = fileURLToPath(new URL('../../../shared/pcaps/', import.meta.url));

/** tshark's fields for the two ends of a packet: addresses of both versions, ports of both protocols. */
export const ENDPOINT_FIELDS = [
  'ip.src',
  'ip.dst',
  'ipv6.src',
  'ipv6.dst',
  'tcp.srcport',
  'tcp.dstport',
  'udp.srcport',
  'udp.dstport',
] as const;

/** One capture of the shared corpus with tshark's reading of it; fields are explained in truth/TRUTH.md there. */
export interface Truth {
  name: string;
  path: string;
  truth: TruthFile;
}

export interface TruthFile {
  tshark_error?: string;
  read_error?: string;
  packets: number;
  bytes: number;
  truncated_packets: number;
  ts_invalid: number;
  ts_out_of_order: number;
  packets_without_ts: number;
  linktypes?: number[];
  first_ts: string | null;
  last_ts: string | null;
  arp_packets: number;
  outer: {
    ipv4: number;
    ipv6: number;
    tcp: number;
    udp: number;
    sctp: number;
    icmp: number;
    icmpv6: number;
    fragments: number;
    nonfirst_fragments: number;
    bad_ip_header: number;
    no_ports: number;
  };
  conversations_truncated: boolean;
  conversations: Conversation[];
  /** Over all conversations, when the list is cut. */
  conversation_totals?: { packets: number; bytes: number; ip_bytes: number };
  nonfirst_fragment_groups?: FragmentGroup[];
}

export interface FragmentGroup {
  src: string;
  dst: string;
  proto: number;
  packets: number;
  bytes: number;
  ip_bytes: number;
}

export interface Conversation {
  proto: number;
  a: string;
  ap: number | null;
  b: string;
  bp: number | null;
  pkts_ab: number;
  pkts_ba: number;
  bytes_ab: number;
  bytes_ba: number;
  ip_bytes_ab: number;
  ip_bytes_ba: number;
  flags_ab: number | null;
  flags_ba: number | null;
  first_ts: string;
  last_ts: string;
}

/**
 * The captures of a folder that have a truth file beneath `truth/`, by name; [] when there are none.
 * @param folder the shared corpus by default
 */
export function corpus(folder = PCAPS): Truth[] {
  const root = join(folder, 'truth');
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort()
    .map((name) => {
      const truth = JSON.parse(readFileSync(join(root, `${name}.json`), 'utf8')) as TruthFile;
      return { name, path: join(folder, name), truth };
    });
}

/** A row of a comparison: one conversation, direction-free key, counts by direction of the key. */
export type ConversationTable = Map<string, number[]>;

/** Adds a one-way count to a table whose key does not depend on direction. */
export function addDirection(
  table: ConversationTable,
  proto: number,
  from: string,
  to: string,
  packets: number,
  bytes: number,
  ipBytes: number,
  flags: number,
): void {
  const forward = from <= to;
  const key = `${proto} ${forward ? from : to} ${forward ? to : from}`;
  const row = table.get(key) ?? [0, 0, 0, 0, 0, 0, 0, 0];
  const at = forward ? 0 : 4;
  row[at]! += packets;
  row[at + 1]! += bytes;
  row[at + 2]! += ipBytes;
  row[at + 3]! |= flags;
  table.set(key, row);
}

/** tshark's conversations as such a table. Ports only where tshark has them. */
export function truthTable(truth: TruthFile): ConversationTable {
  const table: ConversationTable = new Map();
  for (const c of truth.conversations) {
    const a = c.ap === null ? c.a : `${c.a} ${c.ap}`;
    const b = c.bp === null ? c.b : `${c.b} ${c.bp}`;
    addDirection(table, c.proto, a, b, c.pkts_ab, c.bytes_ab, c.ip_bytes_ab, (c.flags_ab ?? 0) & 0xff);
    addDirection(table, c.proto, b, a, c.pkts_ba, c.bytes_ba, c.ip_bytes_ba, (c.flags_ba ?? 0) & 0xff);
  }
  return table;
}

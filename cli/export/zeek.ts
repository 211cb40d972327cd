import { createHash } from 'node:crypto';
import { formatAddress, maskAddress, parsePrefix } from '../../decoders/address.ts';
import type { FlowHints } from '../../storage/flow-extras.ts';
import type { OuterFlow } from '../../storage/outer-flow.ts';
import type { FlowRow } from '../../storage/query.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { flowCommunityId } from '../format/flow-json.ts';

/** Finds the flow around an inner one by its number; null: it is not in the database any more. */
export type FindOuter = (flowId: number) => OuterFlow | null;

interface ZeekColumn {
  name: string;
  /** Of Zeek's types. */
  type: string;
  /** null: unset. An array is a set. */
  value(row: FlowRow, outer: FindOuter): string | readonly string[] | null;
}

const TCP = 6;
const TRANSPORTS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp' };
/** Names of Zeek's analyzers for what hints tell. */
const SERVICES: Readonly<Record<keyof FlowHints, string>> = {
  dns: 'dns',
  tls: 'ssl',
  http: 'http',
  ssh: 'ssh',
};

/** `Site::private_address_space` of Zeek 8, base/utils/site.zeek: what is local there unless a site says otherwise. */
const PRIVATE_NETS = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '240.0.0.0/4',
  '255.255.255.255/32',
  '::/128',
  '::1/128',
  '64:ff9b:1::/48',
  '100::/64',
  '2001:2::/48',
  '2001:db8::/32',
  'fc00::/7',
  'fe80::/10',
].map((text) => parsePrefix(text)!);

/** Of conn.log, base/protocols/conn/main.zeek, in its order; `ip_proto` came with Zeek 7.1. */
export const CONN_COLUMNS: readonly ZeekColumn[] = [
  { name: 'ts', type: 'time', value: (f) => seconds(f.startNs) },
  { name: 'uid', type: 'string', value: (f) => zeekUid(f) },
  { name: 'id.orig_h', type: 'addr', value: (f) => formatAddress(f.src, 0, f.ipVersion) },
  { name: 'id.orig_p', type: 'port', value: (f) => String(f.srcPort ?? 0) },
  { name: 'id.resp_h', type: 'addr', value: (f) => formatAddress(f.dst, 0, f.ipVersion) },
  { name: 'id.resp_p', type: 'port', value: (f) => String(f.dstPort ?? 0) },
  { name: 'proto', type: 'enum', value: (f) => TRANSPORTS[f.proto] ?? 'unknown_transport' },
  { name: 'service', type: 'string', value: service },
  // What a connection of one packet lasted, and carried, is not known to Zeek: all three are unset then.
  { name: 'duration', type: 'interval', value: (f) => ifLasting(f, () => seconds(f.endNs - f.startNs)) },
  { name: 'orig_bytes', type: 'count', value: (f) => ifLasting(f, () => payload(f, 'Fwd')) },
  { name: 'resp_bytes', type: 'count', value: (f) => ifLasting(f, () => payload(f, 'Rev')) },
  { name: 'conn_state', type: 'string', value: (f) => f.connState },
  { name: 'local_orig', type: 'bool', value: (f) => isLocal(f.src) },
  { name: 'local_resp', type: 'bool', value: (f) => isLocal(f.dst) },
  { name: 'missed_bytes', type: 'count', value: missed },
  { name: 'history', type: 'string', value: (f) => f.history },
  { name: 'orig_pkts', type: 'count', value: (f) => String(f.packetsFwd) },
  { name: 'orig_ip_bytes', type: 'count', value: (f) => String(f.ipBytesFwd) },
  { name: 'resp_pkts', type: 'count', value: (f) => String(f.packetsRev) },
  { name: 'resp_ip_bytes', type: 'count', value: (f) => String(f.ipBytesRev) },
  { name: 'tunnel_parents', type: 'set[string]', value: parents },
  { name: 'ip_proto', type: 'count', value: (f) => String(f.proto) },
];

const ROUTE_KEYS = ['verdict', 'type', 'table', 'prefix', 'gateway', 'dev'] as const;

/** What nstap knows beyond Zeek, behind Zeek's own columns. */
export const EXTRA_COLUMNS: readonly ZeekColumn[] = [
  { name: 'community_id', type: 'string', value: flowCommunityId },
  { name: 'netns', type: 'string', value: (f) => f.netns },
  { name: 'interface', type: 'string', value: (f) => f.interface },
  { name: 'vlan', type: 'int', value: (f) => text(f.vlanOuter) },
  { name: 'inner_vlan', type: 'int', value: (f) => text(f.vlanInner) },
  { name: 'experiment', type: 'string', value: (f) => f.experiment },
  { name: 'end_reason', type: 'string', value: (f) => f.endReason },
  { name: 'rtt', type: 'interval', value: (f) => (f.rttNs === null ? null : seconds(BigInt(f.rttNs))) },
  { name: 'orig_retransmits', type: 'count', value: (f) => text(f.retransmitsFwd) },
  { name: 'resp_retransmits', type: 'count', value: (f) => text(f.retransmitsRev) },
  ...ROUTE_KEYS.map((key) => routeColumn('orig', key, (f) => f.routeFwd)),
  ...ROUTE_KEYS.map((key) => routeColumn('resp', key, (f) => f.routeRev)),
];

/** The lines that a log begins with. @param now of its `#open` */
export function zeekHeader(columns: readonly ZeekColumn[], now: Date): string {
  return [
    '#separator \\x09',
    '#set_separator\t,',
    '#empty_field\t(empty)',
    '#unset_field\t-',
    '#path\tconn',
    `#open\t${logTime(now)}`,
    ['#fields', ...columns.map(({ name }) => name)].join('\t'),
    ['#types', ...columns.map(({ type }) => type)].join('\t'),
    '',
  ].join('\n');
}

/** The line that a log ends with. */
export function zeekFooter(now: Date): string {
  return `#close\t${logTime(now)}\n`;
}

/** A flow as a line of the log, with its line end. */
export function zeekLine(columns: readonly ZeekColumn[], row: FlowRow, outer: FindOuter): string {
  let line = '';
  for (let i = 0; i < columns.length; i++) {
    if (i > 0) line += '\t';
    line += zeekValue(columns[i]!.value(row, outer));
  }
  return `${line}\n`;
}

/**
 * A value as Zeek's ASCII writer has it (logging/writers/ascii, ODesc escaping): a separator, a sign that does not print, and a
 * text that would read as "unset" or "empty" are written as \xHH.
 */
export function zeekValue(value: string | readonly string[] | null): string {
  if (value === null) return '-';
  if (typeof value === 'string') return value === '' ? '(empty)' : escaped(value);
  if (value.length === 0) return '(empty)';
  return value.map((each) => escaped(each).replaceAll(',', '\\x2c')).join(',');
}

function escaped(value: string): string {
  if (value === '-') return '\\x2d';
  if (value === '(empty)') return '\\x28empty)';
  if (!/[\\\p{Cc}]/u.test(value)) return value;
  return value.replace(/[\\\p{Cc}]/gu, (sign) =>
    sign === '\\'
      ? '\\\\'
      : [...Buffer.from(sign)].map((octet) => `\\x${octet.toString(16).padStart(2, '0')}`).join(''),
  );
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * Zeek's name of a connection, "C" and up to 17 signs of base 62 (96 bits); here it is made of the flow's host, number and
 * start, so that the same flow has the same name in every export.
 */
function zeekUid({ host, flowId, startNs }: OuterFlow): string {
  const digest = createHash('sha256').update(`${host}\0${flowId}\0${startNs}`).digest();
  let rest = (digest.readBigUInt64BE(0) << 32n) | BigInt(digest.readUInt32BE(8));
  let uid = '';
  for (; rest > 0n; rest /= 62n) uid += BASE62[Number(rest % 62n)];
  return `C${uid}`;
}

/** Seconds with 6 decimals, rounded as `printf` does from what is exact. @param ns may be negative */
function seconds(ns: bigint): string {
  const us = ns < 0n ? (ns - 500n) / 1000n : (ns + 500n) / 1000n;
  const sign = us < 0n ? '-' : '';
  const size = us < 0n ? -us : us;
  return `${sign}${size / 1_000_000n}.${String(size % 1_000_000n).padStart(6, '0')}`;
}

function logTime(now: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  return [
    now.getFullYear(),
    two(now.getMonth() + 1),
    two(now.getDate()),
    two(now.getHours()),
    two(now.getMinutes()),
    two(now.getSeconds()),
  ].join('-');
}

function ifLasting<T>(f: FlowRow, value: () => T): T | null {
  return f.endNs > f.startNs ? value() : null;
}

/** Octets of payload: of TCP by the sequence numbers, so that what was sent again counts once and what was lost counts. */
function payload(f: FlowRow, way: 'Fwd' | 'Rev'): string {
  const bySequence = f.proto === TCP ? f[`seqBytes${way}`] : null;
  return String(bySequence ?? f[`payloadBytes${way}`]);
}

function missed(f: FlowRow): string {
  return String((f.missedBytesFwd ?? 0) + (f.missedBytesRev ?? 0));
}

function service(f: FlowRow): string | null {
  if (f.hints === null) return null;
  const [kind] = Object.keys(JSON.parse(f.hints) as FlowHints) as (keyof FlowHints)[];
  return kind === undefined ? null : SERVICES[kind];
}

function parents(f: FlowRow, outer: FindOuter): string[] | null {
  const flow = f.tunnelOuterFlowId === null ? null : outer(f.tunnelOuterFlowId);
  return flow === null ? null : [zeekUid(flow)];
}

function isLocal(address: Buffer): string {
  const isIn = PRIVATE_NETS.some(
    ({ bytes, prefixLen }) =>
      bytes.length === address.length && Buffer.compare(maskAddress(address, prefixLen), bytes) === 0,
  );
  return isIn ? 'T' : 'F';
}

function text(value: number | null): string | null {
  return value === null ? null : String(value);
}

function routeColumn(
  side: 'orig' | 'resp',
  key: (typeof ROUTE_KEYS)[number],
  route: (f: FlowRow) => RouteDecision | null,
): ZeekColumn {
  return { name: `${side}_route_${key}`, type: 'string', value: (f) => route(f)?.[key] ?? null };
}

import { formatAddress } from '../../decoders/address.ts';
import { protocolName } from '../../storage/protocols.ts';
import type { FlowRow } from '../../storage/query.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { addressName } from './address-names.ts';
import type { Column } from './columns.ts';
import { formatCount } from './count.ts';
import { shortDuration, shortTime } from './time.ts';

/** Protocols whose "ports" are a type and a code. */
const ICMP_NUMBERS = [1, 58];

/** What a person wants to see of a flow, the most telling columns last to go. */
export const FLOW_COLUMNS: readonly Column<FlowRow>[] = [
  { title: 'START', align: 'left', dropOrder: 5, text: (row) => shortTime(row.startNs) },
  { title: 'DURATION', align: 'right', dropOrder: 8, text: (row) => shortDuration(row.endNs - row.startNs) },
  { title: 'PROTO', align: 'left', dropOrder: 0, text: (row) => protocolName(row.proto) },
  {
    title: 'FLOW',
    align: 'left',
    dropOrder: 0,
    text: flowText,
  },
  { title: 'STATE', align: 'left', dropOrder: 4, text: (row) => row.connState ?? '-' },
  {
    title: 'PACKETS',
    align: 'right',
    dropOrder: 7,
    text: (row) => formatCount(row.packetsFwd + row.packetsRev),
  },
  { title: 'BYTES', align: 'right', dropOrder: 6, text: (row) => formatCount(row.bytesFwd + row.bytesRev) },
  { title: 'NETNS/IF', align: 'left', dropOrder: 2, blank: '-/-', text: (row) => place(row) },
  { title: 'ROUTE', align: 'left', dropOrder: 1, text: (row) => routeCell(row) },
];

/** One line for each decision that the flow had, in the order of time. */
export function routeChangeLines(row: FlowRow): string[] {
  const { routeChanges } = row;
  if (routeChanges === null) return [];
  if (routeChanges.length === 0) return ['changed; the changes were shed'];
  return routeChanges.map(
    ({ direction, sinceNs, decision }) => `${shortTime(sinceNs)}  ${direction}  ${routeText(decision)}`,
  );
}

function routeCell(row: FlowRow): string {
  const text = routeText(row.routeFwd ?? row.routeRev);
  return row.routeChanges === null ? text : `${text} (changed)`;
}

/** "10.0.0.1:1024 -> 10.0.0.2:80" */
export function flowText(row: FlowRow): string {
  return `${endpoint(row, 'src')} -> ${endpoint(row, 'dst')}`;
}

function endpoint(row: FlowRow, end: 'src' | 'dst'): string {
  const name = addressName(row[end]);
  const address = name ?? formatAddress(row[end], 0, row.ipVersion);
  const port = end === 'src' ? row.srcPort : row.dstPort;
  if (port === null) return address;
  if (ICMP_NUMBERS.includes(row.proto)) return end === 'src' ? address : `${address} type ${row.srcPort}`;
  return row.ipVersion === 6 && name === null ? `[${address}]:${port}` : `${address}:${port}`;
}

function place(row: FlowRow): string {
  const vlan = [row.vlanOuter, row.vlanInner].filter((id) => id !== null).map((id) => `.${id}`);
  const tunnel = [row.tunnelType, row.tunnelId].filter((part) => part !== null).join(':');
  return `${row.netns ?? '-'}/${row.interface ?? '-'}${vlan.join('')}${tunnel && `/${tunnel}`}`;
}

/** The decision as `ip route` would print the route: what is not said is unicast, in table main. */
export function routeText(route: RouteDecision | null): string {
  if (route === null) return '-';
  const parts: string[] = route.type === 'unicast' ? [] : [route.type];
  if (route.prefix !== null) parts.push(shortPrefix(route.prefix));
  if (route.gateway !== null) parts.push('via', route.gateway);
  if (route.dev !== null) parts.push('dev', route.dev);
  if (route.table !== null && route.table !== 'main' && route.type !== route.table)
    parts.push('table', route.table);
  if (route.verdict === 'drop') parts.push('(drop)');
  if (route.observed === 'differs') parts.push('(seen elsewhere)');
  return parts.join(' ');
}

function shortPrefix(prefix: string): string {
  if (prefix === '0.0.0.0/0' || prefix === '::/0') return 'default';
  return prefix.includes(':') ? prefix.replace(/\/128$/, '') : prefix.replace(/\/32$/, '');
}

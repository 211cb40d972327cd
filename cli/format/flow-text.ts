import { formatAddress } from '../../decoders/address.ts';
import type { FlowRow } from '../../storage/query.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import { addressName } from './address-names.ts';
import { cutMiddle, textWidth } from './text-width.ts';

/** Protocols whose "ports" are a type and a code. */
const ICMP_NUMBERS = [1, 58];
const ARROW = ' -> ';
/** With less room for both addresses, they say less than the whole does with its middle left out. */
const ADDRESSES_MIN = 8;
const NETNS_MIN = 3;

/** "10.0.0.1:1024 -> 10.0.0.2:80" */
export function flowText(row: FlowRow): string {
  return `${endpointText(row, 'src')}${ARROW}${endpointText(row, 'dst')}`;
}

/** "[fe80::1]:1024"; of ICMP the receiver has the type. */
export function endpointText(row: FlowRow, end: 'src' | 'dst'): string {
  const name = addressName(row[end]);
  const address = name ?? formatAddress(row[end], 0, row.ipVersion);
  const port = end === 'src' ? row.srcPort : row.dstPort;
  if (port === null) return address;
  if (ICMP_NUMBERS.includes(row.proto)) return end === 'src' ? address : `${address} type ${row.srcPort}`;
  return row.ipVersion === 6 && name === null ? `[${address}]:${port}` : `${address}:${port}`;
}

/** A text as flowText makes it in less room: addresses or names lose their middle, ports stay. */
export function cutFlow(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  const at = text.indexOf(ARROW);
  if (at < 0) return cutMiddle(text, width);
  const [src, srcPort] = parts(text.slice(0, at));
  const [dst, dstPort] = parts(text.slice(at + ARROW.length));
  const room = width - ARROW.length - textWidth(srcPort) - textWidth(dstPort);
  if (room < ADDRESSES_MIN) return cutMiddle(text, width);
  // Who needs less than half leaves the rest to the other.
  const half = Math.floor(room / 2);
  const srcRoom = Math.min(textWidth(src), Math.max(half, room - textWidth(dst)));
  return `${cutMiddle(src, srcRoom)}${srcPort}${ARROW}${cutMiddle(dst, room - srcRoom)}${dstPort}`;
}

/** An end of a flow without its port, and the port as it is written behind it. */
function parts(end: string): [address: string, port: string] {
  // Of an IPv6 address without brackets the last group is no port.
  const port = /(\]:[\w-]+| type \d+)$/.exec(end)?.[0] ?? /^[^:]*(:[\w-]+)$/.exec(end)?.[1] ?? '';
  return [end.slice(0, end.length - port.length), port];
}

/** Namespace and interface, its VLANs, and the tunnel: "blue/eth0.5/vxlan:42". */
export function placeText(row: FlowRow): string {
  const vlan = [row.vlanOuter, row.vlanInner].filter((id) => id !== null).map((id) => `.${id}`);
  const tunnel = [row.tunnelType, row.tunnelId].filter((part) => part !== null).join(':');
  return `${row.netns ?? '-'}/${row.interface ?? '-'}${vlan.join('')}${tunnel && `/${tunnel}`}`;
}

/** Such a text in less room: of the namespace the middle goes, the interface stays. */
export function cutPlace(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  const at = text.indexOf('/');
  const room = width - textWidth(text.slice(at));
  return room < NETNS_MIN ? cutMiddle(text, width) : cutMiddle(text.slice(0, at), room) + text.slice(at);
}

/** The decision that a flow is listed with: the originator's, when it has one. */
export function shownRoute(row: FlowRow): RouteDecision | null {
  return row.routeFwd ?? row.routeRev;
}

/** It in short, and whether it changed. */
export function routeCell(row: FlowRow): string {
  const text = routeText(shownRoute(row));
  return row.routeChanges === null ? text : `${text} (changed)`;
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

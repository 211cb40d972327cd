import {
  groupNames,
  parseDscp,
  parseNumber,
  parseTos,
  protocolNames,
  routeType,
  scopeNames,
  tableNames,
} from '../netlink/names.ts';
import { ipProtoNumber } from './format.ts';
import { addressText, FieldReader } from './json-fields.ts';
import { emptyHop, emptyRoute, fullPrefix, setFlag } from './route-text.ts';
import { lookupRule } from './routing.ts';
import { addUnsupported, type RuleOfFamily, parseMark, ruleAction, settleFamilies } from './rule-text.ts';
import type { SnapshotNextHop, SnapshotRoute, SnapshotRule } from './snapshot.ts';
import { RouteTextError } from './text-words.ts';

/**
 * Takes the members of light-weight tunnels out of JSON text: they stand in the route's own object, and some of theirs have
 * the names of its own ("dst" of `encap ip`, "table" of End.T), so that a JSON parser would take one for the other. `ip`
 * prints them in one go behind "encap" and before the gateway or device. print_route of ip/iproute.c, iproute2 6.1
 */
export function withoutEncap(text: string): string {
  return text.replaceAll(/("encap"\s*:\s*"[^"]*",)[^{}]*?("(?:gateway|via|dev)"\s*:)/g, '$1$2');
}

/**
 * Reads the value of `ip -j route show`, of one family or both.
 * @throws RouteTextError
 */
export function parseRouteJson(value: readonly unknown[], source: string): SnapshotRoute[] {
  return value.map((item) => readRoute(new FieldReader(source, item), source));
}

function readRoute(fields: FieldReader, source: string): SnapshotRoute {
  const destination = fields.text('dst');
  if (destination === null)
    throw new RouteTextError(source, 0, 'dst', 'is missing: no value of `ip -j route`');
  const prefix = destination === 'default' ? null : fullPrefix(destination);
  if (prefix === null && destination !== 'default')
    throw new RouteTextError(source, 0, destination, 'should be "default", an address or a prefix');
  const hops = fields.raw('nexthops');
  const readers = Array.isArray(hops) ? hops.map((hop) => new FieldReader(source, hop)) : [];
  const prefsrc = fields.value('prefsrc', 'an address', addressText);
  // Of "default" only the rest tells the family; a foreign gateway stands under "via".
  const gateway = [fields, ...readers].map((reader) => reader.text('gateway')).find((text) => text !== null);
  const hint = gateway ?? prefsrc;
  const family = prefix?.family ?? (fields.has('pref') || hint?.includes(':') ? 6 : 4);
  const route = emptyRoute(family);
  route.prefix = prefix?.prefix ?? route.prefix;
  route.type = fields.value('type', 'a type of route', routeType) ?? route.type;
  route.table = fields.value('table', 'a table', (name) => tableNames.number(name)) ?? route.table;
  const from = fields.value('from', 'a prefix', fullPrefix);
  route.from = from?.prefix ?? null;
  route.tos = fields.value('tos', 'a number', parseTos) ?? 0;
  route.protocol = protocolNames.canonical(fields.text('protocol') ?? route.protocol);
  if (family === 4) route.scope = scopeNames.canonical(fields.text('scope') ?? route.scope);
  const metric = fields.number('metric');
  route.metric = family === 6 ? (metric ?? 0) : metric === 0 ? null : metric;
  route.prefsrc = prefsrc;
  route.pref = fields.text('pref');
  route.nhid = fields.number('nhid');
  if (readers.length > 0) route.nextHops = readers.map((reader) => readHop(reader, source));
  else if (fields.has('dev') || fields.has('gateway') || fields.has('via')) {
    route.nextHops = [readHop(fields, source)];
  }
  return route;
}

function readHop(fields: FieldReader, source: string): SnapshotNextHop {
  const hop = emptyHop();
  hop.dev = fields.text('dev');
  hop.gateway = fields.value('gateway', 'an address', addressText);
  const via = fields.raw('via');
  if (via !== undefined) {
    const foreign = new FieldReader(source, via);
    hop.gateway = foreign.value('host', 'an address', addressText);
    hop.gatewayFamily = foreign.text('family') === 'inet' ? 4 : 6;
  }
  hop.weight = fields.number('weight') ?? 1;
  const flags = fields.raw('flags');
  if (Array.isArray(flags)) for (const flag of flags) setFlag(hop, String(flag));
  return hop;
}

/**
 * Reads the value of `ip -j rule`, of one family or both.
 * @throws RouteTextError
 */
export function parseRuleJson(value: readonly unknown[], source: string): SnapshotRule[] {
  return settleFamilies(value.map((item) => readRule(new FieldReader(source, item), source)));
}

function readRule(fields: FieldReader, source: string): RuleOfFamily {
  const priority = fields.number('priority');
  if (priority === null)
    throw new RouteTextError(source, 0, 'priority', 'is missing: no value of `ip -j rule`');
  const rule = lookupRule(4, priority, 0);
  let family: 4 | 6 | null = null;
  const prefix = (name: string): string | null => {
    const text = fields.text(name);
    if (text === null || text === 'all') return null;
    const length = fields.text(`${name}len`);
    const found = fullPrefix(length === null || text.includes('/') ? text : `${text}/${length}`);
    if (found === null) throw new RouteTextError(source, 0, text, 'should be "all", an address or a prefix');
    family = found.family;
    return found.prefix.endsWith('/0') ? null : found.prefix;
  };
  rule.not = fields.has('not');
  rule.from = prefix('src');
  rule.to = prefix('dst');
  rule.iif = fields.text('iif');
  rule.oif = fields.text('oif');
  const mark = fields.value('fwmark', 'a mark', parseMark);
  if (mark !== null) {
    rule.fwmark = mark[0];
    rule.fwmask = fields.number('fwmask') ?? mark[1];
  }
  rule.tos = fields.value('tos', 'a number', parseTos) || null;
  const dscp = fields.value('dscp', 'a DSCP', parseDscp);
  if (dscp !== null && !fields.has('dscp_mask')) rule.dscp = dscp;
  rule.ipProto = fields.value('ipproto', 'a protocol', ipProtoNumber);
  rule.sport = range(fields, 'sport', 'sport_start', 'sport_end');
  rule.dport = range(fields, 'dport', 'dport_start', 'dport_end');
  rule.uidRange = range(fields, 'uid', 'uid_start', 'uid_end');
  rule.suppressPrefixLen = fields.number('suppress_prefixlen');
  rule.suppressIfGroup = fields.value('suppress_ifgroup', 'a group', (text) => groupNames.number(text));
  for (const name of ['tun_id', 'flowlabel']) if (fields.has(name)) addUnsupported(rule, name);
  for (const name of ['dscp', 'sport', 'dport'])
    if (fields.has(`${name}_mask`)) addUnsupported(rule, `${name} with a mask`);
  const action = fields.value('action', 'an action', ruleAction);
  if (fields.has('l3mdev')) rule.l3mdev = true;
  else if (fields.has('goto')) {
    rule.action = 'goto';
    rule.goto = fields.value('goto', 'a preference', (text) => (text === 'none' ? 0 : parseNumber(text)));
  } else if (fields.has('nop')) rule.action = 'nop';
  else if (action !== null) rule.action = action;
  else {
    const table = fields.value('table', 'a table', (name) => tableNames.number(name));
    if (table === null)
      throw new RouteTextError(source, 0, `rule ${priority}`, 'has no action that is known');
    rule.table = table;
  }
  return { rule, family };
}

function range(fields: FieldReader, one: string, first: string, last: string): [number, number] | null {
  if (fields.has(`${one}_mask`)) return null;
  const single = fields.number(one);
  if (single !== null) return [single, single];
  const from = fields.number(first);
  const to = fields.number(last);
  return from === null || to === null ? null : [from, to];
}

import { isIP } from 'node:net';
import { parseAddress } from '../../decoders/address.ts';
import { RT_TABLE_MAIN } from '../kernel/netlink-constants.ts';
import { parseNumber, parseTos, protocolNames, routeType, scopeNames, tableNames } from '../netlink/names.ts';
import type { SnapshotNextHop, SnapshotRoute } from './snapshot.ts';
import { textLines, type WordReader } from './text-words.ts';
import { prefixWords } from './words.ts';

const FLAGS: ReadonlySet<string> = new Set([
  'dead',
  'linkdown',
  'onlink',
  'pervasive',
  'offload',
  'trap',
  'notify',
  'unresolved',
  'rt_offload',
  'rt_trap',
  'rt_offload_failed',
]);
/** Words with one value that says nothing about the decision: metrics of ip-route(8), cache information. */
const IGNORED: ReadonlySet<string> = new Set([
  'advmss',
  'age',
  'congctl',
  'cwnd',
  'error',
  'expires',
  'fastopen_no_cookie',
  'hoplimit',
  'initcwnd',
  'initrwnd',
  'mtu',
  'quickack',
  'realm',
  'realms',
  'reordering',
  'rto_min',
  'rtt',
  'rttvar',
  'ssthresh',
  'ttl-propagate',
  'used',
  'uid',
  'users',
  'window',
]);

/** First words of lines that add nothing to the route above: what `ip -d` says of its nexthop object, and of a cache. */
const OWN_LINES: ReadonlySet<string> = new Set(['cache', 'nh_info']);

/** A next hop without anything, which text is read into. */
export function emptyHop(): SnapshotNextHop {
  return {
    gateway: null,
    gatewayFamily: null,
    dev: null,
    ifIndex: 0,
    weight: 1,
    onlink: false,
    dead: false,
    linkdown: false,
  };
}

/** A route with what `ip` leaves out because it is the default. */
export function emptyRoute(family: 4 | 6): SnapshotRoute {
  return {
    family,
    type: 'unicast',
    table: RT_TABLE_MAIN,
    prefix: family === 4 ? '0.0.0.0/0' : '::/0',
    from: null,
    tos: 0,
    protocol: 'boot',
    scope: 'global',
    metric: family === 4 ? null : 0,
    prefsrc: null,
    pref: null,
    nextHops: [],
    nhid: null,
  };
}

/** "10.2.0.0/16" of "10.2.0.0/16" or of an address alone; null for another word. */
export function fullPrefix(word: string): { family: 4 | 6; prefix: string } | null {
  const parsed = prefixWords(word);
  if (parsed === null) return null;
  return { family: parsed.version, prefix: word.includes('/') ? word : `${word}/${parsed.len}` };
}

/**
 * Reads the text of `ip route show`, with or without `table all`, `-4`, `-6`, `-d`, also of both families behind each
 * other.
 * @param source name for error messages
 * @throws RouteTextError
 */
export function parseRouteText(text: string, source: string): SnapshotRoute[] {
  const routes: SnapshotRoute[] = [];
  for (const words of textLines(text, source)) {
    const first = words.peek()!;
    // The next hops of a multipath route stand on lines of their own.
    if (first === 'nexthop') {
      const route = routes.at(-1);
      if (route === undefined) throw words.error(first, 'no route stands before it');
      readNextHops(words, route);
    } else if (!OWN_LINES.has(first)) routes.push(readRoute(words));
  }
  return routes;
}

function readRoute(words: WordReader): SnapshotRoute {
  const type = routeType(words.peek()!);
  if (type !== null) words.next('a route type');
  const destination = words.next('a destination');
  const prefix = destination === 'default' ? null : fullPrefix(destination);
  if (prefix === null && destination !== 'default')
    throw words.error(destination, 'should be "default", an address or a prefix');
  const route = emptyRoute(prefix?.family ?? 4);
  route.type = type ?? 'unicast';
  const hop = emptyHop();
  let family: 4 | 6 | null = prefix?.family ?? null;
  let hasHop = false;
  let metric: number | null = null;
  for (let word = words.peek(); word !== null && word !== 'nexthop'; word = words.peek()) {
    words.next('a word');
    switch (word) {
      case 'from': {
        if (words.skip('default')) break;
        const from = words.value('a prefix', fullPrefix);
        family ??= from.family;
        route.from = from.prefix;
        break;
      }
      case 'via': {
        const viaFamily = readVia(words, hop);
        family ??= viaFamily;
        hasHop = true;
        break;
      }
      case 'dev':
        hop.dev = words.next('an interface');
        hasHop = true;
        break;
      case 'table':
        route.table = words.value('a table', (name) => tableNames.number(name));
        break;
      case 'proto':
        route.protocol = protocolNames.canonical(words.next('a protocol'));
        break;
      case 'scope':
        route.scope = scopeNames.canonical(words.next('a scope'));
        break;
      case 'src': {
        const address = words.value('an address', (text) => (parseAddress(text) === null ? null : text));
        family ??= isIP(address) === 6 ? 6 : 4;
        route.prefsrc = address;
        break;
      }
      case 'metric':
        metric = words.value('a number', parseNumber);
        break;
      case 'tos':
      case 'dsfield':
        route.tos = words.value('a number', parseTos);
        break;
      case 'nhid':
        route.nhid = words.value('a number', parseNumber);
        break;
      case 'pref':
        // Only routes of IPv6 have one.
        family ??= 6;
        route.pref = words.next('low, medium or high');
        break;
      case 'encap':
        skipEncap(words);
        break;
      default:
        readRest(words, word, hop);
    }
  }
  route.family = family ?? 4;
  if (prefix !== null) route.prefix = prefix.prefix;
  else route.prefix = route.family === 4 ? '0.0.0.0/0' : '::/0';
  if (route.family === 6) {
    // `ip -6` prints no scope, and always a metric.
    route.scope = 'global';
    route.metric = metric ?? 0;
  } else route.metric = metric === 0 ? null : metric;
  settleGateway(hop, route.family);
  if (hasHop) route.nextHops.push(hop);
  if (words.peek() === 'nexthop') readNextHops(words, route);
  return route;
}

/** "nexthop via A dev D weight N flags", once or more often. */
function readNextHops(words: WordReader, route: SnapshotRoute): void {
  while (words.skip('nexthop')) {
    const hop = emptyHop();
    let family = route.family;
    for (let word = words.peek(); word !== null && word !== 'nexthop'; word = words.peek()) {
      words.next('a word');
      if (word === 'via') family = readVia(words, hop);
      else if (word === 'dev') hop.dev = words.next('an interface');
      else if (word === 'weight') hop.weight = words.value('a number', parseNumber);
      else if (word === 'encap') skipEncap(words);
      else readRest(words, word, hop);
    }
    // "default" with nothing but next hops says its family only here.
    if (route.nextHops.length === 0 && route.prefix === '0.0.0.0/0' && family === 6) {
      route.family = 6;
      route.prefix = '::/0';
      route.metric ??= 0;
    }
    settleGateway(hop, route.family);
    route.nextHops.push(hop);
  }
}

/** RTAX_FEATURES: any number of these, or of bits that have no name. */
const FEATURE = /^(ecn|tcp_usec_ts|(0x)?[0-9a-f]+)$/;

function readRest(words: WordReader, word: string, hop: SnapshotNextHop): void {
  if (word === 'features') {
    words.skip('lock');
    while (FEATURE.test(words.peek() ?? '')) words.next('a feature');
  } else if (FLAGS.has(word)) setFlag(hop, word);
  else if (IGNORED.has(word)) {
    words.skip('lock');
    words.next('a value');
  } else throw words.error(word, 'unknown word of `ip route`');
}

/** Sets what a flag's name means for a next hop; other flags mean nothing here. */
export function setFlag(hop: SnapshotNextHop, flag: string): void {
  if (flag === 'dead') hop.dead = true;
  else if (flag === 'linkdown') hop.linkdown = true;
  else if (flag === 'onlink') hop.onlink = true;
}

/** "via A" or "via inet6 A". @returns the family that the route must then have */
function readVia(words: WordReader, hop: SnapshotNextHop): 4 | 6 {
  const isForeign = words.skip('inet6') || words.skip('inet');
  const text = words.next('an address');
  const address = parseAddress(text);
  if (address === null) throw words.error(text, 'should be an address');
  hop.gateway = text;
  hop.gatewayFamily = address.version;
  // "via inet6" stands in an IPv4 route alone, and the other way round.
  return isForeign ? (address.version === 6 ? 4 : 6) : address.version;
}

/** The gateway's family is told only where it differs from the route's. */
function settleGateway(hop: SnapshotNextHop, family: 4 | 6): void {
  if (hop.gatewayFamily === family) hop.gatewayFamily = null;
}

/** A light-weight tunnel's words go on to the next hop: "encap mpls 100 via …". */
function skipEncap(words: WordReader): void {
  for (let word = words.peek(); word !== null && word !== 'via' && word !== 'dev'; word = words.peek())
    words.next('a word');
}

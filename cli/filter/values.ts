import { parseCount, parseDuration } from '../../daemon/options/units.ts';
import { formatAddress, maskAddress, parseAddress, parsePrefix } from '../../decoders/address.ts';
import type { FilterAddress, RouteTextField } from '../../storage/filter-ast.ts';
import { CONN_STATES, TUNNEL_TYPES } from '../../storage/flow-batch.ts';
import { PROTOCOL_NAMES, protocolNumber } from '../../storage/protocols.ts';
import { FLAG_LETTERS } from '../format/tcp-flags.ts';
import type {
  RouteConfidence,
  RouteObserved,
  RouteStage,
  RouteType,
  RouteVerdict,
} from '../../storage/route-decision.ts';

/** A kind of value in a filter: how one is read, and how it is spoken of. */
export interface ValueKind<T> {
  /** Its name in the grammar. */
  name: string;
  /** null when the text is none. */
  read(text: string): T | null;
  /** What would have been one; begins with an article or a noun. */
  expected: string;
  /** The words that it can be, the likeliest first, when there are few. */
  words?: readonly string[];
  /** Names of what a word can stand for when names are looked up (`--resolve`). */
  resolves?: 'host' | 'service';
  /**
   * Which words of an expression can be one: any (where a value must stand; what it is worth is found out by reading it),
   * or only such as no predicate begins with (where a value may be missing).
   */
  shape: 'any' | 'digits' | 'name';
}

const MAX_PORT = 65_535;
const MAX_VLAN = 4_095;
const MAX_U32 = 0xffff_ffff;

export const ADDRESS: ValueKind<FilterAddress> = {
  name: 'address',
  read: parseAddress,
  expected: 'an IPv4 or IPv6 address',
  resolves: 'host',
  shape: 'any',
};

/** An address where there might as well be none, or a word such as `port`. */
export const BARE_ADDRESS: ValueKind<FilterAddress> = {
  ...ADDRESS,
  name: 'bare address',
  expected: 'an address',
  shape: 'name',
};

export const NET: ValueKind<FilterAddress & { prefixLen: number }> = {
  name: 'network',
  read: parsePrefix,
  expected: 'a network such as 10.0.0.0/8 or 2001:db8::/32',
  shape: 'any',
};

export const PORT: ValueKind<number> = {
  name: 'port number',
  read: wholeUpTo(MAX_PORT),
  expected: 'a port number from 0 to 65535',
  resolves: 'service',
  shape: 'any',
};

export const PROTOCOL: ValueKind<number> = {
  name: 'protocol',
  read: protocolNumber,
  expected: 'a protocol name such as tcp, or a number from 0 to 255',
  words: [...new Set(['tcp', 'udp', 'icmp', 'icmp6', 'sctp', ...Object.values(PROTOCOL_NAMES)])],
  shape: 'any',
};

export const VLAN: ValueKind<number> = {
  name: 'VLAN id',
  read: wholeUpTo(MAX_VLAN),
  expected: 'a VLAN id from 0 to 4095',
  shape: 'digits',
};

export const RULE: ValueKind<number> = {
  name: 'preference',
  read: wholeUpTo(MAX_U32),
  expected: 'the preference of a rule, a number',
  shape: 'any',
};

const TUNNEL_WORDS = TUNNEL_TYPES.filter((name) => name !== null);

/** Code of the type. */
export const TUNNEL: ValueKind<number> = {
  name: 'tunnel type',
  read(text) {
    const code = TUNNEL_TYPES.indexOf(text.toLowerCase() as 'gre');
    return code < 0 ? null : code;
  },
  expected: `a tunnel of ${TUNNEL_WORDS.join(' ')}, or any, none, id, outer`,
  words: TUNNEL_WORDS,
  shape: 'name',
};

export const TUNNEL_ID: ValueKind<number> = {
  name: 'tunnel id',
  read: wholeUpTo(MAX_U32),
  expected: 'the id of a tunnel (VNI, key, session or TEID), a number',
  shape: 'any',
};

export const FLOW_ID: ValueKind<number> = {
  name: 'flow_id',
  read: (text) => (/^\d{1,15}$/.test(text) ? Number(text) : null),
  expected: 'the flow_id of a flow, a number',
  shape: 'any',
};

/** Version 1, whose hash is a SHA-1: 20 octets in base64. */
export const COMMUNITY_ID: ValueKind<string> = {
  name: 'community id',
  read: (text) => (/^1:[A-Za-z\d+/]{27}=$/.test(text) ? text : null),
  expected: 'a community id such as 1:wCb3OG7yAFWelaUydu0D+125CLM=',
  shape: 'any',
};

export const NAME: ValueKind<string> = {
  name: 'name',
  read: (text) => (text === '' ? null : text),
  expected: 'a name',
  shape: 'any',
};

/** The commonest first: what is suggested for a slip of the finger. */
const STATES = ['SF', 'S0', 'S1', 'REJ', 'RSTO', 'RSTR'];

export const STATE: ValueKind<string> = {
  name: 'state',
  read: (text) => CONN_STATES.find((state) => state !== null && state === text.toUpperCase()) ?? null,
  expected: `a connection state: ${CONN_STATES.filter((state) => state !== null).join(' ')}`,
  words: [...new Set([...STATES, ...CONN_STATES.filter((state) => state !== null)])],
  shape: 'any',
};

export const COUNT: ValueKind<bigint> = {
  name: 'count',
  read: parseCount,
  expected: 'a number such as 1500, 10k, 5M or 1G',
  shape: 'any',
};

/** Nanoseconds. */
export const DURATION: ValueKind<bigint> = {
  name: 'duration',
  read: parseDuration,
  expected: 'a duration such as 5s, 500ms or 2m',
  shape: 'any',
};

const FLAG_BITS: ReadonlyMap<string, number> = new Map(FLAG_LETTERS);

/** Bits of the letters, all of which must have been seen. */
export const FLAGS: ValueKind<number> = {
  name: 'flags',
  shape: 'any',
  read(text) {
    const bits = [...text.toUpperCase()].map((letter) => FLAG_BITS.get(letter) ?? null);
    return bits.length === 0 || bits.includes(null) ? null : bits.reduce<number>((all, bit) => all | bit!, 0);
  },
  expected: 'TCP flags out of C E U A P R S F, such as S or SA',
};

/** The compiler sees to it that these are all there are. */
const TYPES: Record<RouteType, true> = {
  unicast: true,
  local: true,
  broadcast: true,
  anycast: true,
  multicast: true,
  blackhole: true,
  unreachable: true,
  prohibit: true,
  throw: true,
  nat: true,
  no_route: true,
  martian: true,
  not_routed: true,
  unknown: true,
};
const VERDICTS: Record<RouteVerdict, true> = { deliver: true, forward: true, send: true, drop: true };
const OBSERVED: Record<RouteObserved, true> = { agrees: true, differs: true, 'n/a': true };
const STAGES: Record<RouteStage, true> = { output: true, forward: true, input: true };
const CONFIDENCES: Record<RouteConfidence, true> = { exact: true, assumed: true };

/** Tables that `ip` prints by name. linux/rtnetlink.h enum rt_class_t. */
const TABLE_NAMES: Readonly<Record<string, string>> = { 253: 'default', 254: 'main', 255: 'local' };

/** How each field of the route decision is read. A value may stand for several ("default" for both families). */
export const ROUTE_VALUES: Readonly<Record<RouteTextField, ValueKind<string[]>>> = {
  type: oneOf('route type', 'a route type', TYPES),
  verdict: oneOf('verdict', 'a verdict', VERDICTS),
  table: {
    name: 'table',
    read: (text) => (/^([a-z][\w.-]*|\d{1,10})$/i.test(text) ? [TABLE_NAMES[text] ?? text] : null),
    expected: 'a routing table: main, local, default or a number',
    words: ['main', 'local', 'default'],
    shape: 'any',
  },
  prefix: {
    name: 'prefix',
    read(text) {
      if (text === 'default') return ['0.0.0.0/0', '::/0'];
      const net = parsePrefix(text);
      if (net === null) return null;
      return [`${formatAddress(maskAddress(net.bytes, net.prefixLen), 0, net.version)}/${net.prefixLen}`];
    },
    expected: 'a prefix such as 10.2.0.0/16, or default',
    words: ['default'],
    shape: 'any',
  },
  gateway: {
    name: 'gateway',
    read(text) {
      const address = parseAddress(text);
      return address === null ? null : [formatAddress(address.bytes, 0, address.version)];
    },
    expected: 'the address of a gateway',
    shape: 'any',
  },
  dev: {
    name: 'device',
    read: (text) => (text === '' ? null : [text]),
    expected: 'the name of an interface',
    shape: 'any',
  },
  observed: oneOf('observation', 'one', OBSERVED),
  stage: oneOf('stage', 'a stage', STAGES),
  confidence: oneOf('confidence', 'one', CONFIDENCES),
};

/** Every kind, in the order of the documentation. */
export const VALUE_KINDS: readonly ValueKind<unknown>[] = [
  ADDRESS,
  BARE_ADDRESS,
  NET,
  PORT,
  PROTOCOL,
  NAME,
  VLAN,
  TUNNEL,
  TUNNEL_ID,
  FLOW_ID,
  COMMUNITY_ID,
  STATE,
  FLAGS,
  COUNT,
  DURATION,
  ...Object.values(ROUTE_VALUES),
  RULE,
];

function wholeUpTo(max: number): (text: string) => number | null {
  return (text) => (/^\d{1,10}$/.test(text) && Number(text) <= max ? Number(text) : null);
}

function oneOf(name: string, what: string, allowed: Readonly<Record<string, true>>): ValueKind<string[]> {
  const words = Object.keys(allowed);
  return {
    name,
    read: (text) => (Object.hasOwn(allowed, text.toLowerCase()) ? [text.toLowerCase()] : null),
    expected: `${what} of ${words.join(' ')}`,
    words,
    shape: 'any',
  };
}

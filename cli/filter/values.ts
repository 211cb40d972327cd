import { formatAddress, maskAddress, parseAddress, parsePrefix } from '../../decoders/address.ts';
import { TcpFlag } from '../../decoders/packet-fields.ts';
import type { FilterAddress, RouteTextField } from '../../storage/filter-ast.ts';
import { CONN_STATES, TUNNEL_TYPES } from '../../storage/flow-batch.ts';
import { protocolNumber } from '../../storage/protocols.ts';
import type {
  RouteConfidence,
  RouteObserved,
  RouteStage,
  RouteType,
  RouteVerdict,
} from '../../storage/route-decision.ts';

/** How one value of a filter is read: null when the text is none, and then `expected` says what would have been. */
export interface ValueReader<T> {
  read(text: string): T | null;
  expected: string;
}

const MAX_PORT = 65_535;
const MAX_VLAN = 4_095;

export const ADDRESS: ValueReader<FilterAddress> = {
  read: parseAddress,
  expected: 'an IPv4 or IPv6 address',
};

export const NET: ValueReader<FilterAddress & { prefixLen: number }> = {
  read: parsePrefix,
  expected: 'a network such as 10.0.0.0/8 or 2001:db8::/32',
};

export const PORT: ValueReader<number> = {
  read: wholeUpTo(MAX_PORT),
  expected: 'a port number from 0 to 65535',
};

export const PROTOCOL: ValueReader<number> = {
  read: protocolNumber,
  expected: 'a protocol name such as tcp, or a number from 0 to 255',
};

export const VLAN: ValueReader<number> = { read: wholeUpTo(MAX_VLAN), expected: 'a VLAN id from 0 to 4095' };

export const RULE: ValueReader<number> = {
  read: wholeUpTo(0xffff_ffff),
  expected: 'the preference of a rule, a number',
};

const TUNNEL_WORDS = TUNNEL_TYPES.filter((name) => name !== null);

/** Code of the type. */
export const TUNNEL: ValueReader<number> = {
  read(text) {
    const code = TUNNEL_TYPES.indexOf(text.toLowerCase() as 'gre');
    return code < 0 ? null : code;
  },
  expected: `a tunnel of ${TUNNEL_WORDS.join(' ')}, or any, none, id, outer`,
};

export const TUNNEL_ID: ValueReader<number> = {
  read: wholeUpTo(0xffff_ffff),
  expected: 'the id of a tunnel (VNI, key, session or TEID), a number',
};

export const FLOW_ID: ValueReader<number> = {
  read: (text) => (/^\d{1,15}$/.test(text) ? Number(text) : null),
  expected: 'the flow_id of a flow, a number',
};

/** Version 1, whose hash is a SHA-1: 20 octets in base64. */
export const COMMUNITY_ID: ValueReader<string> = {
  read: (text) => (/^1:[\w+/]{27}=$/.test(text) && !text.includes('_') ? text : null),
  expected: 'a community id such as 1:wCb3OG7yAFWelaUydu0D+125CLM=',
};

export const NAME: ValueReader<string> = { read: (text) => (text === '' ? null : text), expected: 'a name' };

export const STATE: ValueReader<string> = {
  read: (text) => CONN_STATES.find((state) => state !== null && state === text.toUpperCase()) ?? null,
  expected: `a connection state: ${CONN_STATES.filter((state) => state !== null).join(' ')}`,
};

const FLAG_LETTERS: Readonly<Record<string, number>> = {
  C: TcpFlag.CWR,
  E: TcpFlag.ECE,
  U: TcpFlag.URG,
  A: TcpFlag.ACK,
  P: TcpFlag.PSH,
  R: TcpFlag.RST,
  S: TcpFlag.SYN,
  F: TcpFlag.FIN,
};

/** Bits of the letters, all of which must have been seen. */
export const FLAGS: ValueReader<number> = {
  read(text) {
    const bits = [...text.toUpperCase()].map((letter) => FLAG_LETTERS[letter] ?? null);
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
export const ROUTE_VALUES: Readonly<Record<RouteTextField, ValueReader<string[]>>> = {
  type: oneOf('a route type', TYPES),
  verdict: oneOf('a verdict', VERDICTS),
  observed: oneOf('one', OBSERVED),
  stage: oneOf('a stage', STAGES),
  confidence: oneOf('one', CONFIDENCES),
  dev: { read: (text) => (text === '' ? null : [text]), expected: 'the name of an interface' },
  table: {
    read: (text) => (/^([a-z][\w.-]*|\d{1,10})$/i.test(text) ? [TABLE_NAMES[text] ?? text] : null),
    expected: 'a routing table: main, local, default or a number',
  },
  gateway: {
    read(text) {
      const address = parseAddress(text);
      return address === null ? null : [formatAddress(address.bytes, 0, address.version)];
    },
    expected: 'the address of a gateway',
  },
  prefix: {
    read(text) {
      if (text === 'default') return ['0.0.0.0/0', '::/0'];
      const net = parsePrefix(text);
      if (net === null) return null;
      return [`${formatAddress(maskAddress(net.bytes, net.prefixLen), 0, net.version)}/${net.prefixLen}`];
    },
    expected: 'a prefix such as 10.2.0.0/16, or default',
  },
};

function wholeUpTo(max: number): (text: string) => number | null {
  return (text) => (/^\d{1,10}$/.test(text) && Number(text) <= max ? Number(text) : null);
}

function oneOf(what: string, words: Readonly<Record<string, true>>): ValueReader<string[]> {
  return {
    read: (text) => (Object.hasOwn(words, text.toLowerCase()) ? [text.toLowerCase()] : null),
    expected: `${what} of ${Object.keys(words).join(' ')}`,
  };
}

import type { Comparator, FilterNode, FlowQuantity, RouteTextField, Side } from '../../storage/filter-ast.ts';
import type { UsageError } from '../errors.ts';
import { parseCount, parseDuration } from '../../daemon/options/units.ts';
import { mistakeAt, type Token, tokenize } from './tokens.ts';
import {
  ADDRESS,
  COMMUNITY_ID,
  FLAGS,
  FLOW_ID,
  NAME,
  NET,
  PORT,
  PROTOCOL,
  ROUTE_VALUES,
  RULE,
  STATE,
  TUNNEL,
  TUNNEL_ID,
  type ValueReader,
  VLAN,
} from './values.ts';

/** Deeper nesting is a mistake, or an attempt to exhaust the stack. */
const MAX_DEPTH = 200;

const COMPARATORS: Readonly<Record<string, Comparator>> = {
  '=': '=',
  '==': '=',
  '!=': '!=',
  '>': '>',
  '>=': '>=',
  '<': '<',
  '<=': '<=',
};

/** Protocols that stand alone, as in `tcp port 80`. */
const PROTOCOL_WORDS = ['tcp', 'udp', 'icmp', 'icmp6', 'sctp'];

const COUNT: ValueReader<bigint> = { read: parseCount, expected: 'a number such as 1500, 10k, 5M or 1G' };
const DURATION: ValueReader<bigint> = { read: parseDuration, expected: 'a duration such as 5s, 500ms or 2m' };
const QUANTITIES: Readonly<Record<FlowQuantity, ValueReader<bigint>>> = {
  bytes: COUNT,
  packets: COUNT,
  retransmits: COUNT,
  duration: DURATION,
  pps: COUNT,
  bps: COUNT,
  bpp: COUNT,
};

const PRIMITIVES =
  'host, src, dst, net, port, proto, tcp, udp, icmp, icmp6, sctp, ip, ip6, netns, if, vlan, tunnel, state, flags, bytes, packets, duration, retransmits, pps, bps, bpp, flow, community-id, experiment, route, an address, not, or (';

/**
 * Reads a filter expression: see `nstap flows --help`. `not` binds tighter than `and`, `and` tighter than `or`; two
 * primitives side by side are joined by `and`; a value alone after `and` or `or` takes the qualifier before it
 * (`port 80 or 443`).
 * @returns null for a blank expression: every flow
 * @throws UsageError with the expression, a caret and what was expected
 */
export function parseFilter(expression: string): FilterNode | null {
  return new Parser(expression).parse();
}

class Parser {
  readonly #expression: string;
  readonly #tokens: Token[];
  #next = 0;
  #depth = 0;
  /** Reads a value alone as the primitive before it would have. */
  #qualifier: (() => FilterNode) | null = null;

  constructor(expression: string) {
    this.#expression = expression;
    this.#tokens = tokenize(expression);
  }

  parse(): FilterNode | null {
    if (this.#peek().kind === 'end') return null;
    const node = this.#or();
    if (this.#peek().kind !== 'end') throw this.#mistake('"and", "or" or the end');
    return node;
  }

  #or(): FilterNode {
    const nodes = [this.#and()];
    while (this.#take('or', '||')) nodes.push(this.#and());
    return nodes.length === 1 ? nodes[0]! : { kind: 'or', nodes };
  }

  #and(): FilterNode {
    const nodes = [this.#not()];
    for (;;) {
      const isExplicit = this.#take('and', '&&');
      if (!isExplicit && (this.#peek().kind === 'end' || this.#sees('or', '||', ')', ']', 'in'))) break;
      nodes.push(this.#not());
    }
    return nodes.length === 1 ? nodes[0]! : { kind: 'and', nodes };
  }

  #not(): FilterNode {
    if (++this.#depth > MAX_DEPTH) throw this.#mistake(`at most ${MAX_DEPTH} levels`);
    try {
      if (this.#take('not', '!')) return { kind: 'not', node: this.#not() };
      if (!this.#take('(')) return this.#primitive();
      const node = this.#or();
      if (!this.#take(')')) throw this.#mistake('"and", "or" or ")"');
      return node;
    } finally {
      this.#depth--;
    }
  }

  #primitive(): FilterNode {
    const token = this.#peek();
    const word = token.kind === 'word' ? token.text.toLowerCase() : '';
    const primitive = Object.hasOwn(this.#primitives, word) ? this.#primitives[word] : undefined;
    if (primitive !== undefined) {
      this.#next++;
      return primitive();
    }
    if (token.kind === 'word') {
      if (ADDRESS.read(token.text) !== null) return this.#host('any');
      if (NET.read(token.text) !== null) return this.#net('any');
      if (this.#qualifier !== null && /^\d/.test(token.text)) return this.#qualifier();
    }
    throw this.#mistake(PRIMITIVES);
  }

  readonly #primitives: Readonly<Record<string, () => FilterNode>> = {
    ...Object.fromEntries(
      PROTOCOL_WORDS.map((name) => [
        name,
        () => ({ kind: 'proto', numbers: [PROTOCOL.read(name)!] }) as const,
      ]),
    ),
    src: () => this.#sided(this.#take('or') ? this.#expect('dst', 'any') : 'src'),
    dst: () => this.#sided(this.#take('or') ? this.#expect('src', 'any') : 'dst'),
    host: () => this.#host('any'),
    net: () => this.#net('any'),
    port: () => this.#port('any'),
    ip: () => this.#ip(4),
    ip6: () => this.#ip(6),
    proto: () => this.#oneOf(PROTOCOL, (numbers) => ({ kind: 'proto', numbers })),
    netns: () => this.#oneOf(NAME, (names) => ({ kind: 'netns', names })),
    if: () => this.#oneOf(NAME, (names) => ({ kind: 'interface', names })),
    interface: () => this.#oneOf(NAME, (names) => ({ kind: 'interface', names })),
    experiment: () => this.#oneOf(NAME, (names) => ({ kind: 'experiment', names })),
    state: () => this.#oneOf(STATE, (states) => ({ kind: 'state', states })),
    vlan: () => {
      const hasId = this.#sees('in', '=', '==', '!=') || VLAN.read(this.#peek().text) !== null;
      return hasId ? this.#oneOf(VLAN, (ids) => ({ kind: 'vlan', ids })) : { kind: 'vlan', ids: null };
    },
    tunnel: () => this.#tunnel(),
    flags: () => ({ kind: 'flags', mask: this.#value(FLAGS) }),
    bytes: () => this.#quantity('bytes'),
    packets: () => this.#quantity('packets'),
    duration: () => this.#quantity('duration'),
    retransmits: () => this.#quantity('retransmits'),
    pps: () => this.#quantity('pps'),
    bps: () => this.#quantity('bps'),
    bpp: () => this.#quantity('bpp'),
    flow: () => this.#oneOf(FLOW_ID, (values) => ({ kind: 'flowId', values })),
    'community-id': () => this.#oneOf(COMMUNITY_ID, (values) => ({ kind: 'communityId', values })),
    route: () => this.#route(),
  };

  #sided(side: Side): FilterNode {
    if (this.#take('host') || this.#take('ip', 'ip6')) return this.#host(side);
    if (this.#take('net')) return this.#net(side);
    if (this.#take('port')) return this.#port(side);
    const { text } = this.#peek();
    if (this.#sees('in') || ADDRESS.read(text) !== null) return this.#host(side);
    if (NET.read(text) !== null) return this.#net(side);
    throw this.#mistake('host, net, port or an address');
  }

  #host(side: Side): FilterNode {
    return this.#oneOf(ADDRESS, (addresses) => ({ kind: 'host', side, addresses }));
  }

  #net(side: Side): FilterNode {
    return this.#oneOf(NET, (nets) => ({ kind: 'net', side, nets }));
  }

  #port(side: Side): FilterNode {
    this.#qualifier = () => this.#port(side);
    if (this.#take('in')) return { kind: 'port', side, comparator: '=', values: this.#list(PORT) };
    return { kind: 'port', side, comparator: this.#comparator() ?? '=', values: [this.#value(PORT)] };
  }

  /** `ip` is IPv4; nfdump's `ip 10.0.0.1` is a host. */
  #ip(version: 4 | 6): FilterNode {
    if (this.#sees('in') || ADDRESS.read(this.#peek().text) !== null) return this.#host('any');
    return { kind: 'ipVersion', version };
  }

  #quantity(field: FlowQuantity): FilterNode {
    this.#qualifier = () => this.#quantity(field);
    const reader = QUANTITIES[field];
    if (this.#take('in')) {
      const nodes = this.#list(reader).map(
        (value): FilterNode => ({ kind: 'quantity', field, comparator: '=', value }),
      );
      return { kind: 'or', nodes };
    }
    const comparator = this.#comparator() ?? '=';
    return { kind: 'quantity', field, comparator, value: this.#value(reader) };
  }

  /** A type, `any` (or nothing more) for each of them, `none`, `id N` or `outer N`. */
  #tunnel(): FilterNode {
    if (this.#take('id')) return this.#oneOf(TUNNEL_ID, (values) => ({ kind: 'tunnelId', values }));
    if (this.#take('outer')) return this.#oneOf(FLOW_ID, (values) => ({ kind: 'tunnelOuter', values }));
    const any: FilterNode = { kind: 'tunnel', types: null };
    if (this.#take('none')) return { kind: 'not', node: any };
    if (this.#take('any')) return any;
    const isBare =
      this.#peek().kind === 'end' ||
      this.#sees('and', 'or', 'not', '&&', '||', '!', '(', ')', ...Object.keys(this.#primitives));
    if (isBare) return any;
    return this.#oneOf(TUNNEL, (types) => ({ kind: 'tunnel', types }));
  }

  #route(): FilterNode {
    const field = this.#peek().text.toLowerCase();
    if (this.#take('changed')) return { kind: 'routeChanged' };
    if (this.#take('rule')) return this.#oneOf(RULE, (values) => ({ kind: 'routeRule', values }));
    if (!Object.hasOwn(ROUTE_VALUES, field))
      throw this.#mistake(`changed, rule, ${Object.keys(ROUTE_VALUES).join(', ')}`);
    this.#next++;
    const name = field as RouteTextField;
    return this.#oneOf(ROUTE_VALUES[name], (values) => ({
      kind: 'route',
      field: name,
      values: values.flat(),
    }));
  }

  /** `V`, `= V`, `!= V` or `in [ V … ]`, and the same again for a value alone that follows. */
  #oneOf<T>(reader: ValueReader<T>, make: (values: T[]) => FilterNode): FilterNode {
    this.#qualifier = () => this.#oneOf(reader, make);
    if (this.#take('in')) return make(this.#list(reader));
    const isNot = this.#take('!=');
    if (!isNot) this.#take('=', '==');
    const node = make([this.#value(reader)]);
    return isNot ? { kind: 'not', node } : node;
  }

  #list<T>(reader: ValueReader<T>): T[] {
    if (!this.#take('[')) throw this.#mistake('"["');
    const values = [this.#value(reader)];
    while (!this.#take(']')) {
      this.#take(',');
      values.push(this.#value(reader, `${reader.expected}, or "]"`));
    }
    return values;
  }

  #value<T>(reader: ValueReader<T>, expected = reader.expected): T {
    const token = this.#peek();
    const value = token.kind === 'word' || token.kind === 'quoted' ? reader.read(token.text) : null;
    if (value === null) throw this.#mistake(expected);
    this.#next++;
    return value;
  }

  #comparator(): Comparator | null {
    const { kind, text } = this.#peek();
    const comparator = kind === 'symbol' ? COMPARATORS[text] : undefined;
    if (comparator === undefined) return null;
    this.#next++;
    return comparator;
  }

  #expect<T>(word: string, result: T): T {
    if (!this.#take(word)) throw this.#mistake(`"${word}"`);
    return result;
  }

  #peek(): Token {
    return this.#tokens[this.#next]!;
  }

  #sees(...texts: string[]): boolean {
    const { kind, text } = this.#peek();
    return (kind === 'word' || kind === 'symbol') && texts.includes(text.toLowerCase());
  }

  #take(...texts: string[]): boolean {
    if (!this.#sees(...texts)) return false;
    this.#next++;
    return true;
  }

  #mistake(expected: string): UsageError {
    const { kind, text, at } = this.#peek();
    const found = kind === 'end' ? 'the expression ends' : `found ${JSON.stringify(text)}`;
    return mistakeAt(this.#expression, at, `${found} where this was expected: ${expected}`);
  }
}

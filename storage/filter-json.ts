import type {
  Comparator,
  FilterAddress,
  FilterNode,
  FlowQuantity,
  RouteTextField,
  Side,
} from './filter-ast.ts';
import { CONN_STATES, TUNNEL_TYPES } from './flow-batch.ts';

/** Octets of a filter as JSON, at most: a request of the control socket takes it with room to spare. */
export const FILTER_JSON_MAX = 49_152;
/**
 * What a filter may cost each packet: a value of a list counts as 1, for it is looked up, a condition, an "and", an "or" and a
 * "not" as 16, and a condition by community id, which is a digest, as 1,000. So there are 256 levels at most, too.
 */
export const FILTER_COST_MAX = 4096;
const CONDITION_COST = 16;
const DIGEST_COST = 1000;

/** Characters of a name, at most: namespaces have 255, experiments 100 and a number. */
const NAME_MAX = 255;
const INT64_MAX = 2n ** 63n - 1n;
/** Characters of a foreign text that a message repeats. */
const SHOWN_MAX = 40;
/** Characters of a place that a message names: its end. */
const PATH_MAX = 80;

/** `FILTER_TOO_LARGE`: beyond one of the bounds above; `FILTER_INVALID`: no filter that this version knows. */
export type FilterJsonCode = 'FILTER_TOO_LARGE' | 'FILTER_INVALID';

/** A text is no filter, or a filter is too large to be sent. The message says where: "filter.nodes[1].values[0]: …". */
export class FilterJsonError extends Error {
  readonly code: FilterJsonCode;

  constructor(code: FilterJsonCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FilterJsonError';
    this.code = code;
  }
}

/**
 * The filter as JSON, for another process: keys as in FilterNode, addresses as 8 or 32 hexadecimal digits, quantities as decimal
 * digits. Quantities beyond 64 bits become the largest that there is, as filterToSql takes them.
 * @throws FilterJsonError FILTER_TOO_LARGE when decodeFilter would refuse it
 */
export function encodeFilter(node: FilterNode): string {
  new Reader().weigh(node);
  const text = JSON.stringify(node, (_, value: unknown) => {
    if (typeof value === 'bigint') return String(value > INT64_MAX ? INT64_MAX : value);
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
  });
  checkLength(text);
  return text;
}

/**
 * Reads what encodeFilter wrote, or anything else: what comes over a socket is not trusted. The result is made anew, and has
 * the kinds and keys of FilterNode and no others, with numbers in their range.
 * @throws FilterJsonError, and nothing else
 */
export function decodeFilter(text: string): FilterNode {
  checkLength(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // A SyntaxError; of JSON that is nested too deep for the parser, a RangeError.
    throw new FilterJsonError('FILTER_INVALID', 'filter: no JSON', { cause: error });
  }
  return new Reader().node(value, 'filter');
}

function checkLength(text: string): void {
  const octets = Buffer.byteLength(text);
  if (octets > FILTER_JSON_MAX)
    throw new FilterJsonError(
      'FILTER_TOO_LARGE',
      `filter: ${octets} octets as JSON, of which ${FILTER_JSON_MAX} can be sent; name fewer values, or a network instead of many hosts`,
    );
}

const SIDES: Record<Side, true> = { src: true, dst: true, any: true };
const COMPARATORS: Record<Comparator, true> = {
  '=': true,
  '!=': true,
  '>': true,
  '>=': true,
  '<': true,
  '<=': true,
};
const QUANTITIES: Record<FlowQuantity, true> = {
  bytes: true,
  packets: true,
  duration: true,
  retransmits: true,
  pps: true,
  bps: true,
  bpp: true,
};
const ROUTE_FIELDS: Record<RouteTextField, true> = {
  type: true,
  verdict: true,
  table: true,
  prefix: true,
  gateway: true,
  dev: true,
  observed: true,
  stage: true,
  confidence: true,
};
const STATES = Object.fromEntries(CONN_STATES.filter((name) => name !== null).map((name) => [name, true]));

type Source = Record<string, unknown>;
type Kind = FilterNode['kind'];
/** Reads a node whose kind is known. */
type Readers = { [K in Kind]: (r: Reader, from: Source, path: string) => FilterNode };

const READERS: Readers = {
  and: (r, from, path) => r.group('and', from, path),
  or: (r, from, path) => r.group('or', from, path),
  not: (r, from, path) => ({
    kind: 'not',
    node: r.node(r.keys(from, path, 'node').node, `${path}.node`),
  }),
  host: (r, from, path) => ({
    kind: 'host',
    side: r.word(SIDES, r.keys(from, path, 'side', 'addresses').side, `${path}.side`),
    addresses: r.list(from.addresses, `${path}.addresses`, (each, at) =>
      r.address(r.object(each, at), at, 'version', 'bytes'),
    ),
  }),
  net: (r, from, path) => ({
    kind: 'net',
    side: r.word(SIDES, r.keys(from, path, 'side', 'nets').side, `${path}.side`),
    nets: r.list(from.nets, `${path}.nets`, (each, at) => {
      const net = r.object(each, at);
      const address = r.address(net, at, 'version', 'bytes', 'prefixLen');
      const prefixLen = r.whole(net.prefixLen, `${at}.prefixLen`, address.bytes.length * 8);
      return { ...address, prefixLen };
    }),
  }),
  port: (r, from, path) => {
    r.keys(from, path, 'side', 'comparator', 'values');
    const side = r.word(SIDES, from.side, `${path}.side`);
    const comparator = r.word(COMPARATORS, from.comparator, `${path}.comparator`);
    const values = r.numbers(from.values, `${path}.values`, 0xffff);
    if (values.length > 1 && comparator !== '=' && comparator !== '!=')
      throw wanted(`${path}.values`, `one value after ${comparator}`);
    return { kind: 'port', side, comparator, values };
  },
  proto: (r, from, path) => ({
    kind: 'proto',
    numbers: r.numbers(r.keys(from, path, 'numbers').numbers, `${path}.numbers`, 0xff),
  }),
  ipVersion: (r, from, path) => ({
    kind: 'ipVersion',
    version: r.version(r.keys(from, path, 'version').version, `${path}.version`),
  }),
  netns: (r, from, path) => ({ kind: 'netns', names: r.names(r.keys(from, path, 'names'), path) }),
  interface: (r, from, path) => ({ kind: 'interface', names: r.names(r.keys(from, path, 'names'), path) }),
  experiment: (r, from, path) => ({ kind: 'experiment', names: r.names(r.keys(from, path, 'names'), path) }),
  vlan: (r, from, path) => {
    const { ids } = r.keys(from, path, 'ids');
    return { kind: 'vlan', ids: ids === null ? null : r.numbers(ids, `${path}.ids`, 0xfff) };
  },
  tunnel: (r, from, path) => {
    const { types } = r.keys(from, path, 'types');
    if (types === null) return { kind: 'tunnel', types };
    return { kind: 'tunnel', types: r.numbers(types, `${path}.types`, TUNNEL_TYPES.length - 1, 1) };
  },
  tunnelId: (r, from, path) => ({ kind: 'tunnelId', values: r.values(from, path, 0xffff_ffff) }),
  tunnelOuter: (r, from, path) => ({
    kind: 'tunnelOuter',
    values: r.values(from, path, Number.MAX_SAFE_INTEGER),
  }),
  flowId: (r, from, path) => ({ kind: 'flowId', values: r.values(from, path, Number.MAX_SAFE_INTEGER) }),
  communityId: (r, from, path) => ({
    kind: 'communityId',
    values: r.texts(r.keys(from, path, 'values').values, `${path}.values`),
  }),
  state: (r, from, path) => ({
    kind: 'state',
    states: r.list(r.keys(from, path, 'states').states, `${path}.states`, (each, at) =>
      r.word(STATES, each, at),
    ),
  }),
  flags: (r, from, path) => ({
    kind: 'flags',
    mask: r.whole(r.keys(from, path, 'mask').mask, `${path}.mask`, 0xff),
  }),
  quantity: (r, from, path) => {
    r.keys(from, path, 'field', 'comparator', 'value');
    return {
      kind: 'quantity',
      field: r.word(QUANTITIES, from.field, `${path}.field`),
      comparator: r.word(COMPARATORS, from.comparator, `${path}.comparator`),
      value: r.quantity(from.value, `${path}.value`),
    };
  },
  route: (r, from, path) => ({
    kind: 'route',
    field: r.word(ROUTE_FIELDS, r.keys(from, path, 'field', 'values').field, `${path}.field`),
    values: r.texts(from.values, `${path}.values`),
  }),
  routeRule: (r, from, path) => ({ kind: 'routeRule', values: r.values(from, path, 0xffff_ffff) }),
  routeChanged: (r, from, path) => {
    r.keys(from, path);
    return { kind: 'routeChanged' };
  },
};

/** Reads one filter, and adds up its cost. */
class Reader {
  #cost = 0;

  node(value: unknown, path: string): FilterNode {
    const from = this.object(value, path);
    const kind = this.word(READERS, from.kind, `${path}.kind`);
    this.#enter(kind);
    return READERS[kind](this, from, path);
  }

  /** Throws as reading the node would for its size. */
  weigh(node: FilterNode): void {
    this.#enter(node.kind);
    if ('nodes' in node) for (const each of node.nodes) this.weigh(each);
    else if ('node' in node) this.weigh(node.node);
    else for (const each of Object.values(node)) if (Array.isArray(each)) this.#count(each.length);
  }

  group(kind: 'and' | 'or', from: Source, path: string): FilterNode {
    const { nodes } = this.keys(from, path, 'nodes');
    const all = this.#array(nodes, `${path}.nodes`);
    return { kind, nodes: all.map((each, i) => this.node(each, `${path}.nodes[${i}]`)) };
  }

  object(value: unknown, path: string): Source {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wanted(path, 'an object');
    return value as Source;
  }

  /** Checks that an object has these keys, a node's `kind`, and no others. */
  keys(from: Source, path: string, ...names: readonly string[]): Source {
    for (const key of Object.keys(from))
      if (key !== 'kind' && !names.includes(key)) throw wanted(path, `no ${shown(key)}`);
    for (const name of names) if (!Object.hasOwn(from, name)) throw wanted(path, `${JSON.stringify(name)}`);
    return from;
  }

  word<T extends string>(words: Readonly<Record<T, unknown>>, value: unknown, path: string): T {
    // The program's own copy of the word, which V8 compares by its address.
    for (const word of Object.keys(words)) if (word === value) return word as T;
    throw wanted(path, `one of ${Object.keys(words).join(' ')}`, value);
  }

  list<T>(value: unknown, path: string, read: (each: unknown, path: string) => T): T[] {
    const all = this.#array(value, path);
    this.#count(all.length);
    return all.map((each, i) => read(each, `${path}[${i}]`));
  }

  whole(value: unknown, path: string, max: number, min = 0): number {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max)
      return value + 0;
    throw wanted(path, `a whole number from ${min} to ${max}`, value);
  }

  numbers(value: unknown, path: string, max: number, min = 0): number[] {
    return this.list(value, path, (each, at) => this.whole(each, at, max, min));
  }

  values(from: Source, path: string, max: number): number[] {
    return this.numbers(this.keys(from, path, 'values').values, `${path}.values`, max);
  }

  texts(value: unknown, path: string): string[] {
    return this.list(value, path, (each, at) => {
      if (typeof each === 'string' && each.length > 0 && each.length <= NAME_MAX) return each;
      throw wanted(at, `a text of 1 to ${NAME_MAX} characters`, each);
    });
  }

  names(from: Source, path: string): string[] {
    return this.texts(from.names, `${path}.names`);
  }

  version(value: unknown, path: string): 4 | 6 {
    if (value === 4 || value === 6) return value;
    throw wanted(path, '4 or 6', value);
  }

  address(from: Source, path: string, ...keys: readonly string[]): FilterAddress {
    this.keys(from, path, ...keys);
    if (Object.hasOwn(from, 'kind')) throw wanted(path, 'no "kind"');
    const version = this.version(from.version, `${path}.version`);
    const digits = version === 4 ? 8 : 32;
    const text = from.bytes;
    if (typeof text !== 'string' || text.length !== digits || !/^[0-9a-f]*$/.test(text))
      throw wanted(`${path}.bytes`, `${digits} hexadecimal digits`, text);
    return { version, bytes: Uint8Array.from(Buffer.from(text, 'hex')) };
  }

  quantity(value: unknown, path: string): bigint {
    if (typeof value === 'string' && /^\d{1,19}$/.test(value) && BigInt(value) <= INT64_MAX)
      return BigInt(value);
    throw wanted(path, `decimal digits from "0" to "${INT64_MAX}"`, value);
  }

  #array(value: unknown, path: string): unknown[] {
    if (Array.isArray(value) && value.length > 0) return value;
    throw wanted(path, 'a list that is not empty');
  }

  #enter(kind: Kind): void {
    this.#count(kind === 'communityId' ? DIGEST_COST : CONDITION_COST);
  }

  #count(cost: number): void {
    this.#cost += cost;
    if (this.#cost > FILTER_COST_MAX)
      throw new FilterJsonError(
        'FILTER_TOO_LARGE',
        `filter: it would cost each packet more than ${FILTER_COST_MAX}, where a condition is ${CONDITION_COST}, one by community id ${DIGEST_COST} and a value of a list 1; name fewer of them, or lists (in [ … ]) instead of "or"`,
      );
  }
}

function wanted(path: string, what: string, value?: unknown): FilterJsonError {
  const found = value === undefined ? '' : `, not ${shown(value)}`;
  const place = path.length > PATH_MAX ? `filter…${path.slice(-PATH_MAX)}` : path;
  return new FilterJsonError('FILTER_INVALID', `${place}: ${what} is wanted${found}`);
}

/** A foreign value, short and in ASCII without control characters. */
function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = JSON.stringify(value).slice(0, SHOWN_MAX);
  return text.replace(/[^ -~]/g, '?');
}

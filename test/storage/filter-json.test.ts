import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFilter } from '../../cli/filter/parse.ts';
import type { FilterNode } from '../../storage/filter-ast.ts';
import {
  decodeFilter,
  encodeFilter,
  FILTER_JSON_MAX,
  FILTER_COST_MAX,
  FilterJsonError,
} from '../../storage/filter-json.ts';
import { filters } from './filter-arbitraries.ts';

function refusal(text: string): { code: string; message: string } {
  try {
    decodeFilter(text);
  } catch (error) {
    if (!(error instanceof FilterJsonError)) throw error;
    return { code: error.code, message: error.message };
  }
  throw new Error(`${text} was read`);
}

/** Random filters that a client may send: some would cost each packet too much. */
const sendable = (experiments: string[]): fc.Arbitrary<FilterNode> =>
  filters(experiments).filter((node) => {
    try {
      return encodeFilter(node) !== '';
    } catch (error) {
      if (error instanceof FilterJsonError && error.code === 'FILTER_TOO_LARGE') return false;
      throw error;
    }
  });

const nested = (levels: number): FilterNode => {
  let node: FilterNode = { kind: 'routeChanged' };
  for (let i = 1; i < levels; i++) node = { kind: 'not', node };
  return node;
};

describe('a filter as JSON', () => {
  test('comes back as it was, whatever it is', () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(sendable(['web', 'web#2', '\u{1f980} "\\']), (node) => {
        const text = encodeFilter(node);
        // Beyond 64 bits a quantity is the largest one.
        const largest = (each: FilterNode): FilterNode => {
          kinds.add(each.kind);
          if (each.kind === 'quantity')
            return { ...each, value: each.value >= 2n ** 63n ? 2n ** 63n - 1n : each.value };
          if ('nodes' in each) return { ...each, nodes: each.nodes.map(largest) };
          return each.kind === 'not' ? { ...each, node: largest(each.node) } : each;
        };
        expect(decodeFilter(text)).toEqual(largest(node));
        expect(encodeFilter(decodeFilter(text))).toBe(text);
      }),
      { numRuns: 2000, size: 'max' } as fc.Parameters<[FilterNode]>,
    );
    expect(kinds.size).toBe(23);
  });

  test('is one line that says what it is', () => {
    expect(encodeFilter(parseFilter('src net 10.0.0.0/8 and not bytes > 1M')!)).toBe(
      '{"kind":"and","nodes":[{"kind":"net","side":"src","nets":[{"version":4,"bytes":"0a000000","prefixLen":8}]},' +
        '{"kind":"not","node":{"kind":"quantity","field":"bytes","comparator":">","value":"1000000"}}]}',
    );
  });

  test('takes filters as deep as anybody types them', () => {
    const deep = parseFilter(`${'(tcp or udp '.repeat(50)}tcp${')'.repeat(50)}`)!;
    expect(decodeFilter(encodeFilter(deep))).toEqual(deep);
  });

  test.each<[string, FilterNode]>([
    ['levels', nested(FILTER_COST_MAX / 16 + 1)],
    ['conditions', { kind: 'or', nodes: Array.from({ length: FILTER_COST_MAX / 16 }, () => nested(1)) }],
    ['values', { kind: 'proto', numbers: new Array(FILTER_COST_MAX - 15).fill(6) }],
    [
      'community ids',
      {
        kind: 'or',
        nodes: Array.from({ length: 5 }, () => ({ kind: 'communityId', values: ['1:x='] }) as const),
      },
    ],
    ['octets', { kind: 'netns', names: new Array(300).fill('\u20ac'.repeat(60)) }],
  ])('is neither written nor read with too many %s', (_, node) => {
    expect(() => encodeFilter(node)).toThrow(
      expect.objectContaining({ name: 'FilterJsonError', code: 'FILTER_TOO_LARGE' }),
    );
    expect(refusal(JSON.stringify(node)).code).toBe('FILTER_TOO_LARGE');
  });

  test('is written and read with as many of each as there may be', () => {
    for (const node of [
      nested(FILTER_COST_MAX / 16),
      { kind: 'proto', numbers: new Array(FILTER_COST_MAX - 16).fill(6) } as const,
    ])
      expect(decodeFilter(encodeFilter(node))).toEqual(node);
    const name = 'x'.repeat(
      FILTER_JSON_MAX - JSON.stringify({ kind: 'netns', names: ['', 'x'.repeat(255)] }).length,
    );
    expect(name.length).toBeGreaterThan(255);
    expect(refusal(JSON.stringify({ kind: 'netns', names: [name] })).code).toBe('FILTER_INVALID');
  });
});

describe('what is no filter is refused, with its place', () => {
  test.each([
    ['', 'filter: no JSON'],
    ['[', 'filter: no JSON'],
    ['null', 'filter: an object is wanted'],
    ['[]', 'filter: an object is wanted'],
    ['{}', 'filter.kind: one of and or not'],
    ['{"kind":"drop"}', 'not "drop"'],
    ['{"kind":"__proto__"}', 'not "__proto__"'],
    ['{"kind":"toString"}', 'not "toString"'],
    ['{"kind":["and"]}', 'not a list'],
    ['{"kind":"routeChanged","more":1}', 'filter: no "more" is wanted'],
    ['{"kind":"routeChanged","__proto__":{}}', 'filter: no "__proto__" is wanted'],
    ['{"kind":"and","nodes":[]}', 'filter.nodes: a list that is not empty is wanted'],
    ['{"kind":"and","nodes":{"length":1}}', 'filter.nodes: a list that is not empty'],
    ['{"kind":"or","nodes":[{"kind":"routeChanged"},1]}', 'filter.nodes[1]: an object is wanted'],
    ['{"kind":"not"}', 'filter: "node" is wanted'],
    ['{"kind":"host","side":"any","addresses":[{"version":4,"bytes":"0a0000"}]}', '8 hexadecimal digits'],
    ['{"kind":"host","side":"any","addresses":[{"version":6,"bytes":"0a000001"}]}', '32 hexadecimal digits'],
    [
      '{"kind":"host","side":"any","addresses":[{"version":5,"bytes":""}]}',
      '.version: 4 or 6 is wanted, not 5',
    ],
    ['{"kind":"host","side":"any","addresses":[{"kind":1,"version":4,"bytes":"0a000001"}]}', 'no "kind"'],
    ['{"kind":"host","side":"both","addresses":[]}', 'filter.side: one of src dst any is wanted, not "both"'],
    [
      '{"kind":"net","side":"any","nets":[{"version":4,"bytes":"0a000001","prefixLen":33}]}',
      'filter.nets[0].prefixLen: a whole number from 0 to 32 is wanted, not 33',
    ],
    ['{"kind":"port","side":"any","comparator":"=","values":[65536]}', 'filter.values[0]: a whole number'],
    ['{"kind":"port","side":"any","comparator":"=","values":["80"]}', 'not "80"'],
    ['{"kind":"port","side":"any","comparator":"=","values":[1.5]}', 'not 1.5'],
    ['{"kind":"port","side":"any","comparator":">","values":[1,2]}', 'one value after >'],
    ['{"kind":"port","side":"any","comparator":"~","values":[1]}', 'one of = != > >= < <='],
    ['{"kind":"proto","numbers":[256]}', 'from 0 to 255'],
    ['{"kind":"vlan","ids":[4096]}', 'from 0 to 4095'],
    ['{"kind":"vlan"}', 'filter: "ids" is wanted'],
    ['{"kind":"tunnel","types":[0]}', 'from 1 to 10'],
    ['{"kind":"tunnelId","values":[4294967296]}', 'from 0 to 4294967295'],
    ['{"kind":"flowId","values":[1e300]}', 'from 0 to 9007199254740991'],
    ['{"kind":"state","states":["sf"]}', 'one of S0 S1 SF'],
    ['{"kind":"flags","mask":256}', 'from 0 to 255'],
    ['{"kind":"netns","names":[""]}', 'a text of 1 to 255 characters'],
    ['{"kind":"quantity","field":"bytes","comparator":"=","value":1}', 'decimal digits'],
    ['{"kind":"quantity","field":"bytes","comparator":"=","value":"-1"}', 'decimal digits'],
    ['{"kind":"quantity","field":"bytes","comparator":"=","value":"9223372036854775808"}', 'decimal digits'],
    ['{"kind":"route","field":"reason","values":["x"]}', 'one of type verdict table'],
    [
      '{"kind":"route","field":"type","values":["\\u001b[31m\\u20ac"],"x\\u001b":1}',
      'no "x\\u001b" is wanted',
    ],
  ])('%s', (text, message) => {
    const refused = refusal(text);
    expect(refused.code).toBe('FILTER_INVALID');
    expect(refused.message).toContain(message);
    expect(refused.message).toMatch(/^[ -~…]{1,400}$/);
  });

  test('JSON that is nested without end, too', () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"kind":"not","node":', '}'],
    ] as const) {
      const levels = Math.floor(FILTER_JSON_MAX / (open.length + close.length)) - 1;
      expect(refusal(open.repeat(levels)).code).toBe('FILTER_INVALID');
      expect(refusal(`${open.repeat(levels)}1${close.repeat(levels)}`).code).toMatch(/^FILTER_/);
    }
    expect(refusal('x'.repeat(FILTER_JSON_MAX + 1)).code).toBe('FILTER_TOO_LARGE');
  });

  test('whatever a value of a filter is replaced by, it is read or refused', () => {
    const outcomes = new Set<string>();
    const path = fc.infiniteStream(fc.nat(5));
    fc.assert(
      fc.property(sendable(['web']), path, fc.jsonValue({ maxDepth: 2 }), (node, steps, value) => {
        const text = JSON.stringify(replaced(JSON.parse(encodeFilter(node)), steps, value));
        try {
          const read = decodeFilter(text);
          expect(decodeFilter(encodeFilter(read))).toEqual(read);
          outcomes.add('read');
        } catch (error) {
          if (!(error instanceof FilterJsonError)) throw error;
          outcomes.add(error.code);
        }
      }),
      { numRuns: 5000, size: 'max' } as fc.Parameters<[FilterNode, fc.Stream<number>, unknown]>,
    );
    expect([...outcomes].sort()).toEqual(['FILTER_INVALID', 'read']);
  });
});

/** The value with one place in it replaced, where the steps lead. */
function replaced(from: unknown, steps: fc.Stream<number>, value: unknown): unknown {
  const step = steps.next().value;
  if (typeof from !== 'object' || from === null || step === 0) return value;
  const keys = Object.keys(from);
  const key = keys[step % keys.length]!;
  const copy = Array.isArray(from) ? [...from] : { ...from };
  Object.assign(copy, { [key]: replaced(from[key as never], steps, value) });
  return copy;
}

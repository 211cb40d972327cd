import { describe, expect, test } from 'vitest';
import { expectedAt } from '../../cli/filter/completion.ts';
import { FilterGrammar } from '../../cli/filter/grammar.ts';

test('the grammar has no mistake of its own', () => {
  expect(() => new FilterGrammar(true)).not.toThrow();
});

describe('what can follow', () => {
  test.each<[string, string[], string[], boolean]>([
    ['po', ['port'], [], false],
    ['port ', ['in', '=', '!=', '>', '>=', '<', '<='], ['a port number'], false],
    ['port in ', ['['], [], false],
    ['port in [80', [], ['a port number'], false],
    ['route ', ['changed', 'rule', 'type', 'verdict'], [], false],
    ['route ty', ['type'], [], false],
    ['route verdict ', ['deliver', 'forward', 'send', 'drop'], [], false],
    ['state s', ['SF', 'S0'], [], false],
    ['state S0', ['S0'], [], true],
    ['tcp ', ['and', 'or', 'host', 'port'], [], true],
    ['(tcp ', ['and', 'or', ')'], [], false],
    ['tunnel v', ['vxlan', 'vxlan-gpe', 'vlan'], [], false],
    ['src ', ['host', 'net', 'port', 'or'], ['an address'], false],
    ['', ['host', 'src', 'not', '('], [], true],
    ['not ', ['host', 'src', '('], [], false],
    ['netns ', ['in', '=', '!='], ['a name'], false],
  ])('%j', (expression, words, values, canEnd) => {
    const found = expectedAt(expression)!;
    expect(found.words).toEqual(expect.arrayContaining(words));
    for (const value of values) expect(found.values.join(' ')).toContain(value);
    expect(found.canEnd).toBe(canEnd);
    expect(found.at).toBe(expression.length - /\w*$/.exec(expression)![0].length);
  });

  test('is nothing behind a mistake', () => {
    expect(expectedAt('prot 80 and ')).toBeNull();
    expect(expectedAt('tcp ) ')).toBeNull();
    expect(expectedAt('netns "a')).toBeNull();
  });

  test('is not more than fits: a route has no port, and a whole value ends', () => {
    expect(expectedAt('route ')!.words).toHaveLength(11);
    expect(expectedAt('state x')!.words).toEqual([]);
    expect(expectedAt('port 80')!.canEnd).toBe(true);
  });
});

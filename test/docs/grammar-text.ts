// The grammar of filters as text, from what chevrotain tells of it.
import type { IProduction, Rule, TokenType } from 'chevrotain';
import { chevrotain } from '../../cli/filter/chevrotain.ts';
import type { FilterGrammar } from '../../cli/filter/grammar.ts';
import { KEYWORD_TOKENS, kindOf, wordOf } from '../../cli/filter/tokens.ts';
import { VALUE_KINDS } from '../../cli/filter/values.ts';

const { Alternation, Alternative, NonTerminal, Option, Repetition, Terminal } = chevrotain;

/** What stands at many places for different kinds of values, as a rule with a parameter. */
const SHARED: Readonly<Record<string, string>> = {
  '( "=" | "!=" | ">" | ">=" | "<" | "<=" )': 'compared',
  '( "=" | "!=" )': 'equal',
};

/** What a token stands for that is no kind of value by itself. */
const OTHER_TOKENS: Readonly<Record<string, string>> = {
  '<address-alone>': 'an IPv4 or IPv6 address; of the same end as a host or network before it',
  '<network-alone>': 'a network with its length; of the same end as a host or network before it',
  '<bare-value>':
    'a word that begins with a digit; read as a value of the predicate before it, as in port 80 or 443',
};

/** The grammar in EBNF, a rule a line; `equal(x)` and the like are rules with a parameter. */
export function ebnf(grammar: FilterGrammar): string {
  const shared = new Map<string, string>();
  const rules = inOrder(grammar).map(({ name, definition }): [string, string] => [
    ruleName(name),
    sequence(definition, shared).replace(/^\( ([^()]*) \)$/, '$1'),
  ]);
  const values = [
    ...VALUE_KINDS.map(({ name, expected }): [string, string] => [symbol(name), expected]),
    ...Object.entries(OTHER_TOKENS),
  ].map(([name, said]): [string, string] => [name, `(* ${said} *)`]);
  const lines = [
    ...rules,
    ...[...shared].map(([of, name]): [string, string] => [`${name}(x)`, of]),
    ...values,
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, of]) => `${name.padEnd(width)} = ${of} ;`).join('\n');
}

/** Rules from the first one on, each behind the first that calls it. */
function inOrder(grammar: FilterGrammar): Rule[] {
  const rules = grammar.getGAstProductions();
  const found = new Set<Rule>();
  const visit = (rule: Rule): void => {
    if (found.has(rule)) return;
    found.add(rule);
    const called: Rule[] = [];
    walk(rule.definition, (each) => {
      if (each instanceof NonTerminal) called.push(rules[each.nonTerminalName]!);
    });
    for (const each of called) visit(each);
  };
  visit(rules.filter!);
  return [...found];
}

function walk(definition: readonly IProduction[], visit: (each: IProduction) => void): void {
  for (const each of definition) {
    visit(each);
    if (!(each instanceof NonTerminal || each instanceof Terminal))
      walk((each as IProduction & { definition: IProduction[] }).definition, visit);
  }
}

/** A predicate as people are told of it, and what its values are. */
export interface PredicateForm {
  rule: string;
  form: string;
  values: string[];
}

/** Every predicate of the grammar; those behind `route` and `tunnel` one by one. */
export function predicateForms(grammar: FilterGrammar): PredicateForm[] {
  const rules = grammar.getGAstProductions();
  const calledBy = (name: string): string[] => {
    const called: string[] = [];
    walk(rules[name]!.definition, (each) => {
      if (each instanceof NonTerminal) called.push(each.nonTerminalName);
    });
    return called;
  };
  return calledBy('predicate').flatMap((name) => {
    const parts = calledBy(name).filter((part) => part.startsWith(`${name} `));
    const own = formOf(name, parts);
    return [own, ...parts.map((part) => formOf(part, []))];
  });

  function formOf(name: string, parts: string[]): PredicateForm {
    const values: string[] = [];
    walk(expanded(rules[name]!.definition), (each) => {
      const kind = each instanceof Terminal ? kindOf(each.terminalType) : undefined;
      if (kind !== undefined && !values.includes(kind.expected)) values.push(kind.expected);
    });
    const prefix = name.includes(' ') ? `${name.split(' ')[0]} ` : '';
    const written = sequence(expanded(rules[name]!.definition), new Map())
      .replace(/compared\((.*?)\)/g, 'CMP $1')
      .replace(/(?:equal|some)\((.*?)\)/g, '$1')
      .replaceAll('"', '');
    const without = parts.reduce(
      (of, part) => of.replace(`${ruleName(part)} | `, '').replace(` | ${ruleName(part)}`, ''),
      written,
    );
    return {
      rule: name,
      form: `${prefix}${without.replace(/\[ \( (.*) \) \]/, '[ $1 ]').replace(/^\( ([^()]*) \)$/, '$1')}`,
      values,
    };
  }

  /** What several predicates share is part of each. */
  function expanded(definition: readonly IProduction[]): IProduction[] {
    return definition.flatMap((each): IProduction[] => {
      if (each instanceof NonTerminal && SHARED_RULES.includes(each.nonTerminalName)) return each.definition;
      if (each instanceof Alternation)
        return [
          new Alternation({
            definition: each.definition.map(
              (one) => new Alternative({ definition: expanded((one as AlternativeOf).definition) }),
            ),
          }),
        ];
      return [each];
    });
  }
}

type AlternativeOf = IProduction & { definition: IProduction[] };
const SHARED_RULES = ['hosts', 'networks', 'ports'];

function sequence(definition: readonly IProduction[], shared: Map<string, string>): string {
  return definition.map((each) => text(each, shared)).join(' ');
}

function text(production: IProduction, shared: Map<string, string>): string {
  if (production instanceof Terminal) return terminal(production.terminalType);
  if (production instanceof NonTerminal) return ruleName(production.nonTerminalName);
  if (production instanceof Option) return `[ ${sequence(production.definition, shared)} ]`;
  if (production instanceof Repetition) return `{ ${sequence(production.definition, shared)} }`;
  if (production instanceof Alternative) return sequence(production.definition, shared);
  if (!(production instanceof Alternation)) throw new Error(`no text for ${production.constructor.name}`);
  const all = production.definition.map((each) => text(each, shared)).join(' | ');
  const name = Object.entries(SHARED).find(([sign]) => all.includes(`[ ${sign} ]`))?.[1];
  const values = [...new Set(all.match(/<[\w-]+>/g))];
  const isList = all.startsWith('"in" ') && values.length === 1;
  if (!isList) return `( ${all} )`;
  const rule = name ?? 'some';
  shared.set(all.replaceAll(values[0]!, 'x'), rule);
  return `${rule}(${values[0]})`;
}

function terminal(type: TokenType): string {
  const kind = kindOf(type);
  if (kind !== undefined) return symbol(kind.name);
  if (KEYWORD_TOKENS.includes(type)) return `"${wordOf(type)}"`;
  if (type === chevrotain.EOF) return '(* the end *)';
  if (type.name === 'comparator') return '( "=" | "!=" | ">" | ">=" | "<" | "<=" )';
  if (type.name === 'equality') return '( "=" | "!=" )';
  return /^\W+$/.test(type.name) ? `"${type.name}"` : symbol(type.name);
}

function symbol(name: string): string {
  return `<${name.toLowerCase().replaceAll(/[ _]/g, '-')}>`;
}

function ruleName(name: string): string {
  return name.replaceAll(' ', '-');
}

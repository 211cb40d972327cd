import type { IToken } from 'chevrotain';
import type { FilterAddress, FilterNode } from '../../storage/filter-ast.ts';
import { mistakeAt } from './mistake.ts';
import { tokensBehind } from './expected.ts';
import { FilterGrammar } from './grammar.ts';
import { explain, isName } from './explain.ts';
import { MAX_WORDS, textOf, tokenize } from './tokens.ts';
import { GrammarStop, type ValueRead } from './value-grammar.ts';
import type { ValueKind } from './values.ts';

/**
 * What a name stands for: addresses of a host, ports of a service. What it throws is what parseNamed throws.
 * @param at index of the name in the expression
 */
export type LookUp = (
  what: 'host' | 'service',
  name: string,
  at: number,
) => readonly FilterAddress[] | readonly number[];

let made: FilterGrammar | null = null;

/** The grammar, made at its first use. */
export function filterGrammar(): FilterGrammar {
  made ??= new FilterGrammar();
  return made;
}

/**
 * Reads a filter expression: see docs/filters.md. `not` binds tighter than `and`, `and` tighter than `or`; two predicates
 * side by side are joined by `and`; a value alone after `and` or `or` takes the qualifier before it (`port 80 or 443`).
 * @returns null for a blank expression: every flow
 * @throws UsageError with the expression, a caret and what was expected
 */
export function parseFilter(expression: string): FilterNode | null {
  return parseNamed(expression, null);
}

/** As parseFilter, with names where addresses and ports stand. @param lookUp null: names are a mistake */
export function parseNamed(expression: string, lookUp: LookUp | null): FilterNode | null {
  const tokens = tokenize(expression);
  if (tokens.length === 0) return null;
  const grammar = filterGrammar();
  try {
    const node = grammar.parse(tokens.slice(0, MAX_WORDS), readerOf(lookUp));
    if (tokens.length <= MAX_WORDS) return node;
  } catch (error) {
    if (!(error instanceof GrammarStop)) throw error;
    const index = tokens.indexOf(error.token);
    if (index >= 0 || tokens.length <= MAX_WORDS) {
      const at = index < 0 ? tokens.length : index;
      const what = explain({
        tokens,
        at,
        isValue: error.isValue,
        reason: error.message,
        isResolving: lookUp !== null,
        expected: (before) => tokensBehind(grammar, before),
      });
      throw mistakeAt(expression, tokens[at]?.startOffset ?? expression.length, what);
    }
  }
  throw mistakeAt(expression, tokens[MAX_WORDS]!.startOffset, `at most ${MAX_WORDS} words are read`);
}

function readerOf(lookUp: LookUp | null): ValueRead {
  return <T>(kind: ValueKind<T>, token: IToken): readonly T[] | null => {
    const text = textOf(token);
    const value = kind.read(text);
    if (value !== null) return [value];
    if (lookUp === null || kind.resolves === undefined || !isName(text)) return null;
    return lookUp(kind.resolves, text, token.startOffset) as readonly T[];
  };
}

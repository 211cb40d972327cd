import { UsageError } from '../errors.ts';

/** A piece of a filter expression. */
export interface Token {
  /** A quoted piece is a value, never a keyword. `end` stands behind the last one. */
  kind: 'word' | 'quoted' | 'symbol' | 'end';
  /** Without quotes; of `end`: empty. */
  text: string;
  /** Index into the expression. */
  at: number;
}

/**
 * Words run up to the next of these; a value with one of them in it is written in quotes. A community id ends in "=", and is
 * a word all the same.
 */
const PIECE =
  /\s+|(&&|\|\||!=|>=|<=|==|[()[\],!<>=])|"([^"]*)"|'([^']*)'|(1:[\w+/]{27}=|[^\s()[\],!<>="'&|]+)/y;

/** Splits an expression. @throws UsageError with a caret under a character that means nothing */
export function tokenize(expression: string): Token[] {
  const tokens: Token[] = [];
  PIECE.lastIndex = 0;
  while (PIECE.lastIndex < expression.length) {
    const at = PIECE.lastIndex;
    const match = PIECE.exec(expression);
    if (match === null) throw mistakeAt(expression, at, unreadable(expression[at]!));
    const [, symbol, double, single, word] = match;
    if (symbol !== undefined) tokens.push({ kind: 'symbol', text: symbol, at });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word, at });
    else if (double !== undefined || single !== undefined)
      tokens.push({ kind: 'quoted', text: double ?? single!, at });
  }
  tokens.push({ kind: 'end', text: '', at: expression.length });
  return tokens;
}

/** The error for a mistake: what is wrong, the expression, a caret under the place. */
export function mistakeAt(expression: string, at: number, what: string): UsageError {
  // A tab or line break would move the caret away from its place.
  return new UsageError(`filter: ${what}\n  ${expression.replace(/\s/g, ' ')}\n  ${' '.repeat(at)}^`);
}

function unreadable(character: string): string {
  if (character === '"' || character === "'") return `expected a closing ${character}`;
  if (character === '&' || character === '|') return `expected ${character}${character}`;
  return `cannot read ${JSON.stringify(character)}`;
}

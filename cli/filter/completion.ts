import type { TokenType } from 'chevrotain';
import { UsageError } from '../errors.ts';
import { chevrotain } from './chevrotain.ts';
import { tokensBehind } from './expected.ts';
import { filterGrammar, parseFilter } from './parse.ts';
import {
  AndSign,
  BareValue,
  Comparator,
  Equality,
  kindOf,
  KEYWORD_TOKENS,
  NotSign,
  OrSign,
  tokenize,
  wordOf,
} from './tokens.ts';

/** What can follow an expression that is being typed. */
export interface Expected {
  /** Index at which the word that is being typed begins; the expression's length behind a blank or sign. */
  at: number;
  /** Words and signs that can stand there and begin with what is typed of them, the likeliest first. */
  words: string[];
  /** What else can stand there, in words: "a port number from 0 to 65535". */
  values: string[];
  /** True: the expression is a filter as it stands. */
  canEnd: boolean;
}

const COMPARATORS = ['=', '!=', '>', '>=', '<', '<='];
/** Other spellings of words that are offered. */
const UNSAID: ReadonlySet<TokenType> = new Set([AndSign, OrSign, NotSign, BareValue]);
const KEYWORDS: ReadonlySet<TokenType> = new Set(KEYWORD_TOKENS);

/**
 * What can follow: for completion in a shell, and for a line in which a filter is typed. The last word counts as typed in part
 * until a blank follows it.
 * @returns null when the expression has a mistake before that word
 */
export function expectedAt(expression: string): Expected | null {
  const typed = /[^\s()[\],!<>="'&|]*$/.exec(expression)![0];
  const at = expression.length - typed.length;
  try {
    const grammar = filterGrammar();
    const before = tokensBehind(grammar, tokenize(expression.slice(0, at)));
    if (before === null) return null;
    const words = [...ordered(before), ...before.flatMap((type) => wordsOf(type))];
    return {
      at,
      words: [...new Set(words)].filter((word) => word.toLowerCase().startsWith(typed.toLowerCase())),
      values: [...new Set(before.flatMap((type) => kindOf(type)?.expected ?? []))],
      canEnd: isWhole(expression),
    };
  } catch (error) {
    // A quote that is still open, or a sign of which half is typed.
    if (error instanceof UsageError) return null;
    throw error;
  }
}

function isWhole(expression: string): boolean {
  try {
    parseFilter(expression);
    return true;
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}

/** Keywords in the order in which they are spoken of. */
function ordered(expected: readonly TokenType[]): string[] {
  return KEYWORD_TOKENS.filter((type) => expected.includes(type)).map(wordOf);
}

function wordsOf(type: TokenType): readonly string[] {
  if (UNSAID.has(type) || KEYWORDS.has(type) || type === chevrotain.EOF) return [];
  if (type === Comparator) return COMPARATORS;
  if (type === Equality) return COMPARATORS.slice(0, 2);
  const kind = kindOf(type);
  if (kind !== undefined) return kind.words ?? [];
  return /^[()[\],]$/.test(type.name) ? [type.name] : [];
}

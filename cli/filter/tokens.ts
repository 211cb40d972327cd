import type { IToken, TokenType } from 'chevrotain';
import { parseAddress, parsePrefix } from '../../decoders/address.ts';
import { chevrotain } from './chevrotain.ts';
import { mistakeAt } from './mistake.ts';
import { VALUE_KINDS, type ValueKind } from './values.ts';

const { createToken, Lexer } = chevrotain;

/** More characters or words than this are no filter that anybody means; SQLite takes 32,766 values, a word makes up to 4. */
export const MAX_LENGTH = 1 << 19;
export const MAX_WORDS = 8000;

/** Words that mean something, in the order in which they are spoken of. */
const KEYWORDS = (
  'host src dst net port proto tcp udp icmp icmp6 sctp ip ip6 state bytes packets duration netns if interface ' +
  'route flags vlan tunnel retransmits pps bps bpp experiment flow community-id ' +
  'changed rule type verdict table prefix gateway dev observed stage confidence ' +
  'none any id outer and or not in'
).split(' ');

/** Words run up to the next of these; a value with one of them in it is written in quotes. */
const WORD = /[^\s()[\],!<>="'&|]+/y;

/**
 * The token of each kind of value: a category. What can be one of that kind is told by its shape here, and what it is worth
 * by reading it, so that the error for a bad value says what would have been a good one.
 */
const VALUE_TOKENS: ReadonlyMap<ValueKind<unknown>, TokenType> = new Map(
  VALUE_KINDS.map((kind) => [
    kind,
    createToken({ name: `<${kind.name}>`, label: kind.expected, pattern: Lexer.NA }),
  ]),
);
const KIND_OF: ReadonlyMap<TokenType, ValueKind<unknown>> = new Map(
  [...VALUE_TOKENS].map(([kind, type]) => [type, kind]),
);

/** A number or the like that stands alone: it takes the qualifier of the predicate before it. */
export const BareValue = createToken({ name: 'bare value', pattern: Lexer.NA });
export const Comparator = createToken({ name: 'comparator', label: 'a comparator', pattern: Lexer.NA });
export const Equality = createToken({ name: 'equality', label: '"=" or "!="', pattern: Lexer.NA });

const categoriesOf = (shape: ValueKind<unknown>['shape'] | null): TokenType[] =>
  VALUE_KINDS.filter((kind) => kind.shape === 'any' || kind.shape === shape).map(
    (kind) => VALUE_TOKENS.get(kind)!,
  );

const Blank = createToken({ name: 'blank', pattern: /\s+/, group: Lexer.SKIPPED });
const Quoted = createToken({
  name: 'quoted',
  // A quote within quotes is written twice.
  pattern: /"(?:[^"]|"")*"|'(?:[^']|'')*'/,
  categories: VALUE_KINDS.map((kind) => VALUE_TOKENS.get(kind)!),
  line_breaks: true,
});
const Word = createToken({
  name: 'word',
  pattern: new RegExp(WORD.source),
  categories: categoriesOf('name'),
});
const NumberWord = createToken({
  name: 'number word',
  pattern: new RegExp(`\\d${WORD.source.replace(/\+$/, '*')}`),
  categories: [...categoriesOf('name'), BareValue],
});
const Digits = createToken({
  name: 'digits',
  pattern: /\d+/,
  longer_alt: NumberWord,
  categories: [...categoriesOf('digits'), BareValue],
});
/** Ends in "=", and is a word all the same. */
const CommunityId = createToken({
  name: 'community id word',
  pattern: /1:[A-Za-z\d+/]{27}=/,
  categories: categoriesOf(null),
});
export const Address = createToken({
  name: 'address alone',
  label: 'an address',
  pattern: wordThat((text) => parseAddress(text) !== null),
  categories: categoriesOf('name'),
  line_breaks: false,
});
export const Network = createToken({
  name: 'network alone',
  label: 'an address',
  pattern: wordThat((text) => parsePrefix(text) !== null),
  categories: categoriesOf(null),
  line_breaks: false,
});

const keywords = new Map(
  KEYWORDS.map((word) => [
    word,
    createToken({
      name: `'${word}'`,
      label: word,
      pattern: new RegExp(word, 'i'),
      longer_alt: Word,
      // `in` begins a list, and is a name in quotes only.
      categories: word === 'in' ? [] : categoriesOf(null),
    }),
  ]),
);

export const AndSign = createToken({ name: '&&', label: '"&&"', pattern: /&&/ });
export const OrSign = createToken({ name: '||', label: '"||"', pattern: /\|\|/ });
export const NotEqual = createToken({ name: '!=', pattern: /!=/, categories: [Comparator, Equality] });
export const NotSign = createToken({ name: '!', label: '"!"', pattern: /!/ });
const Equal = createToken({ name: '=', pattern: /==?/, categories: [Comparator, Equality] });
const Order = createToken({ name: '<', pattern: /[<>]=?/, categories: Comparator });
export const LeftParen = createToken({ name: '(', label: '"("', pattern: /\(/ });
export const RightParen = createToken({ name: ')', label: '")"', pattern: /\)/ });
export const LeftBracket = createToken({ name: '[', label: '"["', pattern: /\[/ });
export const RightBracket = createToken({ name: ']', label: '"]"', pattern: /\]/ });
export const Comma = createToken({ name: ',', label: '","', pattern: /,/ });

/** The first that fits is taken: of two keywords that begin alike the longer one comes first. */
const LEXED: TokenType[] = [
  Blank,
  ...[...keywords.values()].sort((a, b) => b.name.length - a.name.length),
  Address,
  Network,
  CommunityId,
  Digits,
  NumberWord,
  Word,
  Quoted,
  AndSign,
  OrSign,
  NotEqual,
  NotSign,
  Equal,
  Order,
  LeftParen,
  RightParen,
  LeftBracket,
  RightBracket,
  Comma,
];

/** All that the grammar may name. */
export const VOCABULARY: TokenType[] = [...LEXED, ...VALUE_TOKENS.values(), BareValue, Comparator, Equality];

/** Keywords alone, in the order in which they are spoken of. */
export const KEYWORD_TOKENS: readonly TokenType[] = [...keywords.values()];

/** The word of a keyword's token. */
export function wordOf(token: TokenType): string {
  return token.LABEL!;
}

/** The token of a keyword. */
export function keyword(word: string): TokenType {
  const token = keywords.get(word);
  if (token === undefined) throw new Error(`grammar: ${word} is no keyword`);
  return token;
}

/** The token of a kind of value. */
export function valueToken(kind: ValueKind<unknown>): TokenType {
  return VALUE_TOKENS.get(kind)!;
}

/** The kind of value that a token stands for; undefined: of none. */
export function kindOf(token: TokenType): ValueKind<unknown> | undefined {
  return KIND_OF.get(token);
}

/** True for what is a word of its own, and no sign or text in quotes. */
export function isWord(token: IToken): boolean {
  return WORDS.has(token.tokenType);
}
const WORDS = new Set([...keywords.values(), Address, Network, CommunityId, Digits, NumberWord, Word]);

/** What a token says: without its quotes. */
export function textOf({ tokenType, image }: IToken): string {
  if (tokenType !== Quoted) return image;
  const quote = image[0]!;
  return image.slice(1, -1).replaceAll(quote + quote, quote);
}

const lexer = new Lexer(LEXED, { positionTracking: 'onlyOffset', skipValidations: true });

/** Splits an expression. @throws UsageError with a caret under a character that means nothing */
export function tokenize(expression: string): IToken[] {
  if (expression.length > MAX_LENGTH)
    throw mistakeAt(expression, MAX_LENGTH, `at most ${MAX_LENGTH} characters are read`);
  const { tokens, errors } = lexer.tokenize(expression);
  const [error] = errors;
  if (error !== undefined) throw mistakeAt(expression, error.offset, unreadable(expression[error.offset]!));
  return tokens;
}

/** A word of which something is true. */
function wordThat(isIt: (text: string) => boolean): (text: string, offset: number) => [string] | null {
  return (text, offset) => {
    WORD.lastIndex = offset;
    const word = WORD.exec(text)?.[0];
    return word !== undefined && /[.:]/.test(word) && isIt(word) ? [word] : null;
  };
}

function unreadable(character: string): string {
  if (character === '"' || character === "'") return `expected a closing ${character}`;
  if (character === '&' || character === '|') return `expected ${character}${character}`;
  return `cannot read ${JSON.stringify(character)}`;
}

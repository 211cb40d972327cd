import type { IToken, ITokenConfig, TokenType } from 'chevrotain';
import { parseAddress, parsePrefix } from '../../decoders/address.ts';
import { chevrotain } from './chevrotain.ts';
import { mistakeAt } from './mistake.ts';
import { VALUE_KINDS, type ValueKind } from './values.ts';

const { createToken, Lexer } = chevrotain;

/** More characters or words than this are no filter that anybody means; SQLite takes 32,766 values, a word makes up to 4. */
const MAX_LENGTH = 1 << 19;
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
const OF_ANY = categoriesOf(null);
const OF_NAMES = categoriesOf('name');

/** createToken works out all categories again for each token that has some; the lexer does it once for those that it finds here. */
function tokenOf(categories: TokenType[], config: ITokenConfig): TokenType {
  const token = createToken(config);
  token.CATEGORIES = categories;
  return token;
}

const Blank = createToken({ name: 'blank', pattern: /\s+/, group: Lexer.SKIPPED });
const Quoted = tokenOf(
  VALUE_KINDS.map((kind) => VALUE_TOKENS.get(kind)!),
  {
    name: 'quoted',
    // A quote within quotes is written twice.
    pattern: /"(?:[^"]|"")*"|'(?:[^']|'')*'/,
    line_breaks: true,
  },
);
const Word = tokenOf(OF_NAMES, {
  name: 'word',
  pattern: new RegExp(WORD.source),
});
const NumberWord = tokenOf([...OF_NAMES, BareValue], {
  name: 'number word',
  pattern: new RegExp(`\\d${WORD.source.replace(/\+$/, '*')}`),
});
const Digits = tokenOf([...categoriesOf('digits'), BareValue], {
  name: 'digits',
  pattern: /\d+/,
  longer_alt: NumberWord,
});
/** Ends in "=", and is a word all the same. */
const CommunityId = tokenOf(OF_ANY, {
  name: 'community id word',
  pattern: /1:[A-Za-z\d+/]{27}=/,
});
export const Address = tokenOf(OF_NAMES, {
  name: 'address alone',
  label: 'an address',
  pattern: wordThat((text) => parseAddress(text) !== null),
  line_breaks: false,
});
export const Network = tokenOf(OF_ANY, {
  name: 'network alone',
  label: 'an address',
  pattern: wordThat((text) => parsePrefix(text) !== null),
  line_breaks: false,
});

const keywords = new Map(
  KEYWORDS.map((word) => [
    word,
    // `in` begins a list, and is a name in quotes only.
    tokenOf(word === 'in' ? [] : OF_ANY, {
      name: `'${word}'`,
      label: word,
      pattern: new RegExp(word, 'i'),
      longer_alt: Word,
    }),
  ]),
);

export const AndSign = createToken({ name: '&&', label: '"&&"', pattern: /&&/ });
export const OrSign = createToken({ name: '||', label: '"||"', pattern: /\|\|/ });
export const NotEqual = tokenOf([Comparator, Equality], { name: '!=', pattern: /!=/ });
export const NotSign = createToken({ name: '!', label: '"!"', pattern: /!/ });
const Equal = tokenOf([Comparator, Equality], { name: '=', pattern: /==?/ });
const Order = tokenOf([Comparator], { name: '<', pattern: /[<>]=?/ });
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

/** Safe mode is without a table of first characters, which takes longer to make than an expression to read. */
const lexer = new Lexer(LEXED, { positionTracking: 'onlyOffset', skipValidations: true, safeMode: true });

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

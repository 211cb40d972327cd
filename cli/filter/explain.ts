import type { IToken, TokenType } from 'chevrotain';
import leven from 'leven';
import { didYouMean } from '../../daemon/options/suggestion.ts';
import { chevrotain } from './chevrotain.ts';
import {
  AndSign,
  BareValue,
  Comma,
  Comparator,
  Equality,
  isWord,
  keyword,
  KEYWORD_TOKENS,
  kindOf,
  LeftBracket,
  LeftParen,
  NotSign,
  OrSign,
  RightBracket,
  RightParen,
  textOf,
  valueToken,
  wordOf,
} from './tokens.ts';

/** Where the grammar stopped. */
export interface Stop {
  tokens: readonly IToken[];
  /** Index of the token that it stopped at; that behind the last: the end. */
  at: number;
  /** True: the token is of the right kind, but no such value. */
  isValue: boolean;
  /** What else is wrong; else empty. */
  reason: string;
  /** True: names are looked up. */
  isResolving: boolean;
  /** What can stand behind tokens. */
  expected(before: readonly IToken[]): TokenType[] | null;
}

/** Of many words that are expected the likeliest are shown. */
const SHOWN_WORDS = 8;
/** So much of a long word is repeated. */
const FOUND_MAX = 40;
const SUGGESTIONS = 2;
const SLIPS_MAX = 2;

/** Signs and words that go without saying beside others. */
const MINOR: ReadonlySet<TokenType> = new Set([
  AndSign,
  OrSign,
  NotSign,
  BareValue,
  Comma,
  LeftParen,
  Comparator,
  Equality,
  keyword('in'),
  keyword('and'),
  keyword('or'),
]);
/** How signs that matter are spoken of. */
const SIGNS: ReadonlyMap<TokenType, string> = new Map([
  [LeftBracket, '"["'],
  [RightBracket, '"]"'],
  [RightParen, '")"'],
  [chevrotain.EOF, 'the end'],
]);

/** Words of other tools and of JSON, and what they are here. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  addr: 'host',
  address: 'host',
  bytes_fwd: 'bytes',
  bytes_rev: 'bytes',
  conn_state: 'state',
  connstate: 'state',
  dev: 'if',
  device: 'if',
  dport: 'dst port',
  dst_port: 'dst port',
  dstip: 'dst host',
  dstport: 'dst port',
  duration_s: 'duration',
  flow_id: 'flow',
  gateway: 'route gateway',
  gw: 'route gateway',
  icmpv6: 'icmp6',
  iface: 'if',
  inet: 'ip',
  inet6: 'ip6',
  ip_version: 'ip',
  ipv4: 'ip',
  ipv6: 'ip6',
  namespace: 'netns',
  network: 'net',
  ns: 'netns',
  prefix: 'route prefix',
  protocol: 'proto',
  sport: 'src port',
  src_port: 'src port',
  srcip: 'src host',
  srcport: 'src port',
  subnet: 'net',
  table: 'route table',
  verdict: 'route verdict',
};

/** The sentence on a mistake: what was found, what was expected there, and what may have been meant. */
export function explain(stop: Stop): string {
  const { tokens, at, reason } = stop;
  const token = tokens[at];
  if (reason !== '') return reason;
  const expected = stop.expected(tokens.slice(0, at)) ?? [];
  const found = token === undefined ? 'the expression ends' : `found ${JSON.stringify(cut(textOf(token)))}`;
  const meant = token === undefined || !isWord(token) ? [] : suggestions(stop, token, expected);
  const hint = meant.length > 0 ? didYouMean(meant.map((word) => `"${word}"`)) : unresolved(stop, expected);
  return `${found} where this was expected: ${joined(parts(stop, expected))}${hint}`;
}

/** What is expected, as it is spoken of, the likeliest first. */
function parts({ tokens, at, isValue }: Stop, expected: readonly TokenType[]): string[] {
  const token = tokens[at];
  const words = KEYWORD_TOKENS.filter((type) => expected.includes(type) && !MINOR.has(type)).map(wordOf);
  const kinds = expected.flatMap((type) => kindOf(type) ?? []);
  const signs = expected.filter((type) => SIGNS.has(type)).map((type) => SIGNS.get(type)!);
  if (!canBegin(expected))
    return [
      ...words.filter((word) => !/^ip6?$/.test(word)),
      ...new Set(kinds.map(({ expected: said }) => said)),
      ...signs,
    ];
  // A value that may be missing was none.
  if (isValue && token !== undefined)
    return kinds
      .filter((kind) => chevrotain.tokenMatcher(token, valueToken(kind)))
      .map(({ expected: said }) => said)
      .slice(0, 1);
  const joins = expected.includes(keyword('and')) ? ['"and"', '"or"'] : [];
  // Behind a predicate another one may follow without a word; who wrote a sign there, or nothing, did not think of that.
  if (joins.length > 0 && (token === undefined || !isWord(token))) return [...joins, ...signs];
  return [...words.slice(0, SHOWN_WORDS), '…', ...(joins.length > 0 ? joins : ['an address'])];
}

function cut(text: string): string {
  return text.length <= FOUND_MAX ? text : `${text.slice(0, FOUND_MAX)}…`;
}

function canBegin(expected: readonly TokenType[]): boolean {
  return expected.includes(keyword('host')) && expected.includes(keyword('route'));
}

/** "a, b or c"; of pieces that are long themselves "a, b, or c". */
function joined(all: readonly string[]): string {
  if (all.length < 2) return all.join('');
  const before = all.slice(0, -1);
  return `${before.join(', ')}${before.some((each) => each.includes(' ')) ? ',' : ''} or ${all.at(-1)}`;
}

/** True for what could be the name of a host or service: it has a letter, which a number or address with a slip of the finger has not. */
export function isName(text: string): boolean {
  return /^(?=.*\p{L})[\p{L}\d_](?:[\p{L}\d_.-]*[\p{L}\d_.])?$/u.test(text);
}

/** A name where an address or a port stands is no riddle. */
function unresolved({ tokens, at, isValue, isResolving }: Stop, expected: readonly TokenType[]): string {
  const token = tokens[at];
  if (!isValue || token === undefined || isResolving || !isName(textOf(token))) return '';
  const kinds = expected.flatMap((type) => kindOf(type) ?? []);
  const resolves = kinds.map((kind) => kind.resolves).find((what) => what !== undefined);
  return resolves === undefined ? '' : `; names of ${resolves}s are looked up with --resolve only`;
}

/** Words that are expected and are written much as the one that was found; of those that are, such as fit what follows. */
function suggestions(
  { tokens, at, isValue, expected: behind }: Stop,
  token: IToken,
  expected: readonly TokenType[],
): string[] {
  const text = textOf(token).toLowerCase();
  const other = Object.hasOwn(OTHER_WORDS, text) ? OTHER_WORDS[text]! : null;
  if (other !== null && expected.includes(keyword(other.split(' ')[0]!))) return [other];
  const kinds = expected.flatMap((type) => kindOf(type) ?? []);
  const values = kinds.filter((kind) => isValue && chevrotain.tokenMatcher(token, valueToken(kind)));
  const words = new Set([
    ...KEYWORD_TOKENS.filter((type) => expected.includes(type)).map(wordOf),
    ...values.flatMap((kind) => kind.words ?? []),
  ]);
  const near = [...words]
    .map((word) => ({ word, slips: slips(text, word.toLowerCase()) }))
    .filter(
      ({ word, slips: n }) =>
        n > 0 && n <= Math.max(1, Math.floor(Math.min(text.length, word.length) / 2)) && n <= SLIPS_MAX,
    )
    .sort((a, b) => a.slips - b.slips);
  const best = near.filter(({ slips: n }) => n === near[0]!.slips).map(({ word }) => word);
  return (best.length > 1 ? preferred(best) : best).slice(0, SUGGESTIONS);

  /** Those that the rest of the expression goes on from. */
  function preferred(all: string[]): string[] {
    const next = tokens[at + 1];
    if (next === undefined) return all;
    const fitting = all.filter((word) => {
      const type = KEYWORD_TOKENS.find((each) => wordOf(each) === word);
      if (type === undefined) return true;
      const here = chevrotain.createTokenInstance(type, word, 0, 0, 0, 0, 0, 0);
      return behind([...tokens.slice(0, at), here])?.some((each) => fits(next, each)) ?? false;
    });
    return fitting.length > 0 ? fitting : all;
  }
}

/** Whether a token can be what is expected, and as a value is worth something. */
function fits(token: IToken, expected: TokenType): boolean {
  if (!chevrotain.tokenMatcher(token, expected)) return false;
  const kind = kindOf(expected);
  return kind === undefined || kind.read(textOf(token)) !== null;
}

/** How many slips of the finger make one word of another: two letters that changed places are one; a digit for a letter is a rarer one. */
function slips(typed: string, word: string): number {
  const at = [...typed].findIndex((letter, i) => letter !== word[i]);
  if (typed.length === word.length && at >= 0) {
    const swapped = typed.slice(0, at) + (typed[at + 1] ?? '') + typed[at]! + typed.slice(at + 2);
    if (swapped === word) return 1;
    if (typed.slice(at + 1) === word.slice(at + 1))
      return /\d/.test(typed[at]!) === /\d/.test(word[at]!) ? 1 : 1.5;
  }
  return leven(typed, word);
}

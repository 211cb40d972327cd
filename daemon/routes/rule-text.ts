import { parseNumber, tableNames } from '../netlink/names.ts';
import { ipProtoNumber } from './format.ts';
import { fullPrefix, parseTos } from './route-text.ts';
import { lookupRule } from './routing.ts';
import type { SnapshotRule } from './snapshot.ts';
import { WordReader } from './text-words.ts';

/**
 * Reads the text of `ip rule`, also of `ip -6 rule` or both behind each other.
 * @param source name for error messages
 * @throws RouteTextError
 */
export function parseRuleText(text: string, source: string): SnapshotRule[] {
  const rules: RuleOfFamily[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    const words = new WordReader(source, i + 1, line);
    const first = words.peek();
    if (first === null || first === '' || first.startsWith('#')) continue;
    rules.push(readRule(words));
  }
  return settleFamilies(rules);
}

/** A rule whose text or JSON may not say which family it is of. */
export interface RuleOfFamily {
  rule: SnapshotRule;
  family: 4 | 6 | null;
}

/**
 * Gives each rule its family. `ip rule` prints one family at a time, in order of preference, and most rules have no
 * address: where the preference falls back, the other family's list starts. A list is of the family of its addresses; one
 * without is IPv4's, unless it is like IPv6's first rules (no table default) or follows IPv4's list.
 */
export function settleFamilies(rules: readonly RuleOfFamily[]): SnapshotRule[] {
  const lists: RuleOfFamily[][] = [];
  let last = Number.POSITIVE_INFINITY;
  for (const entry of rules) {
    if (entry.rule.priority < last || entry.rule.priority === 0) lists.push([]);
    lists.at(-1)!.push(entry);
    last = entry.rule.priority;
  }
  const settled: SnapshotRule[] = [];
  let before: 4 | 6 | null = null;
  for (const list of lists) {
    const told = list.find((entry) => entry.family !== null)?.family;
    const hasDefault = list.some(({ rule }) => rule.table === 253);
    const looksLike6 = list.length === 2 && !hasDefault && list[0]!.rule.table === 255;
    const family: 4 | 6 = told ?? (hasDefault ? 4 : before === 4 || looksLike6 ? 6 : 4);
    for (const entry of list) settled.push({ ...entry.rule, family: entry.family ?? family });
    before = family;
  }
  return settled;
}

function readRule(words: WordReader): RuleOfFamily {
  const priority = words.value('a preference and a colon', (word) =>
    word.endsWith(':') ? parseNumber(word.slice(0, -1)) : null,
  );
  const rule = lookupRule(4, priority, 0);
  let family: 4 | 6 | null = null;
  let hasAction = false;
  const prefix = (): string | null => {
    if (words.skip('all')) return null;
    const found = words.value('"all", an address or a prefix', fullPrefix);
    family = found.family;
    return found.prefix.endsWith('/0') ? null : found.prefix;
  };
  for (let word = words.peek(); word !== null; word = words.peek()) {
    words.next('a word');
    switch (word) {
      case 'not':
        rule.not = true;
        break;
      case 'from':
        rule.from = prefix();
        break;
      case 'to':
        rule.to = prefix();
        break;
      case 'iif':
        rule.iif = words.next('an interface');
        words.skip('[detached]');
        break;
      case 'oif':
        rule.oif = words.next('an interface');
        words.skip('[detached]');
        break;
      case 'fwmark':
        [rule.fwmark, rule.fwmask] = words.value('MARK or MARK/MASK', parseMark);
        break;
      case 'tos':
      case 'dsfield':
        rule.tos = words.value('a number', parseTos) || null;
        break;
      case 'dscp':
        rule.dscp = words.value('a number', parseNumber);
        break;
      case 'ipproto':
        rule.ipProto = words.value('a protocol', ipProtoNumber);
        break;
      case 'sport':
        rule.sport = words.value('PORT or FROM-TO', parseRange);
        break;
      case 'dport':
        rule.dport = words.value('PORT or FROM-TO', parseRange);
        break;
      case 'uidrange':
        rule.uidRange = words.value('FROM-TO', parseRange);
        break;
      case 'lookup':
      case 'table':
        hasAction = true;
        if (words.skip('[l3mdev-table]')) rule.l3mdev = true;
        else rule.table = words.value('a table', (name) => tableNames.number(name));
        break;
      case 'goto':
        hasAction = true;
        rule.action = 'goto';
        rule.goto = words.value('a preference', (text) => (text === 'none' ? 0 : parseNumber(text)));
        words.skip('[unresolved]');
        break;
      case 'nop':
      case 'blackhole':
      case 'unreachable':
      case 'prohibit':
        hasAction = true;
        rule.action = word;
        break;
      case 'suppress_prefixlength':
      case 'suppress_prefixlen':
        rule.suppressPrefixLen = words.value('a number', parseNumber);
        break;
      case 'suppress_ifgroup':
        rule.suppressIfGroup = words.value('a group number', (text) =>
          text === 'default' ? 0 : parseNumber(text),
        );
        break;
      case 'proto':
      case 'protocol':
      case 'realms':
        words.next('a value');
        break;
      case 'tun_id':
      case 'flowlabel':
        words.next('a value');
        rule.unsupported = [...(rule.unsupported ?? []), word];
        break;
      default:
        throw words.error(word, 'unknown word of `ip rule`');
    }
  }
  if (!hasAction) words.next('"lookup TABLE" or another action');
  return { rule, family };
}

/** "0x1" or "0x1/0xff" as [mark, mask]; null for another text. */
export function parseMark(text: string): [number, number] | null {
  const [markText, maskText, more] = text.split('/');
  const mark = parseNumber(markText ?? '');
  const mask = maskText === undefined ? 0xffffffff : parseNumber(maskText);
  return mark === null || mask === null || more !== undefined ? null : [mark, mask];
}

/** "80" or "10-20" as [from, to]; null for another text. */
function parseRange(text: string): [number, number] | null {
  const [fromText, toText, more] = text.split('-');
  const from = parseNumber(fromText ?? '');
  const to = toText === undefined ? from : parseNumber(toText);
  return from === null || to === null || more !== undefined ? null : [from, to];
}

import { groupNames, parseDscp, parseNumber, parseTos, ROUTE_TYPES, tableNames } from '../netlink/names.ts';
import { ipProtoNumber } from './format.ts';
import { fullPrefix } from './route-text.ts';
import { lookupRule } from './routing.ts';
import type { SnapshotRule } from './snapshot.ts';
import { textLines, type WordReader } from './text-words.ts';

/**
 * Reads the text of `ip rule`, also of `ip -6 rule` or both behind each other.
 * @param source name for error messages
 * @throws RouteTextError
 */
export function parseRuleText(text: string, source: string): SnapshotRule[] {
  return settleFamilies(Array.from(textLines(text, source), readRule));
}

const DSCP_MASK = 0x3f;

/** A rule whose text or JSON may not say which family it is of. */
export interface RuleOfFamily {
  rule: SnapshotRule;
  family: 4 | 6 | null;
}

/**
 * Gives each rule its family. `ip rule` prints one family at a time, in order of preference, and most rules have no
 * address: where the preference falls back, the other family's list starts. A list is of the family of its addresses; one
 * without is IPv4's, unless it follows IPv4's list or has rules for local and main but, as IPv6, none for default.
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
    const looksLike6 =
      !hasDefault && [255, 254].every((table) => list.some(({ rule }) => rule.table === table));
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
        takeDscp(rule, words.value('DSCP or DSCP/MASK', parseMaskedDscp));
        break;
      case 'ipproto':
        rule.ipProto = words.value('a protocol', ipProtoNumber);
        break;
      case 'sport':
        takePorts(rule, 'sport', words.value('PORT, FROM-TO or PORT/MASK', parsePorts));
        break;
      case 'dport':
        takePorts(rule, 'dport', words.value('PORT, FROM-TO or PORT/MASK', parsePorts));
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
      case 'suppress_prefixlength':
      case 'suppress_prefixlen':
        rule.suppressPrefixLen = words.value('a number', parseNumber);
        break;
      case 'suppress_ifgroup':
        rule.suppressIfGroup = words.value('a group', (text) => groupNames.number(text));
        break;
      case 'proto':
      case 'protocol':
      case 'realms':
        words.next('a value');
        break;
      case 'tun_id':
      case 'flowlabel':
        words.next('a value');
        addUnsupported(rule, word);
        break;
      default: {
        const action = ruleAction(word);
        if (action === null) throw words.error(word, 'unknown word of `ip rule`');
        hasAction = true;
        rule.action = action;
      }
    }
  }
  if (!hasAction) words.next('"lookup TABLE" or another action');
  return { rule, family };
}

/** An action without a table by its name, or by its number as `ip -N` prints it; null for another word. */
export function ruleAction(word: string): 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | null {
  // The numbers of FR_ACT_BLACKHOLE and the like are those of routes' types. linux/fib_rules.h
  const name = /^\d+$/.test(word) ? ROUTE_TYPES[Number(word)] : word;
  return name === 'nop' || name === 'blackhole' || name === 'unreachable' || name === 'prohibit'
    ? name
    : null;
}

/** Notes a selector that is not evaluated. */
export function addUnsupported(rule: SnapshotRule, selector: string): void {
  rule.unsupported = [...(rule.unsupported ?? []), selector];
}

/** "EF" or "10", since Linux 6.14 also "0x20/0x38": a mask that leaves out bits is not evaluated. */
function takeDscp(rule: SnapshotRule, [value, mask]: [number, number]): void {
  if (mask === DSCP_MASK) rule.dscp = value;
  else addUnsupported(rule, 'dscp with a mask');
}

function parseMaskedDscp(text: string): [number, number] | null {
  const [valueText, maskText, more] = text.split('/');
  const value = parseDscp(valueText!);
  const mask = maskText === undefined ? DSCP_MASK : parseNumber(maskText);
  return value === null || mask === null || more !== undefined ? null : [value, mask];
}

/** Since Linux 6.15 a port may have a mask, which is not evaluated. */
function takePorts(rule: SnapshotRule, which: 'sport' | 'dport', ports: [number, number] | 'masked'): void {
  if (ports === 'masked') addUnsupported(rule, `${which} with a mask`);
  else rule[which] = ports;
}

function parsePorts(text: string): [number, number] | 'masked' | null {
  if (parseMark(text) !== null && text.includes('/')) return 'masked';
  return parseRange(text);
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

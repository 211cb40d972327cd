import { parseAddress } from '../../decoders/address.ts';
import { groupNames, parseNumber, tableNames } from '../netlink/names.ts';
import { type AddrListing, type ListedLink, ListingBuilder, UNKNOWN_NETNS_ID } from './addr-listing.ts';
import {
  ADDRESS_FLAGS,
  hardwareAddress,
  LINK_FLAGS,
  LINK_KINDS,
  LINK_VALUES,
  linkFlags,
  linkType,
  operState,
  PORT_KINDS,
} from './link-words.ts';
import { fullPrefix } from './route-text.ts';
import type { SnapshotAddress } from './snapshot.ts';
import { textLines, type WordReader } from './text-words.ts';

/** First words of lines that say nothing about routing; what stands behind them is the user's or a driver's. */
const IGNORED_LINES: ReadonlySet<string> = new Set([
  'alias',
  'altname',
  'RX',
  'RX:',
  'TX',
  'TX:',
  'prog/xdp',
  'vf',
]);

/**
 * Reads the text of `ip addr`, also with -4, -6, -o, -d, -s, -br, of `ip link` with the same, or several of them behind each
 * other.
 * @param source name for error messages
 * @throws RouteTextError
 */
export function parseAddrText(text: string, source: string): AddrListing {
  const reader = new AddrReader();
  // -o puts what belongs together on one line, with a backslash for each line end; lines below the first are indented.
  for (const words of textLines(text, source)) reader.line(words);
  return reader.builder.finish();
}

class AddrReader {
  readonly builder = new ListingBuilder();
  #current: ListedLink | null = null;

  line(words: WordReader): void {
    const first = words.peek()!;
    if (/^\d+:$/.test(first)) {
      this.#numbered(words);
      return;
    }
    if (/^\d+(\.\d+)?[kMGTPE]?i?$/.test(first)) return; // the figures below "RX: bytes packets …"
    if (IGNORED_LINES.has(first) && this.#current !== null) return;
    if (this.#isBrief(words)) {
      this.#brief(words);
      return;
    }
    if (this.#current === null) throw words.error(first, 'no line of an interface stands before it');
    this.#below(words, this.#current);
  }

  /** "2: eth0@if3: <UP> mtu 1500 …" or, with -o, "2: eth0    inet …". */
  #numbered(words: WordReader): void {
    const ifIndex = words.value('a number and a colon', (word) => parseNumber(word.slice(0, -1)));
    const word = words.next('an interface');
    const isHeader = word.endsWith(':');
    this.#current = this.#open(words, ifIndex, isHeader ? word.slice(0, -1) : word);
    if (!isHeader) {
      this.#below(words, this.#current);
      return;
    }
    if (words.peek()?.startsWith('<')) this.#current.link.flags = readFlags(words);
    readLinkWords(words, this.#current);
  }

  #open(words: WordReader, ifIndex: number | null, shown: string): ListedLink {
    const at = shown.lastIndexOf('@');
    const name = at > 0 ? shown.slice(0, at) : shown;
    const listed = this.builder.link(ifIndex, name);
    if (listed === null)
      throw words.error(shown, 'has another number, or another name, than before: is this of one namespace?');
    if (at > 0) listed.lower = shown.slice(at + 1);
    return listed;
  }

  /** -br: a name and an operational state, at the start of the line. */
  #isBrief(words: WordReader): boolean {
    const state = words.peek(1);
    return state !== null && operState(state) !== null;
  }

  /** "eth0@if3 UP 10.0.0.1/24 10.0.0.2 peer 10.0.0.3/32 fe80::1/64", or of `ip -br link` "lo UNKNOWN 00:… <LOOPBACK>". */
  #brief(words: WordReader): void {
    const listed = this.#open(words, null, words.next('an interface'));
    const { link } = listed;
    link.operState = words.value('a state', operState);
    for (let word = words.peek(); word !== null; word = words.peek()) {
      if (word.startsWith('<')) link.flags = readFlags(words);
      else if (word === 'metric') {
        words.next('metric');
        words.value('a number', parseNumber);
      } else if (hardwareAddress(word) !== null && parseAddress(word) === null)
        link.address = words.value('an address', hardwareAddress);
      else this.builder.address({ ...readAddress(words, null), ifIndex: link.ifIndex });
    }
    this.#current = null;
  }

  /** A line below that of an interface. */
  #below(words: WordReader, listed: ListedLink): void {
    const first = words.next('a word');
    if (first === 'inet' || first === 'inet6') {
      const address = readAddress(words, first === 'inet' ? 4 : 6);
      address.ifIndex = listed.link.ifIndex;
      readAddressWords(words, address, listed.link.name);
      this.builder.address(address);
    } else if (first === 'valid_lft') {
      words.next('a time');
      if (words.skip('preferred_lft')) words.next('a time');
      else if (words.peek() !== null) throw words.error(words.peek()!, 'should be "preferred_lft"');
    } else if (first.startsWith('link/')) {
      const { link } = listed;
      listed.isWhole = true;
      const type = linkType(first.slice('link/'.length));
      if (type === null) throw words.error(first, 'is no type of link that is known');
      link.arpType = type;
      const word = words.peek();
      if (word !== null && hardwareAddress(word) !== null)
        link.address = words.value('an address', hardwareAddress);
      readLinkWords(words, listed);
    } else readKind(words, first, listed);
  }
}

/** "<BROADCAST,UP>" */
function readFlags(words: WordReader): number {
  const word = words.next('<FLAGS>');
  const flags = /^<(.*)>$/.exec(word);
  if (flags === null) throw words.error(word, 'should be flags between < and >');
  const bits = linkFlags(flags[1] === '' ? [] : flags[1]!.split(','));
  if (typeof bits === 'string') throw words.error(bits, 'is no flag of an interface that is known');
  return bits;
}

/** What follows the flags, and what follows the link's address: names with one value each. */
function readLinkWords(words: WordReader, listed: ListedLink): void {
  const { link } = listed;
  for (let word = words.peek(); word !== null; word = words.peek()) {
    words.next('a word');
    if (word === 'mtu') link.mtu = words.value('a number', parseNumber);
    else if (word === 'master') listed.master = words.next('an interface');
    else if (word === 'state') link.operState = words.value('a state', operState);
    else if (word === 'group') {
      // Named in /etc/iproute2/group of the host where this was printed: not known here is no mistake.
      const group = groupNames.number(words.next('a group'));
      if (group !== null) link.group = group;
    } else if (word === 'link-netnsid') {
      const id = words.next('a number');
      link.linkNetnsId = parseNumber(id) ?? UNKNOWN_NETNS_ID;
    } else if (word === 'link-netns') {
      words.next('a name');
      link.linkNetnsId = UNKNOWN_NETNS_ID;
    } else if (LINK_VALUES.has(word)) words.next('a value');
    else if (!LINK_FLAGS.has(word) && !/^xdp\w*(\/id:\d+)?$/.test(word))
      throw words.error(word, 'unknown word of `ip addr`');
  }
}

/** "vrf table 10 …", "bridge_slave state forwarding …": the words behind a kind are its own, up to the end of the line. */
function readKind(words: WordReader, first: string, listed: ListedLink): void {
  const { link } = listed;
  const port = /^(\w+)_slave$/.exec(first)?.[1];
  if (port !== undefined && PORT_KINDS.has(port)) link.slaveKind = port;
  else if (LINK_KINDS.has(first)) link.kind = first;
  else throw words.error(first, 'unknown word of `ip addr`; what -d adds can be left out');
  if (first === 'vrf' && words.skip('table'))
    link.vrfTable = words.value('a table', (name) => tableNames.number(name));
  words.rest();
}

/** "10.0.0.1/24", "10.0.0.1 peer 10.0.0.2/32". @param family null: whichever it is */
function readAddress(words: WordReader, family: 4 | 6 | null): SnapshotAddress {
  const address: SnapshotAddress = {
    family: 4,
    ifIndex: 0,
    address: '',
    prefixLen: 0,
    broadcast: null,
    scope: 'global',
  };
  const take = (): string => {
    const found = words.value(
      `an address${family === null ? '' : ` of IPv${family}`}, with or without length`,
      (word) => {
        const prefix = fullPrefix(word);
        return prefix !== null && (family === null || prefix.family === family) ? prefix : null;
      },
    );
    const [text, length] = found.prefix.split('/');
    address.family = found.family;
    address.prefixLen = Number(length);
    return text!;
  };
  address.address = take();
  if (words.skip('peer')) address.peer = take();
  return address;
}

/** "brd 10.0.0.255 scope global dynamic eth0" */
function readAddressWords(words: WordReader, address: SnapshotAddress, device: string): void {
  const ip = (word: string): string | null => (parseAddress(word) === null ? null : word);
  const flags: string[] = [];
  for (let word = words.peek(); word !== null; word = words.peek()) {
    words.next('a word');
    if (word === 'brd') address.broadcast = words.value('an address', ip);
    else if (word === 'any') words.value('an address', ip);
    else if (word === 'scope') address.scope = words.next('a scope');
    else if (word === 'metric') words.value('a number', parseNumber);
    else if (word === 'proto') words.next('a protocol');
    else if (word === 'flags') words.next('flags in hexadecimal');
    else if (ADDRESS_FLAGS.has(word)) flags.push(word);
    // The label ends the line of an IPv4 address: the interface's name, or that, a colon and more.
    else if (
      address.family === 4 &&
      words.peek() === null &&
      (word === device || word.startsWith(`${device}:`))
    )
      address.label = word;
    else throw words.error(word, 'unknown word of `ip addr`');
  }
  if (flags.length > 0) address.flags = flags;
}

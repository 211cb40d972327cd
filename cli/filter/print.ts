import { formatAddress } from '../../decoders/address.ts';
import type { FilterAddress, FilterNode, Side } from '../../storage/filter-ast.ts';
import { TUNNEL_TYPES } from '../../storage/flow-batch.ts';
import { protocolName } from '../../storage/protocols.ts';
import { flagLetters } from '../format/tcp-flags.ts';
import { PROTOCOL_WORDS } from './predicates.ts';

/** Names that mean the same without quotes; `in` would begin a list. */
const PLAIN = /^(?!in$)[^\s()[\],!<>="'&|]+$/i;

/** Largest first. */
const DURATION_UNITS: readonly (readonly [name: string, ns: bigint])[] = [
  ['d', 86_400_000_000_000n],
  ['h', 3_600_000_000_000n],
  ['m', 60_000_000_000n],
  ['s', 1_000_000_000n],
  ['ms', 1_000_000n],
  ['us', 1_000n],
];

/**
 * A filter as an expression: parseFilter makes the same filter of it, as far as it can make such a one at all (lists are not empty,
 * `and` and `or` join two or more, comparators other than `=` have one value, and what is nested is no deeper than it reads).
 */
export function printFilter(node: FilterNode): string {
  switch (node.kind) {
    case 'and':
    case 'or':
      return node.nodes.map((each) => operand(each, node.kind)).join(` ${node.kind} `);
    case 'not':
      return `not ${operand(node.node, 'not')}`;
    case 'host':
      return `${end(node.side)}host ${values(node.addresses.map(addressText))}`;
    case 'net':
      return `${end(node.side)}net ${values(node.nets.map((net) => `${addressText(net)}/${net.prefixLen}`))}`;
    case 'port':
      if (node.comparator === '=') return `${end(node.side)}port ${values(node.values.map(String))}`;
      return `${end(node.side)}port ${node.comparator} ${node.values[0]}`;
    case 'proto': {
      const names = node.numbers.map(protocolName);
      const isWord = names.length === 1 && (PROTOCOL_WORDS as readonly string[]).includes(names[0]!);
      return isWord ? names[0]! : `proto ${values(names)}`;
    }
    case 'ipVersion':
      return node.version === 4 ? 'ip' : 'ip6';
    case 'netns':
    case 'experiment':
      return `${node.kind} ${values(node.names.map(quoted))}`;
    case 'interface':
      return `if ${values(node.names.map(quoted))}`;
    case 'vlan':
      return node.ids === null ? 'vlan' : `vlan ${values(node.ids.map(String))}`;
    case 'tunnel':
      return `tunnel ${node.types === null ? 'any' : values(node.types.map((code) => TUNNEL_TYPES[code]!))}`;
    case 'tunnelId':
      return `tunnel id ${values(node.values.map(String))}`;
    case 'tunnelOuter':
      return `tunnel outer ${values(node.values.map(String))}`;
    case 'flowId':
      return `flow ${values(node.values.map(String))}`;
    case 'communityId':
      return `community-id ${values(node.values)}`;
    case 'state':
      return `state ${values(node.states)}`;
    case 'flags':
      return `flags ${flagLetters(node.mask)!}`;
    case 'quantity': {
      const text = node.field === 'duration' ? durationText(node.value) : String(node.value);
      return `${node.field} ${node.comparator} ${text}`;
    }
    case 'route':
      return `route ${node.field} ${values(node.values.map(quoted))}`;
    case 'routeRule':
      return `route rule ${values(node.values.map(String))}`;
    case 'routeChanged':
      return 'route changed';
  }
}

/** In parentheses where it would be read otherwise. */
function operand(node: FilterNode, within: 'and' | 'or' | 'not'): string {
  const isJoined = node.kind === 'and' || node.kind === 'or';
  const isTighter = within === 'or' && node.kind === 'and';
  return isJoined && !isTighter ? `(${printFilter(node)})` : printFilter(node);
}

function end(side: Side): string {
  return side === 'any' ? '' : `${side} `;
}

function values(texts: string[]): string {
  return texts.length === 1 ? texts[0]! : `in [ ${texts.join(' ')} ]`;
}

function quoted(name: string): string {
  return PLAIN.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function addressText({ bytes, version }: FilterAddress): string {
  return formatAddress(bytes, 0, version);
}

/** Exact, in the largest unit that fits. */
function durationText(ns: bigint): string {
  const [unit, size] = DURATION_UNITS.find(([, each]) => ns !== 0n && ns % each === 0n) ?? ['ns', 1n];
  return `${ns / size}${unit}`;
}

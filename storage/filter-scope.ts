import type { FilterNode } from './filter-ast.ts';

/** What a filter is asked of, where that is not the whole record of a flow: a captured packet, `Flow` of nstap.proto, or a flow that still lives. */
export type FilterScope = 'packet' | 'liveFlow' | 'rankedFlow';

/** A condition of a filter that cannot be answered. */
export interface Inapplicable {
  /** As it is typed: "state", "route changed". */
  predicate: string;
  /** One sentence for people: what is missing, and what to do instead. */
  message: string;
}

type LeafKind = Exclude<FilterNode['kind'], 'and' | 'or' | 'not'>;
type Leaf = Extract<FilterNode, { kind: LeafKind }>;

/** What conditions are called that are not typed as their kind. */
const WORDS: Partial<Record<LeafKind, string>> = {
  ipVersion: 'ip',
  interface: 'if',
  tunnelId: 'tunnel id',
  tunnelOuter: 'tunnel outer',
  flowId: 'flow',
  communityId: 'community-id',
  routeRule: 'route rule',
  routeChanged: 'route changed',
};

/** Predicates that have no answer, and why. */
const REASONS: Readonly<Record<FilterScope, Readonly<Record<string, string>>>> = {
  packet: {
    state: 'a connection state is of a whole flow, not of a packet',
    packets: 'a number of packets is of a whole flow, not of a packet',
    duration: 'a duration is of a whole flow, not of a packet',
    retransmits: 'retransmissions are counted by flow, not told of a packet',
    pps: 'a rate is of a whole flow, not of a packet',
    bps: 'a rate is of a whole flow, not of a packet',
    bpp: 'octets a packet are of a whole flow; of one packet say "bytes"',
    flow: 'a packet does not tell its flow_id',
    experiment: 'experiments are marked on flows, not on packets',
    'tunnel outer': 'a packet has no flow_id; name the tunnel by its type or id',
    'route changed': 'a change is between packets of a flow, not of one of them',
  },
  liveFlow: {
    vlan: 'live flows are told without VLAN tags',
    tunnel: 'live flows are told without their tunnel',
    'tunnel id': 'live flows are told without their tunnel',
    'tunnel outer': 'live flows are told without their tunnel',
    flags: 'live flows are told without TCP flags',
    retransmits: 'live flows are told without retransmissions',
    route: 'live flows are told with their route as text only',
    'route rule': 'live flows are told with their route as text only',
    'route changed': 'live flows are told with their route as text only',
    experiment: 'live flows are told without experiments',
  },
  rankedFlow: {
    flow: 'a living flow may have no flow_id yet',
    'tunnel outer': 'a living flow may have no flow_id yet; name the tunnel by its type or id',
    experiment: 'experiments are marked in the database, not on living flows',
  },
};

/**
 * The conditions of a filter that have no answer in a scope, each once, in the order in which they stand in it; empty: the
 * filter can be used. A matcher takes them for not true.
 */
export function inapplicable(node: FilterNode, scope: FilterScope): Inapplicable[] {
  const found = new Map<string, Inapplicable>();
  for (const leaf of leaves(node)) {
    const predicate = predicateOf(leaf);
    const reason = REASONS[scope][leaf.kind === 'route' ? 'route' : predicate];
    if (reason !== undefined && !found.has(predicate))
      found.set(predicate, {
        predicate,
        message: `"${predicate}" cannot be asked here: ${reason}; leave it out, or use \`nstap flows\` for it`,
      });
  }
  return [...found.values()];
}

/** True when a condition of one of these kinds stands in the filter. */
export function uses(node: FilterNode, ...kinds: LeafKind[]): boolean {
  for (const { kind } of leaves(node)) if (kinds.includes(kind)) return true;
  return false;
}

function predicateOf(leaf: Leaf): string {
  if (leaf.kind === 'quantity') return leaf.field;
  if (leaf.kind === 'route') return `route ${leaf.field}`;
  return WORDS[leaf.kind] ?? leaf.kind;
}

function* leaves(node: FilterNode): Iterable<Leaf> {
  if (node.kind === 'not') yield* leaves(node.node);
  else if ('nodes' in node) for (const each of node.nodes) yield* leaves(each);
  else yield node;
}

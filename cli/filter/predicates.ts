import type { FilterNode, FlowQuantity, RouteTextField } from '../../storage/filter-ast.ts';
import {
  COMMUNITY_ID,
  COUNT,
  DURATION,
  FLOW_ID,
  NAME,
  PROTOCOL,
  ROUTE_VALUES,
  RULE,
  STATE,
  TUNNEL_ID,
  type ValueKind,
} from './values.ts';

/** A predicate that is a word and values: `netns blue`, `netns != blue`, `netns in [ blue red ]`. */
export interface ValuePredicate<T> {
  /** The words, any of which begins it. */
  words: readonly string[];
  kind: ValueKind<T>;
  make(values: T[]): FilterNode;
}

function valuePredicate<T>(
  words: string,
  kind: ValueKind<T>,
  make: (values: T[]) => FilterNode,
): ValuePredicate<unknown> {
  return { words: words.split(' '), kind, make: make as (values: unknown[]) => FilterNode };
}

/** Those that begin an expression. */
export const VALUE_PREDICATES: readonly ValuePredicate<unknown>[] = [
  valuePredicate('proto', PROTOCOL, (numbers) => ({ kind: 'proto', numbers })),
  valuePredicate('state', STATE, (states) => ({ kind: 'state', states })),
  valuePredicate('netns', NAME, (names) => ({ kind: 'netns', names })),
  valuePredicate('if interface', NAME, (names) => ({ kind: 'interface', names })),
  valuePredicate('experiment', NAME, (names) => ({ kind: 'experiment', names })),
  valuePredicate('flow', FLOW_ID, (values) => ({ kind: 'flowId', values })),
  valuePredicate('community-id', COMMUNITY_ID, (values) => ({ kind: 'communityId', values })),
];

/** Those behind `tunnel`. */
export const TUNNEL_PREDICATES: readonly ValuePredicate<unknown>[] = [
  valuePredicate('id', TUNNEL_ID, (values) => ({ kind: 'tunnelId', values })),
  valuePredicate('outer', FLOW_ID, (values) => ({ kind: 'tunnelOuter', values })),
];

/** Those behind `route`. */
export const ROUTE_PREDICATES: readonly ValuePredicate<unknown>[] = [
  valuePredicate('rule', RULE, (values) => ({ kind: 'routeRule', values })),
  ...Object.entries(ROUTE_VALUES).map(([field, kind]) =>
    valuePredicate(field, kind, (values) => ({
      kind: 'route',
      field: field as RouteTextField,
      values: values.flat(),
    })),
  ),
];

/** Protocols that stand alone, as in `tcp port 80`. */
export const PROTOCOL_WORDS = ['tcp', 'udp', 'icmp', 'icmp6', 'sctp'] as const;

/** What is compared of a whole flow, and how its values are read. */
export const QUANTITY_KINDS: Readonly<Record<FlowQuantity, ValueKind<bigint>>> = {
  bytes: COUNT,
  packets: COUNT,
  duration: DURATION,
  retransmits: COUNT,
  pps: COUNT,
  bps: COUNT,
  bpp: COUNT,
};

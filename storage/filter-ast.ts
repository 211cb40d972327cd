/** `a = b` and the like, as typed. */
export type Comparator = '=' | '!=' | '>' | '>=' | '<' | '<=';

/** Which end of a flow: the originator, the responder, or either. */
export type Side = 'src' | 'dst' | 'any';

/** An address in network order, 4 or 16 octets by `version`. */
export interface FilterAddress {
  version: 4 | 6;
  bytes: Uint8Array;
}

/** Quantities of a whole flow: both directions together; `duration` is in nanoseconds. */
export type FlowQuantity = 'bytes' | 'packets' | 'duration' | 'retransmits';

/** Fields of the route decision that compare as text, by the names of the decision object. */
export type RouteTextField =
  | 'type'
  | 'verdict'
  | 'table'
  | 'prefix'
  | 'gateway'
  | 'dev'
  | 'observed'
  | 'stage'
  | 'confidence';

/**
 * What a flow filter means, as plain data: the parser of the command line makes it, the storage engine answers it. A list
 * of values means "one of these"; it is never empty. `route` matches when the decision of either direction does.
 * A field that does not apply to a flow (the ports of ESP) matches nothing, and `not` of that matches.
 */
export type FilterNode =
  | { kind: 'and' | 'or'; nodes: FilterNode[] }
  | { kind: 'not'; node: FilterNode }
  | { kind: 'host'; side: Side; addresses: FilterAddress[] }
  /** Octets behind the prefix are ignored. */
  | { kind: 'net'; side: Side; nets: (FilterAddress & { prefixLen: number })[] }
  /** Ports of TCP, UDP, SCTP and their like; an ICMP type is not a port. With `!=`: neither end (of `any`) is one of these. */
  | { kind: 'port'; side: Side; comparator: Comparator; values: number[] }
  | { kind: 'proto'; numbers: number[] }
  | { kind: 'ipVersion'; version: 4 | 6 }
  | { kind: 'netns' | 'interface'; names: string[] }
  /** Alive in the time of one of these, see parseExperimentName. */
  | { kind: 'experiment'; names: string[] }
  /** One of the (at most two) VLAN ids that are kept; null: any tag at all. */
  | { kind: 'vlan'; ids: number[] | null }
  /** Codes of TUNNEL_TYPES; null: inside any tunnel. */
  | { kind: 'tunnel'; types: number[] | null }
  /** Of flows inside a tunnel: its id, or the flow that it came in. */
  | { kind: 'tunnelId' | 'tunnelOuter'; values: number[] }
  /** Zeek conn_state in upper case. */
  | { kind: 'state'; states: string[] }
  /** All bits of `mask` were seen in segments of the flow, in either direction. */
  | { kind: 'flags'; mask: number }
  | { kind: 'quantity'; field: FlowQuantity; comparator: Comparator; value: bigint }
  | { kind: 'route'; field: RouteTextField; values: string[] }
  /** Preference of the rule. */
  | { kind: 'routeRule'; values: number[] }
  /** The decision of either direction changed while the flow lived. */
  | { kind: 'routeChanged' };

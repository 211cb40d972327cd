/** `a = b` and the like, as typed. */
export type Comparator = '=' | '!=' | '>' | '>=' | '<' | '<=';

/** Which end of a flow: the originator, the responder, or either. */
export type Side = 'src' | 'dst' | 'any';

/** An address in network order, 4 or 16 octets by `version`. */
export interface FilterAddress {
  version: 4 | 6;
  bytes: Uint8Array;
}

/** What adds up or is measured, of a whole flow: both directions together; `duration` is in nanoseconds. */
export type FlowTotal = 'bytes' | 'packets' | 'duration' | 'retransmits';

/**
 * Packets and bits a second, and octets a packet: as in nfdump. They are doubles, and compared as doubles: packets * 1e9 /
 * duration, bytes * 8e9 / duration, bytes / packets. A flow that took no time has no rate: that matches nothing.
 */
export type FlowRate = 'pps' | 'bps' | 'bpp';

/** What a filter compares of a whole flow. */
export type FlowQuantity = FlowTotal | FlowRate;

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
  /** The `flow_id` that JSON has: one flow of this database. */
  | { kind: 'flowId'; values: number[] }
  /** Community id v1 with seed 0, "1:…=", as communityId makes it. */
  | { kind: 'communityId'; values: string[] }
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

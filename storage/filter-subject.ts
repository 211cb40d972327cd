import type { RouteDecision } from './route-decision.ts';

/**
 * What a filter is asked of: a flow or a packet, as plain numbers and texts that are read where they are. One object is
 * reused for many, so that nothing is allocated. What does not apply is -1 where a number is wanted and null where a text is:
 * what NULL is in SQL.
 */
export interface FilterSubject {
  /** -1: it has none, or nobody knows it. */
  readonly flowId: number;
  /**
   * Words of the addresses in network order, as int32: the originator's (of a packet: the sender's) from 0, the responder's
   * from 4. IPv4 is in the first of the four.
   */
  readonly addresses: Int32Array;
  /** 1 for IPv4 addresses, 4 for IPv6, 0: it has none. */
  readonly addressWords: 0 | 1 | 4;
  /** 4 or 6; 0: not IP. */
  readonly ipVersion: number;
  /** IANA number; -1: not IP. */
  readonly proto: number;
  /** ICMP: type and code. -1, and then both are: it has none. */
  readonly srcPort: number;
  readonly dstPort: number;
  readonly netns: string | null;
  readonly interface: string | null;
  /** -1: no such tag. */
  readonly vlanOuter: number;
  readonly vlanInner: number;
  /** Code of TUNNEL_TYPES; 0: not inside a tunnel. */
  readonly tunnelType: number;
  /** Unsigned; -1: none. */
  readonly tunnelId: number;
  /** `flow_id` of the flow that it came in; -1: none, or not kept. */
  readonly tunnelOuter: number;
  /** Code of CONN_STATES; 0: does not apply. */
  readonly connState: number;
  /** Bits of TcpFlag that were seen in either direction; -1: not TCP. */
  readonly tcpFlags: number;
  /** Of both directions, exact below 2^53, as records and rows are. */
  readonly bytes: number;
  readonly packets: number;
  /** -1: not TCP. */
  readonly retransmits: number;
  /** Times in the span that an INTEGER of SQLite holds: whole seconds since the epoch, and 0..999999999. */
  readonly startSec: number;
  readonly startNsec: number;
  readonly endSec: number;
  readonly endNsec: number;
  /** The decision of either direction changed. */
  readonly isRouteChanged: boolean;
  /**
   * The route decision of a direction: 0 from the originator, 1 to it; a packet has that of 0 only. Asked for only by filters
   * that need it.
   */
  route(direction: 0 | 1): RouteDecision | null;
}

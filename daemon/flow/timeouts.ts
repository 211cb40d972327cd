import { IpProto } from '../../decoders/packet-fields.ts';
import { Endpoint } from './slot.ts';
import { endpointState, isTcpClosed, isTcpHalfOpen } from './tcp-state.ts';

/** Seconds without a packet after which a flow ends, by protocol and state. docs/timeouts.md has the reasons. */
export interface FlowTimeouts {
  /** TCP that never got past SYN. */
  tcpAttempt: number;
  /** TCP that got past its handshake, or was under way when the capture began. */
  tcpEstablished: number;
  /** TCP that one side has closed. */
  tcpHalfClosed: number;
  /** Linger after FIN of both sides: late retransmissions belong to the same flow. */
  tcpClosed: number;
  /** Linger after RST. */
  tcpReset: number;
  /** UDP (and UDP-Lite) of one side only. */
  udpNew: number;
  /** UDP of both sides. */
  udp: number;
  icmp: number;
  /** Every other protocol. */
  other: number;
}

export const DEFAULT_TIMEOUTS: Readonly<FlowTimeouts> = {
  tcpAttempt: 60,
  tcpEstablished: 300,
  tcpHalfClosed: 300,
  tcpClosed: 5,
  tcpReset: 5,
  udpNew: 60,
  udp: 60,
  icmp: 60,
  other: 60,
};

/**
 * Idle timeout of a flow in seconds.
 * @param bits       W.bits of the flow
 * @param isAnswered both sides sent
 */
export function idleTimeout(
  timeouts: FlowTimeouts,
  proto: number,
  bits: number,
  isAnswered: boolean,
): number {
  switch (proto) {
    case IpProto.TCP:
      return tcpTimeout(timeouts, bits);
    case IpProto.UDP:
    case IpProto.UDPLITE:
      return isAnswered ? timeouts.udp : timeouts.udpNew;
    case IpProto.ICMP:
    case IpProto.ICMPV6:
      return timeouts.icmp;
    default:
      return timeouts.other;
  }
}

function tcpTimeout(timeouts: FlowTimeouts, bits: number): number {
  const lo = endpointState(bits, 0);
  const hi = endpointState(bits, 1);
  if (lo === Endpoint.Reset || hi === Endpoint.Reset) return timeouts.tcpReset;
  if (isTcpClosed(bits)) return timeouts.tcpClosed;
  if (isTcpHalfOpen(bits)) return timeouts.tcpAttempt;
  return lo === Endpoint.Closed || hi === Endpoint.Closed ? timeouts.tcpHalfClosed : timeouts.tcpEstablished;
}

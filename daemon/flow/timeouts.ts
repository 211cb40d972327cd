import { IpProto } from '../../decoders/packet-fields.ts';
import { isTcpHalfOpen, isTcpOver } from './tcp-state.ts';

/** Seconds without a packet after which a flow ends, by protocol and state. */
export interface FlowTimeouts {
  /** Established TCP. Zeek: 300 (tcp_inactivity_timeout). */
  tcp: number;
  /** TCP that never got past SYN: long enough for Linux's SYN retries at 1, 3, 7, 15 and 31 s to stay one flow. */
  tcpAttempt: number;
  /** Linger after FIN of both sides, or RST: late retransmissions belong to the same flow. Zeek: 5 (tcp_close_delay). */
  tcpClosed: number;
  /** Zeek: 60 (udp_inactivity_timeout). */
  udp: number;
  /** ICMP and everything else. Zeek: 60 (icmp_inactivity_timeout). */
  other: number;
}

export const DEFAULT_TIMEOUTS: FlowTimeouts = { tcp: 300, tcpAttempt: 60, tcpClosed: 5, udp: 60, other: 60 };

/** Idle timeout of a flow in seconds. @param bits W.bits of the flow */
export function idleTimeout(timeouts: FlowTimeouts, proto: number, bits: number): number {
  if (proto === IpProto.TCP) {
    if (isTcpOver(bits)) return timeouts.tcpClosed;
    return isTcpHalfOpen(bits) ? timeouts.tcpAttempt : timeouts.tcp;
  }
  return proto === IpProto.UDP ? timeouts.udp : timeouts.other;
}

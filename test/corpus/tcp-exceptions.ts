import type { WholeRecord } from '../support/meter.ts';
import type { AnalysisDifference } from './tcp-analysis.ts';

/** A difference from tshark that is meant, of one direction of one capture, with both figures: it must be there. */
export interface TcpException extends AnalysisDifference {
  why: string;
}

const ANOTHER_ISN =
  'a SYN+ACK with another sequence number begins the sequence space anew, as in Zeek; tshark compares it with the one before';
const UNACKED =
  'tshark keeps every segment that is not acknowledged, we keep one hole a side: this one begins before anything that was seen';
const RESET =
  'the payload of a RST is an error text outside the sequence space (RFC 9293 §3.5.3, Zeek); tshark takes it for data sent again';
const WILD_ACK =
  'a fuzzed acknowledgment is far ahead of all that was sent: for us, as for Zeek, what it skips is missing from then on, and no hole that could be filled';
const DAMAGED = 'a fuzzed header: tshark stops in the middle of it, or of another one of the stream';

/** By capture. */
export const TCP_EXCEPTIONS: Record<string, TcpException[]> = {
  'nDPI/KakaoTalk_talk.pcap': [
    {
      what: 'lost_segment',
      key: '203.205.147.215 80 > 10.24.82.188 48489',
      got: 0,
      want: 1,
      why: ANOTHER_ISN,
    },
  ],
  'nDPI/fuzz-2006-09-29-28586.pcap': [
    { what: 'lost_segment', key: '172.20.3.13 80 > 172.20.3.5 2601', got: 1, want: 0, why: DAMAGED },
    { what: 'retransmission', key: '172.20.3.5 80 > 172.20.3.13 53132', got: 1, want: 0, why: WILD_ACK },
    { what: 'out_of_order', key: '172.20.3.5 80 > 172.20.3.13 53132', got: 0, want: 1, why: WILD_ACK },
    {
      what: 'fast_retransmission',
      key: '172.20.3.5 80 > 172.20.3.13 53136',
      got: 0,
      want: 1,
      why: DAMAGED,
    },
    { what: 'initial_rtt', key: '172.20.3.13 80 172.20.3.5 2603', got: 216467, want: 2442, why: DAMAGED },
  ],
  'nDPI/heuristic_tcp_ack_payload.pcap': [
    {
      what: 'retransmission',
      key: '8.247.226.126 80 > 194.226.199.226 34101',
      got: 8,
      want: 0,
      why: UNACKED,
    },
    { what: 'out_of_order', key: '8.247.226.126 80 > 194.226.199.226 34101', got: 1, want: 9, why: UNACKED },
    { what: 'retransmission', key: '194.226.199.9 49756 > 92.223.106.21 443', got: 3, want: 4, why: RESET },
  ],
  'nDPI/tls_multiple_synack_different_seq.pcapng': [
    {
      what: 'retransmission',
      key: '10.10.10.1 443 > 192.168.0.1 59927',
      got: 1,
      want: 8,
      why: ANOTHER_ISN,
    },
  ],
};

/**
 * tshark takes the first ACK behind any SYN for the end of the handshake: of either side, also in a RST, and without a
 * SYN+ACK. We time SYN, SYN+ACK and ACK only.
 * @param flows of the same endpoints
 */
export function isWithoutHandshake(difference: AnalysisDifference, flows: readonly WholeRecord[]): boolean {
  if (difference.what !== 'initial_rtt' || difference.got !== null) return false;
  return flows.every(({ history }) => !/S/.test(history) || !/h/.test(history) || !/[ADF]/.test(history));
}

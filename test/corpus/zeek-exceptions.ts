import type { FlowDifference } from './zeek-compare.ts';
import type { Deviation } from './zeek-model.ts';

/** Fields in which flows of one capture differ from the model on purpose: exactly those, of exactly so many flows. */
export interface ZeekException {
  what: FlowDifference['what'][];
  flows: number;
  /** Only when checksums are believed (`checksums`) or not (`plain`). */
  only?: 'plain' | 'checksums';
  why: string;
}

const ANOTHER_FORMAT = 'tshark and nstap read other packets there: see exceptions.ts';
const NO_TIME =
  'a fraction of a second out of range: tshark has another time for it, by which the flow ended before or not';
const CLAIMED =
  'a damaged header states a length that tshark believes; nstap has no payload of a header that does not fit';

/** By capture. */
export const ZEEK_EXCEPTIONS: Record<string, ZeekException> = {
  'PcapPlusPlus/ip4_bad_fragment.pcap': { what: ['payload'], flows: 1, why: CLAIMED },
  'PcapPlusPlus/regression_samples/igmplayer': { what: ['flow'], flows: 2, why: ANOTHER_FORMAT },
  'PcapPlusPlus/solaris.snoop': { what: ['flow'], flows: 27, why: ANOTHER_FORMAT },
  'libpcap/arcnet-rfc1201-arp-icmp-http.pcap': { what: ['flow'], flows: 3, why: ANOTHER_FORMAT },
  'libpcap/http_PPI.pcap': { what: ['flow'], flows: 2, why: ANOTHER_FORMAT },
  'nDPI/fuzz-2006-09-29-28586.pcap': {
    what: ['history'],
    flows: 1,
    only: 'plain',
    why: 'a fuzzed ACK is 36 octets ahead of what was sent: a hole for nstap, and a gap once the FIN is acknowledged; Zeek has holes of data only',
  },
  'tcpdump/hoobr_rt6_print.pcap': { what: ['payload'], flows: 1, why: CLAIMED },
  'tcpdump/ip6_frag_asan.pcap': { what: ['payload'], flows: 1, why: CLAIMED },
  'tcpdump/ipv6_jumbogram_1.pcap': {
    what: ['payload'],
    flows: 1,
    why: 'the length is in a jumbo payload option; ipv6.plen of tshark is 0',
  },
  'tcpdump/ipv6hdr-heapoverflow.pcap': { what: ['payload'], flows: 1, why: CLAIMED },
  'tcpdump/timestamp_invalid_micro.pcap': {
    what: ['history', 'packets', 'bytes', 'flow'],
    flows: 2,
    why: NO_TIME,
  },
  'tcpdump/timestamp_invalid_nano.pcap': {
    what: ['history', 'packets', 'bytes', 'flow'],
    flows: 2,
    why: NO_TIME,
  },
  'tcpdump/udp-length-heapoverflow.pcap': { what: ['payload'], flows: 1, why: CLAIMED },
};

/**
 * Flows of the shared captures that would differ from nstap's if the model kept to Zeek in that. Those with 0 do not come up
 * there, but in zeek-model.test.ts.
 */
export const DEVIATING_FLOWS: Record<Deviation, number> = {
  synAckFirst: 3,
  lateSyn: 0,
  lateSynEstablishes: 0,
  reuse: 39,
  synNumbers: 2,
  controlPayload: 3,
  cutPayload: 2,
  udpLength: 30,
  groups: 0,
  states: 123,
  optionChecksums: 3,
  icmpChecksums: 1,
  letters: 0,
};

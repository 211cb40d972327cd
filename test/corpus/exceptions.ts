import type { Difference } from './compare.ts';

/** A capture in which our reading and tshark's differ on purpose. */
export interface Exception {
  /** Fields that differ when the file is read and decoded (test/decoders/corpus.test.ts). */
  decoder: string[];
  /** Fields that differ in what `replay --json` and `flows` print; the first word of a field covers all its rows. */
  replay: string[];
  why: string;
}

/** Why our count differs from tshark's, and in what; every one is looked at in both directions. */
export const EXCEPTIONS: Record<string, Exception> = {
  'PcapPlusPlus/regression_samples/clusterfuzz-testcase-FuzzTarget-5188876846235648': {
    decoder: ['first_ts', 'last_ts'],
    replay: ['first_ts', 'last_ts'],
    why: 'fraction of a second out of range: tshark has no time for it, we carry it into the seconds',
  },
  'PcapPlusPlus/regression_samples/clusterfuzz-testcase-minimized-FuzzTarget-5766899836387328': {
    decoder: ['error', 'packets', 'bytes', 'captured_bytes', 'truncated_packets', 'first_ts', 'last_ts'],
    replay: ['exit status', 'errors', 'packets', 'bytes', 'truncated_packets', 'first_ts', 'last_ts'],
    why: 'version 2.3 with swapped lengths, read as libpcap does; tshark guesses a vendor variant with longer headers',
  },
  'PcapPlusPlus/regression_samples/igmplayer': {
    decoder: ['bytes', 'captured_bytes', 'first_ts', 'last_ts', 'ipv6', 'icmpv6', 'ipv4'],
    replay: ['bytes', 'first_ts', 'last_ts', 'ip', 'ipv4', 'icmp', 'conversation'],
    why: 'damaged: tshark guesses a vendor variant with longer headers, we (and libpcap) read what the magic says',
  },
  'PcapPlusPlus/solaris.snoop': {
    decoder: [
      'error',
      'packets',
      'bytes',
      'captured_bytes',
      'first_ts',
      'last_ts',
      'tcp',
      'udp',
      'ipv4',
      'arp',
    ],
    replay: [
      'exit status',
      'errors',
      'packets',
      'bytes',
      'first_ts',
      'last_ts',
      'ip',
      'ipv4',
      'arp',
      'tcp',
      'udp',
      'conversation',
      'times',
    ],
    why: 'not pcap: the error says that it is a snoop capture',
  },
  'derived/zero-length.pcap': {
    decoder: ['error'],
    replay: ['exit status', 'errors'],
    why: 'tshark opens it as an empty ERF capture',
  },
  'libpcap/arcnet-rfc1201-arp-icmp-http.pcap': {
    decoder: ['ipv4', 'tcp', 'udp', 'icmp', 'arp'],
    replay: ['ip', 'ipv4', 'arp', 'tcp', 'udp', 'icmp', 'conversation', 'times'],
    why: 'LINKTYPE_ARCNET_LINUX has no decoder here',
  },
  'libpcap/http_PPI.pcap': {
    decoder: ['ipv4', 'tcp', 'udp'],
    replay: ['ip', 'ipv4', 'tcp', 'udp', 'conversation', 'times'],
    why: 'LINKTYPE_PPI (802.11) has no decoder here',
  },
  'nDPI/capwap.pcap': { decoder: ['arp'], replay: ['arp'], why: 'tshark counts ARP inside a tunnel too' },
  'nDPI/fuzz-2021-10-13.pcap': {
    decoder: ['first_ts', 'last_ts'],
    replay: ['first_ts', 'last_ts'],
    why: 'fraction of a second out of range: carried into the seconds',
  },
  'tcpdump/brcm-tag.pcap': {
    decoder: ['error'],
    replay: ['exit status', 'errors'],
    why: 'a link type that tshark does not know: for us its packets are undecoded, which is no error',
  },
  'tcpdump/timestamp_invalid_micro.pcap': {
    decoder: ['last_ts'],
    replay: ['last_ts'],
    why: 'fraction of a second out of range: carried into the seconds',
  },
  'tcpdump/timestamp_invalid_nano.pcap': {
    decoder: ['last_ts'],
    replay: ['last_ts'],
    why: 'fraction of a second out of range: carried into the seconds',
  },
  'tcpdump/vxlan.pcap': { decoder: ['arp'], replay: ['arp'], why: 'tshark counts ARP inside a tunnel too' },
};

/** Kinds of differences that come once for each conversation, with its key behind them. */
const BY_CONVERSATION = ['conversation', 'times', 'pair'];

/**
 * What is left of the differences in the commands' output when the exception of the file is taken off: differences that
 * are not excepted, and excepted fields that do not differ.
 */
export function unexplained(name: string, found: readonly Difference[]): Difference[] {
  const excepted = new Set(EXCEPTIONS[name]?.replay);
  const kind = ({ field }: Difference): string =>
    BY_CONVERSATION.find((prefix) => field.startsWith(`${prefix} `)) ?? field;
  const hit = new Set(found.map(kind));
  const stale = [...excepted].filter((field) => !hit.has(field));
  return [
    ...found.filter((difference) => !excepted.has(kind(difference))),
    ...stale.map((field) => ({ field, got: 'agrees', want: 'the listed exception' })),
  ];
}

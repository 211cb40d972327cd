import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  IP_FIELDS,
  type OuterIp,
  outerOf,
  type TsharkFrame,
  tsharkFrame,
  Upper,
} from '../support/outer-ip.ts';

/** A packet of the outermost IP header as tshark reads it, in the terms of Zeek's packet analyzers. */
export interface ZeekPacket {
  frame: number;
  /** Capture time in seconds and nanoseconds; both 0 when the packet has none. */
  sec: number;
  nsec: number;
  /** Section and interface of the file, and VLAN ids outermost first: "section:interface vlan vlan". */
  scope: string;
  version: 4 | 6;
  src: string;
  dst: string;
  proto: number;
  /** Octets on the wire. */
  wireLen: number;
  /** Octets behind the transport header, those of a broken one and of fragments as they come. */
  payload: number;
  /** Octets that the header of UDP states. */
  udpPayload: number;
  /** TCP flags, also when the rest of the header could not be read. */
  flags: number;
  isFragment: boolean;
  /** A fragment with an offset: it has no transport header. */
  isLater: boolean;
  id: string | null;
  /** Of ICMP the type and the code; null when they could not be read. */
  ports: [number, number] | null;
  /** All octets were captured. */
  isWhole: boolean;
  /** The transport checksum is wrong. */
  isChecksumBad: boolean;
  /** IPv4 options or IPv6 extension headers. */
  hasOptions: boolean;
  /** null when the header could not be read in full. */
  tcp: ZeekSegment | null;
}

export interface ZeekSegment {
  flags: number;
  /** Unsigned. */
  seq: number;
  ack: number;
  window: number;
  len: number;
}

const FIELDS = [
  'frame.number',
  'frame.time_epoch',
  'frame.len',
  'frame.cap_len',
  'frame.section_number',
  'frame.interface_id',
  'ip.cur_rt',
  'vlan.id',
  'ieee8021ad.id',
  ...IP_FIELDS,
  'tcp.srcport',
  'tcp.dstport',
  'tcp.flags',
  'tcp.seq_raw',
  'tcp.ack_raw',
  'tcp.len',
  'tcp.window_size_value',
  'tcp.checksum.status',
  'udp.srcport',
  'udp.dstport',
  'udp.length',
  'udp.checksum.status',
  'icmp.type',
  'icmp.code',
  'icmp.checksum.status',
  'icmpv6.type',
  'icmpv6.code',
  'icmpv6.checksum.status',
  'sctp.srcport',
  'sctp.dstport',
  'dccp.srcport',
  'dccp.dstport',
  'dccp.data_offset',
] as const;
type Field = (typeof FIELDS)[number];

const PREFERENCES = [
  'ip.defragment:FALSE',
  'ipv6.defragment:FALSE',
  'tcp.desegment_tcp_streams:FALSE',
  'tcp.analyze_sequence_numbers:FALSE',
  'tcp.check_checksum:TRUE',
  'udp.check_checksum:TRUE',
];
const Checksum = { bad: '0', unverified: '2' } as const;

/** The layers of tshark that carry ports, by protocol; and the octets of the header. */
const CARRIERS: Readonly<Record<number, { layer: 'tcp' | 'udp' | 'sctp' | 'dccp'; headerLen: number }>> = {
  [Upper.TCP]: { layer: 'tcp', headerLen: 20 },
  [Upper.UDP]: { layer: 'udp', headerLen: 8 },
  [Upper.UDPLITE]: { layer: 'udp', headerLen: 8 },
  [Upper.SCTP]: { layer: 'sctp', headerLen: 12 },
  [Upper.DCCP]: { layer: 'dccp', headerLen: 0 },
};
/** Octets of an ICMP header as Zeek counts them. */
const ICMP_HEADER_LEN = 8;
const UDP_HEADER_LEN = 8;
const ETHERNET_HEADER_LEN = 14;
const VLAN_TAG_LEN = 4;

/** The IP packets of a capture, in the order of the file. What tshark reads before it stops at an error counts. */
export async function zeekPackets(path: string): Promise<ZeekPacket[]> {
  const { stdout } = await promisify(execFile)(
    'tshark',
    [
      ...['-n', '-r', path, '-Y', 'ip || ipv6', '-T', 'fields'],
      ...['-E', 'occurrence=a', '-E', 'aggregator=,'],
      ...PREFERENCES.flatMap((each) => ['-o', each]),
      ...FIELDS.flatMap((field) => ['-e', field]),
    ],
    { maxBuffer: 1 << 30 },
  ).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }));
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => packetOf(tsharkFrame(FIELDS, line)))
    .filter((packet) => packet !== null);
}

function packetOf(frame: TsharkFrame<Field>): ZeekPacket | null {
  const ip = outerOf(frame);
  if (ip === null || ip === 'bad') return null;
  const wireLen = Number(frame['frame.len'][0]);
  const ports = ip.isLater ? null : portsOf(frame, ip.proto);
  const tcp = ip.proto === Upper.TCP && ports !== null ? segmentOf(frame) : null;
  const payload = tcp?.len ?? payloadOf(frame, ip, ports !== null);
  const isUdpStated = ip.proto === Upper.UDP && !ip.isFragment;
  return {
    frame: Number(frame['frame.number'][0]),
    ...timeOf(frame),
    scope: scopeOf(frame),
    version: ip.version,
    src: ip.src,
    // tshark's is the end of a source route.
    dst: frame['ip.cur_rt'][0] ?? ip.dst,
    proto: ip.proto,
    wireLen,
    payload,
    udpPayload: isUdpStated ? Math.max(0, Number(frame['udp.length'][0] ?? 0) - UDP_HEADER_LEN) : payload,
    flags: ports !== null && ip.proto === Upper.TCP ? Number(frame['tcp.flags'][0] ?? 0) & 0xff : 0,
    isFragment: ip.isFragment,
    isLater: ip.isLater,
    id: ip.id,
    ports,
    isWhole: Number(frame['frame.cap_len'][0]) >= wireLen,
    isChecksumBad: ports !== null && isChecksumBad(frame, ip),
    hasOptions: ip.ipLen - ip.upperLen !== (ip.version === 4 ? 20 : 40),
    tcp,
  };
}

/** A fraction out of range, as tshark prints it, is carried into the seconds. */
function timeOf(frame: TsharkFrame<Field>): { sec: number; nsec: number } {
  const match = /^(-?\d+)\.(\d+)$/.exec(frame['frame.time_epoch'][0] ?? '');
  if (match === null) return { sec: 0, nsec: 0 };
  const nsec = Number(match[2]!.length > 9 ? match[2] : match[2]!.padEnd(9, '0'));
  return { sec: Number(match[1]) + Math.floor(nsec / 1e9), nsec: nsec % 1e9 };
}

/** Tags in front of the outermost IP header. */
function scopeOf(frame: TsharkFrame<Field>): string {
  const tags: string[] = [];
  const taken = { vlan: 0, ieee8021ad: 0 };
  for (const name of (frame['frame.protocols'][0] ?? '').split(':')) {
    if (name === 'ip' || name === 'ipv6') break;
    if (name === 'vlan' || name === 'ieee8021ad') tags.push(frame[`${name}.id`][taken[name]++] ?? '?');
  }
  const place = `${frame['frame.section_number'][0] ?? 0}:${frame['frame.interface_id'][0] ?? 0}`;
  return [place, ...tags.slice(0, 2)].join(' ');
}

function portsOf(frame: TsharkFrame<Field>, proto: number): [number, number] | null {
  let pair: [string | undefined, string | undefined];
  if (proto === Upper.ICMP) pair = [frame['icmp.type'][0], frame['icmp.code'][0]];
  else if (proto === Upper.ICMPV6) pair = [frame['icmpv6.type'][0], frame['icmpv6.code'][0]];
  else {
    const carrier = CARRIERS[proto];
    if (carrier === undefined) return null;
    pair = [frame[`${carrier.layer}.srcport`][0], frame[`${carrier.layer}.dstport`][0]];
  }
  return pair[0] === undefined || pair[1] === undefined ? null : [Number(pair[0]), Number(pair[1])];
}

function segmentOf(frame: TsharkFrame<Field>): ZeekSegment | null {
  const [flags, seq, ack, window, len] = (
    ['tcp.flags', 'tcp.seq_raw', 'tcp.ack_raw', 'tcp.window_size_value', 'tcp.len'] as const
  ).map((field) => frame[field][0]);
  if (flags === undefined || seq === undefined || window === undefined || len === undefined) return null;
  return {
    flags: Number(flags) & 0xff,
    seq: Number(seq),
    ack: Number(ack ?? 0),
    window: Number(window),
    len: Number(len),
  };
}

/** What the IP packet has behind the transport header, of a header that could not be read none. */
function payloadOf(frame: TsharkFrame<Field>, ip: OuterIp, hasHeader: boolean): number {
  const upperLen = Math.min(ip.upperLen, roomOf(frame) - (ip.ipLen - ip.upperLen));
  if (ip.isLater || !hasPortsOf(ip.proto)) return upperLen;
  if (!hasHeader || ip.proto === Upper.TCP) return 0;
  return Math.max(0, upperLen - headerLenOf(frame, ip.proto));
}

function hasPortsOf(proto: number): boolean {
  return proto === Upper.ICMP || proto === Upper.ICMPV6 || CARRIERS[proto] !== undefined;
}

function headerLenOf(frame: TsharkFrame<Field>, proto: number): number {
  if (proto === Upper.DCCP) return 4 * Number(frame['dccp.data_offset'][0] ?? 0);
  return CARRIERS[proto]?.headerLen ?? ICMP_HEADER_LEN;
}

/** Octets that an Ethernet frame has for its IP packet, whatever length that states. Of other links it is believed. */
function roomOf(frame: TsharkFrame<Field>): number {
  const match = /^eth:ethertype((?::vlan:ethertype)*):ipv?6?(?::|$)/.exec(frame['frame.protocols'][0] ?? '');
  if (match === null) return Number.POSITIVE_INFINITY;
  const tags = match[1]!.split('vlan').length - 1;
  return Number(frame['frame.len'][0]) - ETHERNET_HEADER_LEN - VLAN_TAG_LEN * tags;
}

/**
 * Of UDP whose stated length is not that of the IP packet tshark says nothing. Zeek adds up the IP payload, which is not what
 * the sender added up.
 */
function isChecksumBad(frame: TsharkFrame<Field>, ip: OuterIp): boolean {
  switch (ip.proto) {
    case Upper.TCP:
      return frame['tcp.checksum.status'][0] === Checksum.bad;
    case Upper.UDP: {
      const status = frame['udp.checksum.status'][0];
      const isOther = Number(frame['udp.length'][0]) !== ip.upperLen;
      return status === Checksum.bad || (status === Checksum.unverified && isOther && !ip.isFragment);
    }
    case Upper.ICMP:
      return frame['icmp.checksum.status'][0] === Checksum.bad;
    case Upper.ICMPV6:
      return frame['icmpv6.checksum.status'][0] === Checksum.bad;
    default:
      return false;
  }
}

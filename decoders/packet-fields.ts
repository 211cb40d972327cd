import { Status } from './status.ts';

/** `sll_pkttype` of linux/if_packet.h; `Unknown` where the source does not carry it (a plain pcap file). */
export const PacketType = {
  Unknown: -1,
  Host: 0,
  Broadcast: 1,
  Multicast: 2,
  OtherHost: 3,
  Outgoing: 4,
} as const;

export type PacketType = (typeof PacketType)[keyof typeof PacketType];

/**
 * The one reused result of decoding a packet: a source fills the first group, `decodePacket` the rest.
 *
 * Offsets (`…Off`, `…End`) are octets from the start of the DataView the packet lies in; -1 means absent. `…End` is one
 * past the last octet. 32-bit protocol values (sequence numbers, IPv6 flow label excepted) are kept as signed int32
 * (`getInt32`), because V8 stores those without a heap number; compare them with `|0` arithmetic. Multi-octet header
 * fields are in host order after decoding. No field owns memory: the view's bytes may be reused when the packet is done.
 */
export class PacketFields {
  // -- set by the packet source before decodePacket --
  /** LINKTYPE_ value (pcap-linktype(7)), low 16 bits. */
  linkType = 1;
  /** Index of the capture point (namespace + interface, or file interface) in the capture thread's list. */
  captureIndex = 0;
  /** Capture time: whole seconds since the epoch, and nanoseconds within the second (0..999999999). */
  tsSec = 0;
  tsNsec = 0;
  /** Octets on the wire (original length), including a re-inserted VLAN tag; may exceed the captured octets. */
  wireLen = 0;
  /** `sll_pkttype`; the SLL and SLL2 decoders set it when the source does not know it (`Unknown`). */
  pktType: number = PacketType.Unknown;
  /** VLAN tag that the kernel took out of the frame (TPACKET_V3), or -1; `strippedTpid` is its EtherType. */
  strippedTci = -1;
  strippedTpid = 0;

  /**
   * The transport checksum is what went over the wire, and nobody has tested it yet: not left to the device of the sender, not
   * found good by that of the receiver. Only the ring knows; a file does not tell whose capture it is.
   */
  isChecksumFinal = false;

  // -- set by decodePacket: frame --
  frameOff = 0;
  /** One past the last captured octet. */
  capEnd = 0;
  /** frameOff + wireLen less a stripped tag: where the frame would end had all of it been captured. */
  wireEnd = 0;
  /** Status of link and network layer together: what decides decoded or undecodable. */
  status: Status = Status.Ok;

  // -- link --
  /** Offset of the 6-octet addresses, or -1. */
  dstMacOff = -1;
  srcMacOff = -1;
  /** VLAN ids outermost first; `vlanCount` may pass 2, of which two are kept. */
  vlanCount = 0;
  vlanOuter = 0;
  vlanInner = 0;
  /**
   * EtherType of the payload after VLAN tags, SNAP, MPLS and PPPoE; on links without one (raw, loopback, PPP) the EtherType
   * that the payload would have. -1 when it has none (802.3 LLC, LCP, …).
   */
  etherType = -1;

  // -- network --
  /** 4, 6, or 0 when the frame is not IP. */
  ipVersion = 0;
  isArp = false;
  /** First octet of the network header; for a frame that is not IP, of whatever follows the link header. */
  l3Off = -1;
  /** Octets of the IPv4 header with options, or of the IPv6 header with its extension chain. */
  l3HeaderLen = 0;
  /** IPv4 total length (real length where the header says 0, TSO); IPv6: 40 + payload length (not substituted when 0). */
  ipLen = 0;
  /** One past the last octet of the IP packet on the wire: a length beyond the frame is clamped to it; -1 when not IP. */
  ipWireEnd = -1;
  /** Upper-layer protocol: after the IPv6 extension chain. */
  ipProto = 0;
  ttl = 0;
  /** IPv4 TOS or IPv6 traffic class, all 8 bits; DSCP is `tos >> 2`. */
  tos = 0;
  /** Offset of the source and destination address: 4 or 16 octets by `ipVersion`. */
  srcOff = -1;
  dstOff = -1;
  /** Fragment: offset in octets, more-fragments flag, and the 16- or 32-bit identification as int32. */
  isFragment = false;
  fragOff = 0;
  moreFragments = false;
  ipId = 0;

  // -- transport --
  /** Ok when the transport header was read; says why not otherwise. Ok for protocols without a decoder. */
  l4Status: Status = Status.Ok;
  l4Off = -1;
  /** One past the last captured octet of the IP payload (Ethernet padding dropped). */
  l4End = -1;
  /** True when both port fields (or ICMP type and code) were read; a non-first fragment has none. */
  hasPorts = false;
  /** ICMP and ICMPv6: type in srcPort, code in dstPort. */
  srcPort = 0;
  dstPort = 0;
  /** IP payload octets on the wire less the transport header: 0 when that is not known. */
  payloadLen = 0;
  /** Offset of the first payload octet, or -1. */
  payloadOff = -1;
  /** The low 8 bits as on the wire: CWR 0x80, ECE, URG, ACK, PSH, RST, SYN, FIN 0x01. RFC 9293 §3.1. */
  tcpFlags = 0;
  tcpSeq = 0;
  tcpAck = 0;
  /** Window field as sent, without scaling. */
  tcpWindow = 0;
  tcpHeaderLen = 0;
}

/** TCP flag bits. RFC 9293 §3.1. */
export const TcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ECE: 64, CWR: 128 } as const;

/** IANA protocol numbers that nstap names in code. */
export const IpProto = {
  HOPOPT: 0,
  ICMP: 1,
  IGMP: 2,
  IPIP: 4,
  TCP: 6,
  UDP: 17,
  IPV6: 41,
  ROUTING: 43,
  FRAGMENT: 44,
  GRE: 47,
  ESP: 50,
  AH: 51,
  ICMPV6: 58,
  NONE: 59,
  DSTOPTS: 60,
  SCTP: 132,
  MOBILITY: 135,
  UDPLITE: 136,
  DCCP: 33,
} as const;

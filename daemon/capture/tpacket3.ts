import { PacketType } from '../../decoders/packet-fields.ts';
import { AHEAD_MAX } from '../flow/ahead.ts';
import type { LookAhead, PacketSink } from './packet-source.ts';

// struct tpacket_block_desc of linux/if_packet.h, u32 words from the block's start; the union holds tpacket_hdr_v1:
//   version 0, offset_to_priv 1, block_status 2, num_pkts 3, offset_to_first_pkt 4, blk_len 5, seq_num 6-7, times 8-11
const BLOCK_NUM_PKTS_WORD = 3;
const BLOCK_FIRST_PKT_WORD = 4;

// struct tpacket3_hdr of linux/if_packet.h, 48 octets, then struct sockaddr_ll (at TPACKET_ALIGN(48)):
//   tp_next_offset u32 0, tp_sec u32 4, tp_nsec u32 8, tp_snaplen u32 12, tp_len u32 16, tp_status u32 20, tp_mac u16 24,
//   tp_net u16 26, tp_rxhash u32 28, tp_vlan_tci u32 32, tp_vlan_tpid u16 36, padding 38..47
const NEXT_WORD = 0;
const SEC_WORD = 1;
const NSEC_WORD = 2;
const SNAPLEN_WORD = 3;
const LEN_WORD = 4;
const STATUS_WORD = 5;
const MAC_HALF = 12;
const VLAN_TCI_WORD = 8;
const VLAN_TPID_HALF = 18;
// struct sockaddr_ll: sll_family u16 48, sll_protocol be16 50, sll_ifindex i32 52, sll_hatype u16 56, sll_pkttype u8 58,
//   sll_halen u8 59, sll_addr 60..67
const SLL_PROTOCOL_OFF = 50;
const SLL_HATYPE_HALF = 28;
const SLL_PKTTYPE_OFF = 58;
const SLL_HALEN_OFF = 59;
const SLL_ADDR_OFF = 60;

const TP_STATUS_VLAN_VALID = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID = 1 << 6;
/** CSUMNOTREADY: left to the device, or never computed on a virtual link. CSUM_VALID: tested by the device or the kernel, since Linux 4.1. */
const TP_STATUS_CSUM_DONE = (1 << 3) | (1 << 7);
/** TPID when the kernel does not say (before Linux 3.14, or a driver that leaves it out). IEEE 802.1Q */
const ETH_P_8021Q = 0x8100;
/** Octets of the tag that the kernel took out of the frame; on the wire they were there. */
const VLAN_TAG_LEN = 4;
/** Header of LINKTYPE_LINUX_SLL. pcap-linktype(7) */
const SLL_HDR_LEN = 16;

/** The memory of a ring, as PacketRing maps it: the same octets as a view, as u32 and as u16 in native order. */
export interface RingMemory {
  readonly blockSize: number;
  readonly view: DataView;
  readonly words: Uint32Array;
  readonly halfWords: Uint16Array;
}

/** What walkBlock needs to know of the capture, and where it counts. */
export interface BlockWalk {
  /** Changes when the capture goes on as another, see LiveSource.handOver. */
  captureIndex: number;
  /** LINKTYPE_ value. */
  readonly linkType: number;
  /** True on a loopback interface: each packet is there as OUTGOING and again as HOST; the first is left out. */
  readonly dropOutgoing: boolean;
  /** True for a SOCK_DGRAM socket: a LINKTYPE_LINUX_SLL header is written before each packet. */
  readonly cooked: boolean;
  /** Packets left out by `dropOutgoing`. */
  duplicates: number;
  /** Times of the first and the last packet, those left out included; `firstSec` is -1 before the first. */
  firstSec: number;
  firstNsec: number;
  lastSec: number;
  lastNsec: number;
}

/**
 * Hands every packet of a block that the kernel has handed over to the sink. Allocates nothing. The lengths are those
 * that were on the wire and that tcpdump shows: a VLAN tag that the kernel took out (net/core/skb_vlan_untag, before
 * packet sockets see the frame) counts in `wireLen`, and stands in `strippedTci` and `strippedTpid`.
 *
 * Source: linux/if_packet.h, Documentation/networking/packet_mmap.rst; pcap-linux.c (libpcap 1.10) for what to leave
 * out on lo and what counts as a tag.
 * @param block number of a block that the kernel has handed over; the caller releases it
 * @returns packets handed over
 */
export function walkBlock(ring: RingMemory, block: number, walk: BlockWalk, sink: PacketSink): number {
  const { words, halfWords, view } = ring;
  const fields = sink.fields;
  fields.captureIndex = walk.captureIndex;
  fields.linkType = walk.linkType;
  const dropOutgoing = walk.dropOutgoing;
  const cooked = walk.cooked;
  const blockOff = block * ring.blockSize;
  const count = words[(blockOff >>> 2) + BLOCK_NUM_PKTS_WORD]!;
  let off = blockOff + words[(blockOff >>> 2) + BLOCK_FIRST_PKT_WORD]!;
  let duplicates = 0;
  let word = off >>> 2;
  if (walk.firstSec < 0 && count > 0) {
    walk.firstSec = words[word + SEC_WORD]!;
    walk.firstNsec = words[word + NSEC_WORD]!;
  }
  const ahead = sink.ahead ?? null;
  for (let i = 0; i < count; i++) {
    if (ahead !== null && i % AHEAD_MAX === 0 && ahead.begin())
      lookAhead(ring, off, Math.min(count - i, AHEAD_MAX), walk, ahead);
    word = off >>> 2;
    const pktType = view.getUint8(off + SLL_PKTTYPE_OFF);
    if (dropOutgoing && pktType === PacketType.Outgoing) {
      duplicates++;
    } else {
      const half = off >>> 1;
      let mac = off + halfWords[half + MAC_HALF]!;
      let capLen = words[word + SNAPLEN_WORD]!;
      let wireLen = words[word + LEN_WORD]!;
      if (cooked) {
        mac -= SLL_HDR_LEN;
        capLen += SLL_HDR_LEN;
        wireLen += SLL_HDR_LEN;
        writeSllHeader(view, mac, off, halfWords[half + SLL_HATYPE_HALF]!);
      }
      const status = words[word + STATUS_WORD]!;
      const tci = words[word + VLAN_TCI_WORD]!;
      // Old kernels left the flag out, so a non-zero TCI counts as well (libpcap's VLAN_VALID).
      if ((status & TP_STATUS_VLAN_VALID) !== 0 || tci !== 0) {
        fields.strippedTci = tci;
        fields.strippedTpid =
          (status & TP_STATUS_VLAN_TPID_VALID) !== 0 ? halfWords[half + VLAN_TPID_HALF]! : ETH_P_8021Q;
        wireLen += VLAN_TAG_LEN;
      } else {
        fields.strippedTci = -1;
        fields.strippedTpid = 0;
      }
      fields.tsSec = words[word + SEC_WORD]!;
      fields.tsNsec = words[word + NSEC_WORD]!;
      fields.wireLen = wireLen;
      fields.pktType = pktType;
      fields.isChecksumFinal = (status & TP_STATUS_CSUM_DONE) === 0;
      sink.packet(view, mac, capLen);
    }
    off += words[word + NEXT_WORD]!;
  }
  if (count > 0) {
    walk.lastSec = words[word + SEC_WORD]!;
    walk.lastNsec = words[word + NSEC_WORD]!;
  }
  walk.duplicates += duplicates;
  return count - duplicates;
}

/** Lets the sink look at the next `count` packets. @param first offset of the first one's tpacket3_hdr */
function lookAhead(ring: RingMemory, first: number, count: number, walk: BlockWalk, ahead: LookAhead): void {
  const { words, halfWords, view } = ring;
  const { linkType, captureIndex, dropOutgoing } = walk;
  let off = first;
  for (let i = 0; i < count; i++) {
    const word = off >>> 2;
    // The header that a cooked packet gets is not written yet; none of them is Ethernet, so it is not read either.
    const mac = off + halfWords[(off >>> 1) + MAC_HALF]!;
    if (!dropOutgoing || view.getUint8(off + SLL_PKTTYPE_OFF) !== PacketType.Outgoing)
      ahead.see(view, mac, mac + words[word + SNAPLEN_WORD]!, linkType, captureIndex);
    off += words[word + NEXT_WORD]!;
  }
  ahead.fetch();
}

/**
 * Writes the LINKTYPE_LINUX_SLL header from the frame's sockaddr_ll: packet type, ARPHRD, address length, address,
 * protocol, big endian each. The room was reserved with PACKET_RESERVE.
 * @param at    where the header goes
 * @param frame the tpacket3_hdr
 */
function writeSllHeader(view: DataView, at: number, frame: number, hatype: number): void {
  view.setUint16(at, view.getUint8(frame + SLL_PKTTYPE_OFF));
  view.setUint16(at + 2, hatype);
  view.setUint16(at + 4, view.getUint8(frame + SLL_HALEN_OFF));
  view.setUint32(at + 6, view.getUint32(frame + SLL_ADDR_OFF));
  view.setUint32(at + 10, view.getUint32(frame + SLL_ADDR_OFF + 4));
  view.setUint16(at + 14, view.getUint16(frame + SLL_PROTOCOL_OFF));
}

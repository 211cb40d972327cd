import {
  AF_PACKET,
  ARPHRD_ETHER,
  ARPHRD_IEEE80211,
  ARPHRD_IEEE80211_PRISM,
  ARPHRD_IEEE80211_RADIOTAP,
  ARPHRD_LOOPBACK,
  ARPHRD_METRICOM,
  ARPHRD_NONE,
  ARPHRD_PPP,
  ARPHRD_RAWHDR,
  ARPHRD_RAWIP,
  ARPHRD_SIT,
  ARPHRD_TUNNEL,
  ENOENT,
  ENOMEM,
  ETH_P_ALL,
  LINKTYPE_ETHERNET,
  LINKTYPE_IEEE802_11,
  LINKTYPE_IEEE802_11_PRISM,
  LINKTYPE_IEEE802_11_RADIOTAP,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_RAW,
  SLL_HDR_LEN,
  SO_ATTACH_FILTER,
  SO_DETACH_FILTER,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_RAW,
  SOL_SOCKET,
} from './constants.ts';
import { withResource } from './dispose.ts';
import { SyscallError } from './errors.ts';
import { close } from './libc.ts';
import { NativeMemory } from './native-memory.ts';
import {
  bindSocket,
  getSocketName,
  getSocketOption,
  openSocket,
  setSocketOption,
  setSocketOptionInt,
} from './socket.ts';

/** Socket level and options of AF_PACKET. linux/socket.h, linux/if_packet.h */
export const SOL_PACKET = 263;
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_VERSION = 10;
const PACKET_RESERVE = 12;
const TPACKET_V3 = 2;

/** One sock_filter instruction in octets: code u16, jt u8, jf u8, k u32, native order. linux/filter.h */
export const SOCK_FILTER_LEN = 8;
const BPF_RET_K = 0x06;

/** How a ring lies in memory. Sizes in octets. */
export interface RingGeometry {
  /** Octets of a block; a frame larger than a block is cut by the kernel, not lost (tpacket_rcv). */
  blockSize: number;
  blockCount: number;
}

/**
 * Octets of a block. A ring is full when all blocks are handed over, however little is in them: on a quiet interface the
 * timer retires a block for every packet or two, so it is the number of blocks that decides how long a busy reader may
 * stay away. 256 KiB holds any frame but a BIG TCP one (Linux 6.3), whose headers are whole all the same.
 */
const RING_BLOCK_SIZE = 256 * 1024;

/** Blocks of the smallest ring: 160 ms of a trickle. */
export const RING_BLOCKS_MIN = 8;

/** The ring of so many MiB. */
export function ringGeometry(mib: number): RingGeometry {
  return {
    blockSize: RING_BLOCK_SIZE,
    blockCount: Math.max(RING_BLOCKS_MIN, Math.floor((mib * 2 ** 20) / RING_BLOCK_SIZE)),
  };
}

/**
 * Milliseconds after which the kernel hands over a block that is not full: what a packet waits at most before it is
 * seen on a quiet interface. 20 ms keeps the wake-ups of an idle ring at 50 a second (the kernel's timer runs even
 * when nothing arrives).
 */
export const RING_RETIRE_MS = 20;

/** What the packet socket of an interface delivers. */
export interface LinkLayer {
  /** LINKTYPE_ value of the packets. */
  linkType: number;
  /**
   * True when the socket is SOCK_DGRAM: the kernel strips the device's own header, and the ring's reader writes a
   * LINKTYPE_LINUX_SLL header into the room before the packet, as libpcap's cooked mode does.
   */
  cooked: boolean;
}

/**
 * The link type for a device. As libpcap's map_arphrd_to_dlt (pcap-linux.c, 1.10) as far as nstap decodes it: Ethernet
 * and loopback have an Ethernet header, tun, WireGuard, PPP, ipip and sit give raw IP, 802.11 monitor devices their
 * own header (which has no decoder yet: counted as undecoded). Everything else, and GRE, whose header is there in one
 * direction only, is read cooked.
 * @param arpType ARPHRD_* of linux/if_arp.h
 */
export function linkLayerOf(arpType: number): LinkLayer {
  switch (arpType) {
    case ARPHRD_ETHER:
    case ARPHRD_METRICOM:
    case ARPHRD_LOOPBACK:
      return { linkType: LINKTYPE_ETHERNET, cooked: false };
    case ARPHRD_NONE:
    case ARPHRD_RAWIP:
    case ARPHRD_RAWHDR:
    case ARPHRD_PPP:
    case ARPHRD_TUNNEL:
    case ARPHRD_SIT:
      return { linkType: LINKTYPE_RAW, cooked: false };
    case ARPHRD_IEEE80211:
      return { linkType: LINKTYPE_IEEE802_11, cooked: false };
    case ARPHRD_IEEE80211_PRISM:
      return { linkType: LINKTYPE_IEEE802_11_PRISM, cooked: false };
    case ARPHRD_IEEE80211_RADIOTAP:
      return { linkType: LINKTYPE_IEEE802_11_RADIOTAP, cooked: false };
    default:
      return { linkType: LINKTYPE_LINUX_SLL, cooked: true };
  }
}

/** What openPacketSocket needs to know. */
export interface PacketSocketOptions {
  ifIndex: number;
  /** From linkLayerOf. */
  link: LinkLayer;
  ring: RingGeometry;
  /** struct sock_filter[] as compileFilter gives it, or null for every packet. It also sets the snapLen. */
  filter: Uint8Array | null;
  /** Interface and namespace, for error messages: "veth0 in a". */
  object: string;
}

/**
 * Opens a packet socket with a TPACKET_V3 ring on an interface of the calling thread's network namespace; the socket
 * stays in that namespace. The order matters: protocol 0 receives nothing (packet(7)), so nothing slips past the
 * filter or misses the ring before bind(2) starts the delivery. Not promiscuous: veth, bridge and tun need it not, and
 * a daemon that watches must not change the device. Outgoing packets are included.
 *
 * An interface that is down is bound as well: the kernel starts delivery when it comes up.
 * @returns the descriptor, close-on-exec; the caller closes it
 * @throws SyscallError: EPERM without CAP_NET_RAW, ENODEV when the interface is gone, ENOMEM for the ring
 */
export function openPacketSocket(options: PacketSocketOptions): number {
  const { link, ring, filter, object, ifIndex } = options;
  const fd = openSocket(AF_PACKET, (link.cooked ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC, 0, object);
  try {
    setSocketOptionInt(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V3, object);
    if (link.cooked) setSocketOptionInt(fd, SOL_PACKET, PACKET_RESERVE, SLL_HDR_LEN, object);
    if (filter !== null) attachFilter(fd, filter, object);
    setRing(fd, ring, object);
    bindSocket(fd, sockaddrLl(ifIndex), object);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/**
 * Opens packet sockets, and when the kernel has no memory for a ring tries with half the blocks, down to `minBlocks`.
 * @param open one or several with these options
 * @returns what `open` gave, and the geometry that was granted
 */
export function withSmallerRing<T>(
  options: PacketSocketOptions,
  minBlocks: number,
  open: (options: PacketSocketOptions) => T,
): { opened: T; ring: RingGeometry } {
  let blockCount = options.ring.blockCount;
  for (;;) {
    const ring = { blockSize: options.ring.blockSize, blockCount };
    try {
      return { opened: open({ ...options, ring }), ring };
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno !== ENOMEM || blockCount <= minBlocks) throw error;
      blockCount = Math.max(minBlocks, blockCount >>> 1);
    }
  }
}

/**
 * Replaces the filter of a packet socket. The kernel copies the program; needs no capability.
 * @throws SyscallError
 */
export function attachFilter(fd: number, filter: Uint8Array, object: string): void {
  withResource(new NativeMemory(filter.length), (program) => {
    program.bytes.set(filter);
    setSocketOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, sockFprog(program), `${object} (filter)`);
  });
}

/** struct sock_fprog { u16 len; pad to pointer; struct sock_filter *filter } over a program. linux/filter.h */
export function sockFprog(program: NativeMemory): Uint8Array {
  const fprog = new ArrayBuffer(16);
  new Uint16Array(fprog, 0, 1)[0] = program.bytes.length / SOCK_FILTER_LEN;
  new BigUint64Array(fprog, 8, 1)[0] = program.address;
  return new Uint8Array(fprog);
}

/**
 * Puts another filter on a socket that captures. The kernel swaps the programs at once (rcu_assign_pointer in
 * net/core/filter.c sk_attach_prog), so that each packet is seen by the old or by the new one and none is missed; needs no
 * capability. What is in the ring by then stays.
 * @param filter struct sock_filter[], or null: every packet
 * @throws SyscallError; the old filter is in force then
 */
export function replaceFilter(fd: number, filter: Uint8Array | null, object: string): void {
  if (filter !== null) {
    attachFilter(fd, filter, object);
    return;
  }
  try {
    setSocketOptionInt(fd, SOL_SOCKET, SO_DETACH_FILTER, 0, `${object} (no filter)`);
  } catch (error) {
    // There was none.
    if (!(error instanceof SyscallError) || error.errno !== ENOENT) throw error;
  }
}

/** One instruction, `ret #snapLen`: every packet, cut at `snapLen` octets; none with 0. */
export function snapLenFilter(snapLen: number): Uint8Array {
  const insn = new ArrayBuffer(SOCK_FILTER_LEN);
  new Uint16Array(insn, 0, 1)[0] = BPF_RET_K;
  new Uint32Array(insn, 4, 1)[0] = snapLen;
  return new Uint8Array(insn);
}

/**
 * PACKET_RX_RING with struct tpacket_req3 of linux/if_packet.h, u32 each: tp_block_size 0, tp_block_nr 4,
 * tp_frame_size 8, tp_frame_nr 12, tp_retire_blk_tov 16 (ms), tp_sizeof_priv 20, tp_feature_req_word 24.
 * V3 packs frames of any size, but the kernel still checks tp_frame_nr against block and frame size.
 */
function setRing(fd: number, ring: RingGeometry, object: string): void {
  const frameSize = 2048;
  const request = new Uint32Array([
    ring.blockSize,
    ring.blockCount,
    frameSize,
    (ring.blockSize / frameSize) * ring.blockCount,
    RING_RETIRE_MS,
    0,
    0,
  ]);
  const size = `${(ring.blockSize * ring.blockCount) / (1 << 20)} MiB ring`;
  setSocketOption(fd, SOL_PACKET, PACKET_RX_RING, new Uint8Array(request.buffer), `${object} (${size})`);
}

/**
 * struct sockaddr_ll of linux/if_packet.h: sll_family u16 0, sll_protocol be16 2, sll_ifindex i32 4, sll_hatype u16 8,
 * sll_pkttype u8 10, sll_halen u8 11, sll_addr 12..19.
 */
function sockaddrLl(ifIndex: number): Uint8Array {
  const address = new ArrayBuffer(20);
  new Uint16Array(address, 0, 1)[0] = AF_PACKET;
  new DataView(address).setUint16(2, ETH_P_ALL);
  new Int32Array(address, 4, 1)[0] = ifIndex;
  return new Uint8Array(address);
}

const boundName = new Uint8Array(20);
const boundIfIndex = new Int32Array(boundName.buffer, 4, 1);

/**
 * True when the interface that a packet socket was bound to is gone. The kernel puts ifindex -1 into the socket at
 * NETDEV_UNREGISTER (net/packet/af_packet.c packet_notifier); an interface that is merely down keeps its index.
 */
export function isInterfaceGone(fd: number, object: string): boolean {
  getSocketName(fd, boundName, object);
  return boundIfIndex[0] === -1;
}

const statistics = new Uint32Array(3);

/**
 * Reads PACKET_STATISTICS, which clears the kernel's counters: struct tpacket_stats_v3 { tp_packets, tp_drops,
 * tp_freeze_q_cnt }, u32 each. `tp_packets` includes `tp_drops`.
 * @returns the three counters since the last call; the array is reused by the next call
 */
export function takePacketStatistics(fd: number, object: string): Uint32Array {
  getSocketOption(fd, SOL_PACKET, PACKET_STATISTICS, statistics, object);
  return statistics;
}

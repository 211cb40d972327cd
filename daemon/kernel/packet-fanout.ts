import { withResource } from './dispose.ts';
import { close } from './libc.ts';
import { NativeMemory } from './native-memory.ts';
import {
  openPacketSocket,
  type PacketSocketOptions,
  replaceFilter,
  type RingGeometry,
  SOL_PACKET,
  snapLenFilter,
  sockFprog,
  withSmallerRing,
} from './packet-socket.ts';
import { getSocketOption, setSocketOption, setSocketOptionInt } from './socket.ts';

/** linux/if_packet.h */
const PACKET_FANOUT = 18;
const PACKET_FANOUT_DATA = 22;
const PACKET_FANOUT_CBPF = 6;
const PACKET_FANOUT_FLAG_UNIQUEID = 0x2000;

// Classic BPF. linux/bpf_common.h, linux/filter.h: class, size and mode in the code; negative offsets are the kernel's own data.
const LD_W_ABS = 0x20;
const LD_W_IND = 0x40;
const LD_H_ABS = 0x28;
const LDX_IMM = 0x01;
const LDX_MEM = 0x61;
const ST = 0x02;
const STX = 0x03;
const JEQ = 0x15;
const ADD_X = 0x0c;
const MUL_K = 0x24;
const RSH_K = 0x74;
const RET_K = 0x06;
const RET_A = 0x16;
const SKF_AD_PROTOCOL = 0xffff_f000;
/** From the network header, wherever the link header ends: an incoming frame begins behind it here, an outgoing one at it. */
const SKF_NET_OFF = 0xfff0_0000;
/** From the link header. */
const SKF_LL_OFF = 0xffe0_0000;

const ETH_P_IP = 0x0800;
const ETH_P_8021Q = 0x8100;
const ETH_P_IPV6 = 0x86dd;
const ETH_P_8021AD = 0x88a8;
const ETH_HLEN = 14;
const VLAN_TAG_LEN = 4;

/** 2^32 divided by the golden ratio, odd: spreads sums that lie side by side. Knuth, TAOCP 3 §6.4 */
const SPREAD = 0x9e37_79b1;

type Insn = [code: number, jt: number, jf: number, k: number];

/**
 * The program that says to which ring a packet goes: the sum of the two IP addresses, spread. So both directions of a flow, all
 * fragments of a datagram (whose later ones have no ports) and what ICMP says between the same two hosts meet in one ring,
 * whatever the device and whether the packet comes or goes. Up to two VLAN tags that the kernel has left in the frame are stepped
 * over. All else (ARP, PPPoE, MPLS, cut headers) gives 0: the first ring.
 *
 * Not PACKET_FANOUT_HASH: its hash takes the ports as well, and a device may have filled it in unsymmetrically; with
 * PACKET_FANOUT_FLAG_DEFRAG the ring would show datagrams that were never on the wire.
 * @returns struct sock_filter[]; what it returns is taken modulo the number of rings (fanout_demux_bpf in net/packet/af_packet.c)
 */
export function fanoutProgram(): Uint8Array {
  const address = (off: number): Insn[] => [
    // M[0] is the sum, M[1] where the IP header begins behind the network header.
    [LDX_MEM, 0, 0, 1],
    [LD_W_IND, 0, 0, SKF_NET_OFF + off],
    [LDX_MEM, 0, 0, 0],
    [ADD_X, 0, 0, 0],
    [ST, 0, 0, 0],
  ];
  const words = (from: number, count: number): Insn[] =>
    Array.from({ length: count }, (_, i) => address(from + 4 * i)).flat();
  const finish: Insn[] = [
    [MUL_K, 0, 0, SPREAD],
    [RSH_K, 0, 0, 16],
    [RET_A, 0, 0, 0],
  ];
  const ipv4 = [...words(12, 2), ...finish];
  const ipv6 = [...words(8, 8), ...finish];
  const isTag = (otherwise: number): Insn[] => [
    [JEQ, 1, 0, ETH_P_8021Q],
    [JEQ, 0, otherwise, ETH_P_8021AD],
  ];
  // The network header of a tagged frame from a packet socket lies behind the tags, as seen on Linux 6.18, else at the first: the type
  // of what is there is read from the link header.
  const behind = (tags: number): Insn[] => {
    const ip = ETH_HLEN + tags * VLAN_TAG_LEN;
    return [
      [LDX_IMM, 0, 0, SKF_LL_OFF - SKF_NET_OFF + 2 ** 32 + ip],
      [STX, 0, 0, 1],
      [LD_H_ABS, 0, 0, SKF_LL_OFF + ip - 2],
    ];
  };
  const inner = [...isTag(3), ...behind(2)];
  const outer = [...behind(1), ...inner];
  return assemble([
    [LDX_IMM, 0, 0, 0],
    [STX, 0, 0, 0],
    [STX, 0, 0, 1],
    [LD_W_ABS, 0, 0, SKF_AD_PROTOCOL],
    ...isTag(outer.length),
    ...outer,
    [JEQ, 0, ipv4.length, ETH_P_IP],
    ...ipv4,
    [JEQ, 0, ipv6.length, ETH_P_IPV6],
    ...ipv6,
    [RET_K, 0, 0, 0],
  ]);
}

/**
 * Opens packet sockets on one interface that share its packets out among their rings, as fanoutProgram says: see openPacketSocket
 * for each. None takes anything before all have joined, so that no packet goes to a ring that is another's a moment later. The
 * kernel numbers the members of a group in the order in which they join, and again when the interface comes up (packet_notifier
 * walks them in the order of their making): a flow stays with its ring.
 *
 * An older kernel shares no interface out that is down: EINVAL, to be tried again when it is up. Linux 6.18 does.
 * @param options of each socket; `ring` is that of one
 * @param members at least 2
 * @returns descriptors in the order of the rings' numbers; the caller closes them
 * @throws SyscallError
 */
export function openPacketFanout(options: PacketSocketOptions, members: number): number[] {
  const { object, filter } = options;
  const fds: number[] = [];
  try {
    for (let i = 0; i < members; i++) fds.push(openPacketSocket({ ...options, filter: snapLenFilter(0) }));
    const [first, ...others] = fds;
    join(first!, 0, PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_UNIQUEID, object);
    setProgram(first!, fanoutProgram(), object);
    const group = new Uint32Array(1);
    getSocketOption(first!, SOL_PACKET, PACKET_FANOUT, group, object);
    for (const fd of others) join(fd, group[0]! & 0xffff, PACKET_FANOUT_CBPF, object);
    for (const fd of fds) replaceFilter(fd, filter, object);
    return fds;
  } catch (error) {
    for (const fd of fds) close(fd);
    throw error;
  }
}

/**
 * Opens one packet socket, or several that share the interface out, with rings as large as the kernel has memory for.
 * @param members   1: no fan-out
 * @param minBlocks of each ring, at least
 * @returns the descriptors, and the geometry of each ring
 * @throws SyscallError
 */
export function openPacketSocketsWithin(
  options: PacketSocketOptions,
  members: number,
  minBlocks: number,
): { fds: number[]; ring: RingGeometry } {
  const { opened, ring } = withSmallerRing(options, minBlocks, (each) =>
    members === 1 ? [openPacketSocket(each)] : openPacketFanout(each, members),
  );
  return { fds: opened, ring };
}

/** PACKET_FANOUT: u16 group, u16 type and flags. UNIQUEID: the kernel finds a group number that nobody in the namespace has. */
function join(fd: number, group: number, typeFlags: number, object: string): void {
  setSocketOptionInt(fd, SOL_PACKET, PACKET_FANOUT, group | (typeFlags << 16), `${object} (fan-out)`);
}

/** PACKET_FANOUT_DATA with a struct sock_fprog, of the whole group. */
function setProgram(fd: number, program: Uint8Array, object: string): void {
  withResource(new NativeMemory(program.length), (memory) => {
    memory.bytes.set(program);
    const fprog = sockFprog(memory);
    setSocketOption(fd, SOL_PACKET, PACKET_FANOUT_DATA, fprog, `${object} (fan-out program)`);
  });
}

/** struct sock_filter of linux/filter.h: u16 code, u8 jt, u8 jf, u32 k, native order. */
function assemble(insns: readonly Insn[]): Uint8Array {
  const octets = new Uint8Array(insns.length * 8);
  const half = new Uint16Array(octets.buffer);
  const word = new Uint32Array(octets.buffer);
  for (const [i, [code, jt, jf, k]] of insns.entries()) {
    half[i * 4] = code;
    octets[i * 8 + 2] = jt;
    octets[i * 8 + 3] = jf;
    word[i * 2 + 1] = k;
  }
  return octets;
}

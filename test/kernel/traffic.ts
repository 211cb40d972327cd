import { closeSync, openSync, writeSync } from 'node:fs';
import koffi from 'koffi';
import { parseAddress } from '../../decoders/address.ts';
import type { Lab } from './lab.ts';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int domain, int type, int protocol)');
const sendto = libc.func(
  'long sendto(int fd, const void *buf, size_t n, int flags, const void *to, uint32_t len)',
);
const bind = libc.func('int bind(int fd, const void *to, uint32_t len)');
const recv = libc.func('long recv(int fd, void *buf, size_t n, int flags)');
const setsockopt = libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t len)');
const ioctl = libc.func('int ioctl(int fd, unsigned long request, void *arg)');
const ioctlInt = libc.func('ioctl', 'int', ['int', 'unsigned long', 'unsigned long']);
const nameToIndex = libc.func('unsigned int if_nametoindex(const char *name)');

const AF_INET = 2;
const AF_INET6 = 10;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const MSG_DONTWAIT = 0x40;
/** Socket levels and options: asm-generic/socket.h, linux/in.h, linux/in6.h. */
const SOL_SOCKET = 1;
const SO_BROADCAST = 6;
const SO_BINDTODEVICE = 25;
const SO_MARK = 36;
const IPPROTO_IP = 0;
const IP_ADD_MEMBERSHIP = 35;
const IPPROTO_IPV6 = 41;
const IPV6_JOIN_GROUP = 20;
/** linux/sockios.h, linux/ethtool.h */
const SIOCETHTOOL = 0x8946;
const ETHTOOL_STXCSUM = 0x17;
/** linux/if_tun.h */
const TUNSETIFF = 0x400454ca;
const TUNSETLINK = 0x400454cd;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;

function ok(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`);
  return result;
}

/** What a UDP socket is bound to before it sends; nothing by default. */
export interface UdpBinding {
  address?: string;
  port?: number;
  /** Interface, by SO_BINDTODEVICE. */
  device?: string;
  /** fwmark, by SO_MARK. */
  mark?: number;
}

/** A UDP socket inside a namespace, held by this process; it may send broadcasts. */
export class UdpSocket implements Disposable {
  readonly #lab: Lab;
  readonly #name: string;
  readonly #fd: number;

  constructor(lab: Lab, name: string, version: 4 | 6, binding: UdpBinding = {}) {
    this.#lab = lab;
    this.#name = name;
    this.#fd = lab.inside(name, () =>
      ok(socket(version === 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0), 'socket'),
    );
    try {
      this.#set(SOL_SOCKET, SO_BROADCAST, Int32Array.of(1));
      if (binding.device !== undefined)
        this.#set(SOL_SOCKET, SO_BINDTODEVICE, new TextEncoder().encode(binding.device));
      if (binding.mark !== undefined) this.#set(SOL_SOCKET, SO_MARK, Int32Array.of(binding.mark));
      const { address = version === 4 ? '0.0.0.0' : '::', port = 0 } = binding;
      const to = sockaddr(address, port, 0);
      if (binding.address !== undefined || port !== 0) ok(bind(this.#fd, to, to.length), 'bind');
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Sends `count` datagrams of `size` octets. @param device interface that a link-local `host` is on */
  send(host: string, port: number, size = 32, count = 1, device?: string): void {
    const scope = device === undefined ? 0 : this.#indexOf(device);
    const to = sockaddr(host, port, scope);
    for (let i = 0; i < count; i++)
      ok(sendto(this.#fd, new Uint8Array(size), size, 0, to, to.length), `sendto ${host}`);
  }

  /** Joins a multicast group on an interface. */
  join(group: string, device: string): void {
    const address = bytesOf(group);
    const index = this.#indexOf(device);
    // struct ip_mreqn { group, address, ifindex }; struct ipv6_mreq { group, ifindex }
    const request = new Uint8Array(address.length === 4 ? 12 : 20);
    request.set(address);
    new DataView(request.buffer).setInt32(request.length - 4, index, true);
    if (address.length === 4) this.#set(IPPROTO_IP, IP_ADD_MEMBERSHIP, request);
    else this.#set(IPPROTO_IPV6, IPV6_JOIN_GROUP, request);
  }

  /** Takes one datagram. @returns false when none is waiting */
  receive(): boolean {
    const buffer = new Uint8Array(65_536);
    return recv(this.#fd, buffer, buffer.length, MSG_DONTWAIT) >= 0;
  }

  close(): void {
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #indexOf(device: string): number {
    return this.#lab.inside(this.#name, () => nameToIndex(device) as number);
  }

  #set(level: number, option: number, value: Uint8Array | Int32Array): void {
    ok(setsockopt(this.#fd, level, option, value, value.byteLength), `setsockopt ${level} ${option}`);
  }
}

function bytesOf(address: string): Uint8Array {
  const parsed = parseAddress(address);
  if (parsed === null) throw new Error(`no address: ${address}`);
  return parsed.bytes;
}

/** struct sockaddr_in or sockaddr_in6. */
function sockaddr(host: string, port: number, scope: number): Uint8Array {
  const address = bytesOf(host);
  const to = new Uint8Array(address.length === 4 ? 16 : 28);
  const view = new DataView(to.buffer);
  view.setUint16(0, address.length === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  to.set(address, address.length === 4 ? 4 : 8);
  if (address.length === 16) view.setUint32(24, scope, true);
  return to;
}

/** Sends `count` UDP datagrams of `size` octets from inside the namespace. @param fromPort 0: any */
export function sendUdp(
  lab: Lab,
  name: string,
  host: string,
  port: number,
  size: number,
  count: number,
  fromPort = 0,
): void {
  using udp = new UdpSocket(lab, name, 4, { port: fromPort });
  udp.send(host, port, size, count);
}

/** Leaves the checksums of what an interface sends to it, or has the kernel fill them in before (ethtool -K DEV tx on|off). */
export function setTxChecksum(lab: Lab, name: string, dev: string, isOffloaded: boolean): void {
  lab.inside(name, () => {
    const fd = ok(socket(AF_INET, SOCK_DGRAM, 0), 'socket');
    // struct ethtool_value { cmd, data }, and struct ifreq with its address at 16
    const value = koffi.alloc('uint32_t', 2);
    try {
      koffi.encode(value, 'uint32_t', [ETHTOOL_STXCSUM, isOffloaded ? 1 : 0], 2);
      const ifreq = new Uint8Array(40);
      ifreq.set(Buffer.from(dev));
      new BigUint64Array(ifreq.buffer, 16, 1)[0] = koffi.address(value);
      ok(ioctl(fd, SIOCETHTOOL, ifreq), 'ETHTOOL_STXCSUM');
    } finally {
      koffi.free(value);
      closeSync(fd);
    }
  });
}

/** Sends whole frames out of an interface. */
export function sendFrames(lab: Lab, name: string, dev: string, frames: readonly Uint8Array[]): void {
  lab.inside(name, () => {
    const fd = ok(socket(AF_PACKET, SOCK_RAW, 0), 'socket');
    try {
      const to = new Uint8Array(20);
      new Uint16Array(to.buffer)[0] = AF_PACKET;
      new Int32Array(to.buffer)[1] = nameToIndex(dev);
      for (const frame of frames) ok(sendto(fd, frame, frame.length, 0, to, 20), 'sendto');
    } finally {
      closeSync(fd);
    }
  });
}

/** An IPv4 UDP packet without link header, with right IPv4 checksum and no UDP checksum. */
export function udpPacket(
  src: string,
  dst: string,
  sport: number,
  dport: number,
  payloadLen: number,
): Buffer {
  const packet = Buffer.alloc(28 + payloadLen);
  packet.writeUInt16BE(0x4500, 0);
  packet.writeUInt16BE(packet.length, 2);
  packet.writeUInt16BE(0x4011, 8);
  packet.set(src.split('.').map(Number), 12);
  packet.set(dst.split('.').map(Number), 16);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += packet.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  packet.writeUInt16BE(~sum & 0xffff, 10);
  packet.writeUInt16BE(sport, 20);
  packet.writeUInt16BE(dport, 22);
  packet.writeUInt16BE(8 + payloadLen, 24);
  return packet;
}

/** An Ethernet frame to the broadcast address; `tags` are [TPID, TCI], outermost first. */
export function ethernetFrame(
  etherType: number,
  payload: Uint8Array,
  tags: readonly [number, number][] = [],
): Buffer {
  const head = Buffer.alloc(12 + tags.length * 4 + 2);
  head.fill(0xff, 0, 6);
  head.set([2, 0, 0, 0, 0, 9], 6);
  tags.forEach(([tpid, tci], i) => {
    head.writeUInt16BE(tpid, 12 + i * 4);
    head.writeUInt16BE(tci, 14 + i * 4);
  });
  head.writeUInt16BE(etherType, head.length - 2);
  return Buffer.concat([head, payload]);
}

/** A tun device whose other end is this process. */
export class Tun {
  readonly #fd: number;

  /** Makes the device in the namespace, down. @param arpType ARPHRD_* that it pretends to be */
  constructor(lab: Lab, name: string, dev: string, arpType?: number) {
    this.#fd = lab.inside(name, () => {
      const fd = openSync('/dev/net/tun', 'r+');
      const ifreq = new Uint8Array(40);
      ifreq.set(Buffer.from(dev));
      new Uint16Array(ifreq.buffer, 16)[0] = IFF_TUN | IFF_NO_PI;
      ok(ioctl(fd, TUNSETIFF, ifreq), 'TUNSETIFF');
      if (arpType !== undefined) ok(ioctlInt(fd, TUNSETLINK, arpType), 'TUNSETLINK');
      return fd;
    });
  }

  /** Lets the device receive a packet. */
  receive(packet: Uint8Array): void {
    writeSync(this.#fd, packet);
  }

  close(): void {
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

import { closeSync, openSync, writeSync } from 'node:fs';
import koffi from 'koffi';
import type { Lab } from './lab.ts';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int domain, int type, int protocol)');
const sendto = libc.func(
  'long sendto(int fd, const void *buf, size_t n, int flags, const void *to, uint32_t len)',
);
const bind = libc.func('int bind(int fd, const void *to, uint32_t len)');
const ioctl = libc.func('int ioctl(int fd, unsigned long request, void *arg)');
const ioctlInt = libc.func('ioctl', 'int', ['int', 'unsigned long', 'unsigned long']);
const nameToIndex = libc.func('unsigned int if_nametoindex(const char *name)');

const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
/** linux/if_tun.h */
const TUNSETIFF = 0x400454ca;
const TUNSETLINK = 0x400454cd;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;

function ok(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`);
  return result;
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
  const address = (ip: string, number: number): Uint8Array => {
    const bytes = new Uint8Array(16);
    new Uint16Array(bytes.buffer)[0] = AF_INET;
    new DataView(bytes.buffer).setUint16(2, number);
    bytes.set(ip.split('.').map(Number), 4);
    return bytes;
  };
  const to = address(host, port);
  lab.inside(name, () => {
    const fd = ok(socket(AF_INET, SOCK_DGRAM, 0), 'socket');
    try {
      ok(bind(fd, address('0.0.0.0', fromPort), 16), 'bind');
      for (let i = 0; i < count; i++) ok(sendto(fd, new Uint8Array(size), size, 0, to, 16), 'sendto');
    } finally {
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

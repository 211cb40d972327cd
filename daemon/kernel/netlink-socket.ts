import {
  EAGAIN,
  EINTR,
  MSG_DONTWAIT,
  MSG_TRUNC,
  POLLIN,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
} from './constants.ts';
import { SyscallError } from './errors.ts';
import { close, errno, libc } from './libc.ts';
import {
  AF_NETLINK,
  EINVAL,
  ENOBUFS,
  EPERM,
  LITTLE_ENDIAN,
  NETLINK_ADD_MEMBERSHIP,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  NETLINK_ROUTE,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SOL_NETLINK,
} from './netlink-constants.ts';
import { type NetnsHandle, withNetns } from './netns.ts';
import { PollSet } from './poll.ts';
import { bindSocket, getSocketName, openSocket, setSocketOptionInt } from './socket.ts';

const sendCall = libc.func('long send(int fd, const void *data, unsigned long len, int flags)');
const recvCall = libc.func('long recv(int fd, void *data, unsigned long len, int flags)');

/** struct sockaddr_nl: family u16 0, pad u16 2, pid u32 4, groups u32 8. linux/netlink.h */
const SOCKADDR_NL_LEN = 12;

/** The kernel fills at most 32 KiB a dump message (NLMSG_GOODSIZE grows with the buffer offered); twice that is room. */
const RECV_BUFFER_LEN = 64 * 1024;
/** Room for notifications while the reader is away; a full route table change overruns any size, and is counted then. */
const SOCKET_BUFFER_LEN = 32 * 1024 * 1024;

export type ReceiveStatus =
  /** `buffer` holds `length` octets. */
  | 'data'
  | 'empty'
  /** ENOBUFS: the kernel dropped messages, so what was learned from notifications is incomplete. */
  | 'lost';

/**
 * A NETLINK_ROUTE socket: datagrams in and out, nothing of their content. It stays in the namespace it was opened in.
 * Never blocks except in `wait`.
 */
export class NetlinkSocket {
  readonly fd: number;
  /** What the kernel puts into nlmsg_pid of answers to us; it is no process id. */
  readonly portId: number;
  /** Receive buffer, reused: what `receive` put there is valid until the next call of it. */
  readonly buffer = new Uint8Array(RECV_BUFFER_LEN);
  /** Octets of the datagram in `buffer`. */
  length = 0;
  readonly #poll = new PollSet();
  #open = true;

  /**
   * Takes over a bound NETLINK_ROUTE socket, for example one that a privileged process opened in a namespace
   * (`openNetlinkSocket`) and passed on. The object owns it from now on.
   * @throws SyscallError
   */
  constructor(fd: number) {
    this.fd = fd;
    const name = new Uint8Array(SOCKADDR_NL_LEN);
    getSocketName(fd, name, 'netlink socket');
    this.portId = new DataView(name.buffer).getUint32(4, LITTLE_ENDIAN);
    this.#poll.add(fd, POLLIN);
  }

  /**
   * Sends one datagram to the kernel.
   * @throws SyscallError
   */
  send(message: Uint8Array): void {
    for (;;) {
      if (sendCall(this.fd, message, message.length, MSG_DONTWAIT) !== -1) return;
      const code = errno();
      if (code !== EINTR) throw new SyscallError('send', 'netlink socket', code);
    }
  }

  /**
   * Takes one datagram into `buffer`, without waiting.
   * @throws SyscallError; RangeError when a datagram did not fit, which no kernel message should
   */
  receive(): ReceiveStatus {
    for (;;) {
      const length: number = recvCall(this.fd, this.buffer, this.buffer.length, MSG_DONTWAIT | MSG_TRUNC);
      if (length === -1) {
        const code = errno();
        if (code === EINTR) continue;
        if (code === EAGAIN) return 'empty';
        if (code === ENOBUFS) return 'lost';
        throw new SyscallError('recv', 'netlink socket', code);
      }
      if (length > this.buffer.length)
        throw new RangeError(
          `recv netlink socket: datagram of ${length} octets, room for ${this.buffer.length}`,
        );
      this.length = length;
      return 'data';
    }
  }

  /**
   * Blocks until something can be received or the time is over.
   * @returns false when the time was over first
   * @throws SyscallError
   */
  wait(timeoutMs: number): boolean {
    return this.#poll.wait(timeoutMs) > 0;
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#poll.close();
    close(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** How to open a netlink socket. */
export interface NetlinkSocketOptions {
  /** RTNLGRP_* to follow; none for a socket that only asks. */
  groups?: readonly number[];
  /** Groups to follow where the kernel has them. */
  optionalGroups?: readonly number[];
  /** Octets of the receive buffer (SO_RCVBUF), of which the kernel takes what notifications need. */
  bufferLen?: number;
}

/**
 * Opens a non-blocking, close-on-exec NETLINK_ROUTE socket inside a namespace and comes back.
 * @returns a descriptor for `new NetlinkSocket`, here or in the process it is passed to
 * @throws SyscallError
 */
export function openNetlinkFd(netns: NetnsHandle, options: NetlinkSocketOptions = {}): number {
  const object = `NETLINK_ROUTE in ${netns.name}`;
  const fd = withNetns(netns, () =>
    openSocket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE, object),
  );
  try {
    growBuffer(fd, options.bufferLen ?? SOCKET_BUFFER_LEN, object);
    setSocketOptionInt(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1, object);
    // Without it the kernel ignores a dump's filter and most of its header, and answers more than was asked (4.20).
    setSocketOptionInt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1, object);
    const sockaddr = new Uint8Array(SOCKADDR_NL_LEN);
    new DataView(sockaddr.buffer).setUint16(0, AF_NETLINK, LITTLE_ENDIAN);
    bindSocket(fd, sockaddr, object);
    for (const group of options.groups ?? [])
      setSocketOptionInt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group, object);
    for (const group of options.optionalGroups ?? []) joinIfKnown(fd, group, object);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** `openNetlinkFd` and the object around it. @throws SyscallError */
export function openNetlinkSocket(netns: NetnsHandle, options: NetlinkSocketOptions = {}): NetlinkSocket {
  return new NetlinkSocket(openNetlinkFd(netns, options));
}

function joinIfKnown(fd: number, group: number, object: string): void {
  try {
    setSocketOptionInt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group, object);
  } catch (error) {
    // A number that the kernel does not know: netlink_setsockopt.
    if (!(error instanceof SyscallError) || error.errno !== EINVAL) throw error;
  }
}

function growBuffer(fd: number, length: number, object: string): void {
  try {
    setSocketOptionInt(fd, SOL_SOCKET, SO_RCVBUFFORCE, length, object);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== EPERM) throw error;
    // Without CAP_NET_ADMIN: as much as net.core.rmem_max lets through.
    setSocketOptionInt(fd, SOL_SOCKET, SO_RCVBUF, length, object);
  }
}

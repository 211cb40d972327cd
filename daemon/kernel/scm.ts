import {
  AF_UNIX,
  EAGAIN,
  ECONNRESET,
  EINTR,
  EPIPE,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_SEQPACKET,
  SOL_SOCKET,
} from './constants.ts';
import { SyscallError } from './errors.ts';
import { check, close, errno, libc } from './libc.ts';
import { NativeMemory } from './native-memory.ts';

const socketpairCall = libc.func('int socketpair(int domain, int type, int protocol, _Out_ int32_t *fds)');
const sendmsgCall = libc.func('long sendmsg(int fd, const void *msg, int flags)');
const recvmsgCall = libc.func('long recvmsg(int fd, void *msg, int flags)');

/** Octets of the JSON text of one message, at most. */
export const SCM_PAYLOAD_MAX = 32 * 1024;
/** Descriptors in one message, at most (the kernel's own bound is SCM_MAX_FD, 253). */
export const SCM_FDS_MAX = 16;

/** A message with descriptors, as it arrived. */
export interface ScmMessage {
  /** The JSON value that was sent; not validated. */
  payload: unknown;
  /** Descriptors, close-on-exec; now the receiver's to close. */
  fds: number[];
}

/**
 * A pair of connected AF_UNIX SOCK_SEQPACKET sockets, close-on-exec (spawn's stdio duplicates one without the flag):
 * message boundaries are kept, and descriptors stay with their message. unix(7)
 * @throws SyscallError
 */
export function openScmPair(): [number, number] {
  const fds = [0, 0];
  check(socketpairCall(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 'socketpair', 'AF_UNIX');
  return [fds[0]!, fds[1]!];
}

// Layouts of the 64-bit ABI, native order. sys/socket.h
//   struct iovec    iov_base 0 (8), iov_len 8 (8)                                                    = 16
//   struct msghdr   msg_name 0, msg_namelen 8 (4+4), msg_iov 16, msg_iovlen 24, msg_control 32,
//                   msg_controllen 40, msg_flags 48 (4+4)                                            = 56
//   struct cmsghdr  cmsg_len 0 (8), cmsg_level 8 (4), cmsg_type 12 (4), then the data                = 16 + n
const IOVEC_OFF = 56;
const CONTROL_OFF = IOVEC_OFF + 16;
const CMSGHDR_LEN = 16;
const CONTROL_MAX = CMSGHDR_LEN + ((SCM_FDS_MAX * 4 + 7) & ~7);
const PAYLOAD_OFF = (CONTROL_OFF + CONTROL_MAX + 7) & ~7;
const TOTAL = PAYLOAD_OFF + SCM_PAYLOAD_MAX;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** One end of the pair: sends and receives JSON values with descriptors. Never blocks. */
export class ScmSocket {
  readonly fd: number;
  readonly #memory = new NativeMemory(TOTAL);
  readonly #long: BigUint64Array;
  readonly #int: Int32Array;
  #open = true;

  /** @param fd a SOCK_SEQPACKET socket; owned by this object from now on */
  constructor(fd: number) {
    this.fd = fd;
    const buffer = this.#memory.bytes.buffer;
    this.#long = new BigUint64Array(buffer, 0, PAYLOAD_OFF / 8);
    this.#int = new Int32Array(buffer, 0, PAYLOAD_OFF / 4);
  }

  /**
   * Sends one message. The descriptors are duplicated into it: the caller may close its own at once.
   * @param payload JSON value, at most SCM_PAYLOAD_MAX octets as text
   * @param fds     at most SCM_FDS_MAX
   * @returns 'sent', 'full' (the receiver is behind: try later), or 'closed' (the receiver is gone)
   * @throws RangeError past a limit; SyscallError
   */
  send(payload: unknown, fds: readonly number[]): 'sent' | 'full' | 'closed' {
    const text = encoder.encode(JSON.stringify(payload));
    if (text.length > SCM_PAYLOAD_MAX)
      throw new RangeError(`message of ${text.length} octets; at most ${SCM_PAYLOAD_MAX}`);
    if (fds.length > SCM_FDS_MAX)
      throw new RangeError(`message with ${fds.length} descriptors; at most ${SCM_FDS_MAX}`);
    this.#memory.bytes.set(text, PAYLOAD_OFF);
    this.#prepare(text.length, fds.length === 0 ? 0 : CMSGHDR_LEN + fds.length * 4);
    if (fds.length > 0) {
      this.#long[CONTROL_OFF / 8] = BigInt(CMSGHDR_LEN + fds.length * 4);
      this.#int[CONTROL_OFF / 4 + 2] = SOL_SOCKET;
      this.#int[CONTROL_OFF / 4 + 3] = SCM_RIGHTS;
      for (let i = 0; i < fds.length; i++) this.#int[(CONTROL_OFF + CMSGHDR_LEN) / 4 + i] = fds[i]!;
    }
    for (;;) {
      if (sendmsgCall(this.fd, this.#memory.address, MSG_NOSIGNAL | MSG_DONTWAIT) !== -1) return 'sent';
      const code = errno();
      if (code === EAGAIN) return 'full';
      if (code === EPIPE || code === ECONNRESET) return 'closed';
      if (code !== EINTR) throw new SyscallError('sendmsg', `${fds.length} descriptors`, code);
    }
  }

  /**
   * Takes one message. Whatever descriptors came with a message that is refused are closed first.
   * @returns the message, 'empty' when none is there, 'closed' when the sender is gone
   * @throws SyscallError; Error when the message was cut (MSG_TRUNC), when descriptors did not fit into this process
   *         (MSG_CTRUNC: too many, or `ulimit -n` reached), or when the text is no JSON
   */
  receive(): ScmMessage | 'empty' | 'closed' {
    this.#prepare(SCM_PAYLOAD_MAX, CONTROL_MAX);
    let length: number;
    for (;;) {
      length = recvmsgCall(this.fd, this.#memory.address, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
      if (length !== -1) break;
      const code = errno();
      if (code === EAGAIN) return 'empty';
      if (code === ECONNRESET) return 'closed';
      if (code !== EINTR) throw new SyscallError('recvmsg', 'AF_UNIX socket', code);
    }
    const fds = this.#takeFds();
    if (length === 0) {
      for (const fd of fds) close(fd);
      return 'closed';
    }
    const flags = this.#int[48 / 4]!;
    try {
      if (flags & MSG_TRUNC)
        throw new Error(`recvmsg: message longer than ${SCM_PAYLOAD_MAX} octets was cut`);
      if (flags & MSG_CTRUNC)
        throw new Error('recvmsg: descriptors were lost (too many in one message, or raise `ulimit -n`)');
      const text = decoder.decode(this.#memory.bytes.subarray(PAYLOAD_OFF, PAYLOAD_OFF + length));
      return { payload: JSON.parse(text), fds };
    } catch (error) {
      for (const fd of fds) close(fd);
      throw error;
    }
  }

  /** Closes the socket. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#memory.close();
    close(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #prepare(payloadLen: number, controlLen: number): void {
    const base = this.#memory.address;
    this.#long.fill(0n);
    this.#long[16 / 8] = base + BigInt(IOVEC_OFF);
    this.#long[24 / 8] = 1n;
    this.#long[32 / 8] = controlLen === 0 ? 0n : base + BigInt(CONTROL_OFF);
    this.#long[40 / 8] = BigInt(controlLen);
    this.#long[IOVEC_OFF / 8] = base + BigInt(PAYLOAD_OFF);
    this.#long[IOVEC_OFF / 8 + 1] = BigInt(payloadLen);
  }

  /** Walks the control messages; there is one SCM_RIGHTS at most, since only that kind is ever sent. */
  #takeFds(): number[] {
    const fds: number[] = [];
    const end = CONTROL_OFF + Number(this.#long[40 / 8]);
    let off = CONTROL_OFF;
    while (off + CMSGHDR_LEN <= end) {
      const length = Number(this.#long[off / 8]);
      if (length < CMSGHDR_LEN || off + length > end) break;
      if (this.#int[off / 4 + 2] === SOL_SOCKET && this.#int[off / 4 + 3] === SCM_RIGHTS) {
        for (let at = off + CMSGHDR_LEN; at + 4 <= off + length; at += 4) fds.push(this.#int[at / 4]!);
      }
      off += (length + 7) & ~7;
    }
    return fds;
  }
}

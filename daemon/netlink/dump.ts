import {
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  NLMSG_OVERRUN,
} from '../kernel/netlink-constants.ts';
import type { ReceiveStatus } from '../kernel/netlink-socket.ts';
import { NetlinkError } from './errors.ts';
import { MessageCursor, buildMessage, readAcknowledgement } from './message.ts';

/** The kernel answers at once; this only bounds a wait that something broke. */
const ANSWER_TIMEOUT_MS = 10_000;
/** A dump that changes under the reader this often is taken as it is, and said to be inconsistent. */
const DUMP_ATTEMPTS = 8;
/** A question whose answer found no room in the socket's buffer is put this often. */
const GET_ATTEMPTS = 4;
const ENOBUFS = 105;
const ETIMEDOUT = 110;

/** A request: message type by number and name, and the family's header with attributes. */
export interface NetlinkRequest {
  type: number;
  /** "RTM_GETROUTE": for error messages. */
  name: string;
  /** What is asked about: for error messages. */
  object: string;
  body: Uint8Array;
}

/** Reads one message: type, then the payload at [off, end) of the view, valid during the call alone. */
export type MessageHandler = (type: number, view: DataView, off: number, end: number, flags: number) => void;

/** What a client needs of a socket: `NetlinkSocket`, or recorded bytes. */
export interface NetlinkTransport {
  readonly portId: number;
  /** Holds the last datagram, of `length` octets. */
  readonly buffer: Uint8Array;
  readonly length: number;
  send(message: Uint8Array): void;
  receive(): ReceiveStatus;
  wait(timeoutMs: number): boolean;
}

/**
 * Questions and answers over one socket, which may be subscribed to notifications too: those that arrive in between go
 * to `onNotification`. Everything is synchronous.
 */
export class NetlinkClient {
  readonly socket: NetlinkTransport;
  /** Called for each message that is no answer to us. */
  onNotification: MessageHandler | null = null;
  /** Dumps that the kernel said were inconsistent (NLM_F_DUMP_INTR) and that were asked again. */
  interrupted = 0;
  /** Times the kernel dropped notifications (ENOBUFS). */
  lost = 0;
  #sequence = 0;

  /** @param socket stays the caller's to close */
  constructor(socket: NetlinkTransport) {
    this.socket = socket;
  }

  /**
   * Asks for all objects of a kind. A dump during which the table changed is asked again.
   * @param parse makes an item of a message, or null to leave it out
   * @returns the items; `consistent` is false when the table kept changing until the attempts ran out
   * @throws NetlinkError
   */
  dump<T>(
    request: NetlinkRequest,
    parse: (view: DataView, off: number, end: number) => T | null,
  ): { items: T[]; consistent: boolean } {
    let items: T[] = [];
    const consistent = this.dumpEach(
      request,
      () => {
        items = [];
      },
      (_type, view, off, end) => {
        const item = parse(view, off, end);
        if (item !== null) items.push(item);
      },
    );
    return { items, consistent };
  }

  /**
   * Asks for all objects of a kind, one after the other, for tables too large to be a list of objects.
   * @param start  called before the first message, and again when the dump has to be read from its beginning
   * @param handle called for each message
   * @returns false when the table kept changing until the attempts ran out
   * @throws NetlinkError
   */
  dumpEach(request: NetlinkRequest, start: () => void, handle: MessageHandler): boolean {
    for (let attempt = 1; ; attempt++) {
      start();
      const whole = this.#exchange(request, NLM_F_DUMP, handle);
      if (whole || attempt === DUMP_ATTEMPTS) return whole;
      this.interrupted++;
    }
  }

  /**
   * Asks for one object. Notifications that are there are handed to `onNotification` first: where they fill the socket's
   * buffer, the kernel drops its answer (netlink_attachskb), which it does not of a dump.
   * @param parse makes the result of the message
   * @throws NetlinkError with the kernel's errno
   */
  get<T>(request: NetlinkRequest, parse: (view: DataView, off: number, end: number) => T): T {
    let found: { value: T } | null = null;
    for (let attempt = 1; ; attempt++) {
      this.drain();
      const isAnswered = this.#exchange(request, NLM_F_ACK, (_type, view, off, end) => {
        found ??= { value: parse(view, off, end) };
      });
      if (isAnswered) break;
      if (attempt === GET_ATTEMPTS)
        throw new NetlinkError(request.name, request.object, ENOBUFS, this.#sequence, null);
    }
    // TypeScript does not see the assignment within the callback.
    const result = found as { value: T } | null;
    if (result === null) throw new NetlinkError(request.name, request.object, 2, this.#sequence, 'no answer');
    return result.value;
  }

  /**
   * Hands notifications that are there to `onNotification`, without waiting.
   * @returns false when the kernel dropped some (also counted in `lost`)
   * @throws SyscallError, NetlinkFormatError
   */
  drain(): boolean {
    let whole = true;
    for (;;) {
      const status = this.socket.receive();
      if (status === 'empty') return whole;
      if (status === 'lost') {
        this.lost++;
        whole = false;
        continue;
      }
      const m = new MessageCursor(this.socket.buffer, this.socket.length);
      while (m.next()) this.onNotification?.(m.type, m.view, m.off, m.end, m.flags);
    }
  }

  /** One request and its answer up to the end. @returns false when the answer of a dump is inconsistent, or one was dropped */
  #exchange(request: NetlinkRequest, flags: number, handle: MessageHandler): boolean {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const sequence = this.#sequence;
    this.socket.send(buildMessage(request.type, NLM_F_REQUEST | flags, sequence, request.body));
    const isDump = flags === NLM_F_DUMP;
    const lostBefore = this.lost;
    let whole = true;
    for (;;) {
      const status = this.socket.receive();
      if (status === 'lost') {
        // A dump still runs to its end; asking earlier would be EBUSY, one dump a socket.
        this.lost++;
        continue;
      }
      if (status === 'empty') {
        // The kernel answers a question before send returns.
        if (!isDump && this.lost !== lostBefore) return false;
        if (this.socket.wait(ANSWER_TIMEOUT_MS)) continue;
        throw new NetlinkError(request.name, request.object, ETIMEDOUT, sequence, null);
      }
      const m = new MessageCursor(this.socket.buffer, this.socket.length);
      let done = false;
      while (m.next()) {
        // Both must match: a notification carries the number of whoever made the change, which may equal ours.
        if (m.sequence !== sequence || m.portId !== this.socket.portId) {
          this.onNotification?.(m.type, m.view, m.off, m.end, m.flags);
          continue;
        }
        if ((m.flags & NLM_F_DUMP_INTR) !== 0) whole = false;
        switch (m.type) {
          case NLMSG_NOOP:
            break;
          case NLMSG_OVERRUN:
            whole = false;
            break;
          case NLMSG_ERROR:
          case NLMSG_DONE: {
            const { errno, extAck } = readAcknowledgement(m);
            if (errno !== 0) throw new NetlinkError(request.name, request.object, errno, sequence, extAck);
            done = true;
            break;
          }
          default:
            handle(m.type, m.view, m.off, m.end, m.flags);
        }
      }
      if (done) return whole;
    }
  }
}

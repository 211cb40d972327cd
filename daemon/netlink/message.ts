import {
  LITTLE_ENDIAN,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_DONE,
  NLMSGERR_ATTR_MSG,
} from '../kernel/netlink-constants.ts';
import { AttributeCursor, align4 } from './attribute.ts';
import { NetlinkFormatError } from './errors.ts';

/** struct nlmsghdr: len u32 0 (with the header), type u16 4, flags u16 6, seq u32 8, pid u32 12. linux/netlink.h */
export const NLMSG_HDRLEN = 16;

/** Walks the messages of one datagram: `while (cursor.next()) …`. */
export class MessageCursor {
  type = 0;
  flags = 0;
  sequence = 0;
  portId = 0;
  /** Payload behind the header: octets [off, end) of the view. */
  off = 0;
  end = 0;
  readonly view: DataView;
  #next = 0;
  readonly #limit: number;

  /** @param length octets of the datagram, from the start of `bytes` */
  constructor(bytes: Uint8Array, length: number) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, length);
    this.#limit = length;
  }

  /**
   * Goes to the next message.
   * @returns false at the end
   * @throws NetlinkFormatError
   */
  next(): boolean {
    const at = this.#next;
    if (at >= this.#limit) return false;
    if (this.#limit - at < NLMSG_HDRLEN) throw new NetlinkFormatError('rest is no message header', at);
    const length = this.view.getUint32(at, LITTLE_ENDIAN);
    if (length < NLMSG_HDRLEN || length > this.#limit - at)
      throw new NetlinkFormatError(`message of ${length} octets where ${this.#limit - at} are left`, at);
    this.type = this.view.getUint16(at + 4, LITTLE_ENDIAN);
    this.flags = this.view.getUint16(at + 6, LITTLE_ENDIAN);
    this.sequence = this.view.getUint32(at + 8, LITTLE_ENDIAN);
    this.portId = this.view.getUint32(at + 12, LITTLE_ENDIAN);
    this.off = at + NLMSG_HDRLEN;
    this.end = at + length;
    this.#next = at + align4(length);
    return true;
  }
}

/** What an NLMSG_ERROR, or the NLMSG_DONE of a dump, says. */
export interface Acknowledgement {
  /** Positive errno; 0 is success. */
  errno: number;
  /** The kernel's sentence, or null. */
  extAck: string | null;
}

/**
 * Reads an NLMSG_ERROR (struct nlmsgerr: error i32 0, the request's header 4, its payload unless capped) or NLMSG_DONE
 * (error i32 0), and the attributes behind it. linux/netlink.h
 * @throws NetlinkFormatError
 */
export function readAcknowledgement(m: MessageCursor): Acknowledgement {
  if (m.end - m.off < 4) return { errno: 0, extAck: null };
  const errno = -m.view.getInt32(m.off, LITTLE_ENDIAN);
  if ((m.flags & NLM_F_ACK_TLVS) === 0) return { errno, extAck: null };
  let off = m.off + 4;
  if (m.type !== NLMSG_DONE) {
    if (m.end - off < NLMSG_HDRLEN)
      throw new NetlinkFormatError('nlmsgerr without the header it is about', off);
    const requestLen = m.view.getUint32(off, LITTLE_ENDIAN);
    off += (m.flags & NLM_F_CAPPED) !== 0 ? NLMSG_HDRLEN : align4(requestLen);
  }
  const attributes = new AttributeCursor(m.view, off, m.end);
  let extAck: string | null = null;
  while (attributes.next()) if (attributes.type === NLMSGERR_ATTR_MSG) extAck = attributes.text();
  return { errno, extAck };
}

/** A message with its header in front. @param body the family's header and the attributes */
export function buildMessage(type: number, flags: number, sequence: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(NLMSG_HDRLEN + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, LITTLE_ENDIAN);
  view.setUint16(4, type, LITTLE_ENDIAN);
  view.setUint16(6, flags, LITTLE_ENDIAN);
  view.setUint32(8, sequence, LITTLE_ENDIAN);
  bytes.set(body, NLMSG_HDRLEN);
  return bytes;
}

import {
  TCP_ACK_OFF,
  TCP_DATA_OFFSET_OFF,
  TCP_FLAGS_OFF,
  TCP_HEADER_MIN,
  TCP_SEQ_OFF,
  TCP_WINDOW_OFF,
} from '../tcp.ts';
import { decodeTcpOptions, TcpOptions } from '../tcp-options.ts';
import { checkHeader } from './header.ts';

const CHECKSUM_OFF = 16;
const URGENT_OFF = 18;

/** A TCP header. RFC 9293 §3.1. */
export class TcpView {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 20 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, TCP_HEADER_MIN, 'TCP header');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  get srcPort(): number {
    return this.view.getUint16(this.off);
  }
  get dstPort(): number {
    return this.view.getUint16(this.off + 2);
  }
  /** As uint32. */
  get seq(): number {
    return this.view.getUint32(this.off + TCP_SEQ_OFF);
  }
  /** As uint32. */
  get ack(): number {
    return this.view.getUint32(this.off + TCP_ACK_OFF);
  }
  /** Octets of the header with its options, as it says; below 20 it is malformed. */
  get headerLen(): number {
    return (this.view.getUint8(this.off + TCP_DATA_OFFSET_OFF) >>> 4) << 2;
  }
  /** Bits of `TcpFlag`. */
  get flags(): number {
    return this.view.getUint8(this.off + TCP_FLAGS_OFF);
  }
  /** As sent, without scaling. */
  get window(): number {
    return this.view.getUint16(this.off + TCP_WINDOW_OFF);
  }
  get checksum(): number {
    return this.view.getUint16(this.off + CHECKSUM_OFF);
  }
  get urgentPointer(): number {
    return this.view.getUint16(this.off + URGENT_OFF);
  }
  /** The options, decoded into a new object at each call. */
  get options(): TcpOptions {
    const out = new TcpOptions();
    decodeTcpOptions(this.view, this.off + TCP_HEADER_MIN, this.off + this.headerLen, this.end, out);
    return out;
  }
}

import { formatAddress } from '../address.ts';
import {
  FRAGMENT_OFFSET_MASK,
  IPV4_DST_OFF,
  IPV4_FRAGMENT_OFF,
  IPV4_HEADER_MIN,
  IPV4_ID_OFF,
  IPV4_LENGTH_OFF,
  IPV4_PROTOCOL_OFF,
  IPV4_SRC_OFF,
  IPV4_TOS_OFF,
  IPV4_TTL_OFF,
  MORE_FRAGMENTS,
} from '../ipv4.ts';
import { checkHeader, octetsOf } from './header.ts';

const DONT_FRAGMENT = 0x4000;
const CHECKSUM_OFF = 10;

/** An IPv4 header. RFC 791 §3.1. */
export class Ipv4View {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 20 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, IPV4_HEADER_MIN, 'IPv4 header');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  get version(): number {
    return this.view.getUint8(this.off) >>> 4;
  }
  /** Octets of the header with its options, as it says. */
  get headerLen(): number {
    return (this.view.getUint8(this.off) & 0x0f) << 2;
  }
  get tos(): number {
    return this.view.getUint8(this.off + IPV4_TOS_OFF);
  }
  get dscp(): number {
    return this.tos >>> 2;
  }
  get ecn(): number {
    return this.tos & 3;
  }
  /** As the header says: 0 with segmentation offload. */
  get totalLen(): number {
    return this.view.getUint16(this.off + IPV4_LENGTH_OFF);
  }
  get id(): number {
    return this.view.getUint16(this.off + IPV4_ID_OFF);
  }
  get dontFragment(): boolean {
    return (this.view.getUint16(this.off + IPV4_FRAGMENT_OFF) & DONT_FRAGMENT) !== 0;
  }
  get moreFragments(): boolean {
    return (this.view.getUint16(this.off + IPV4_FRAGMENT_OFF) & MORE_FRAGMENTS) !== 0;
  }
  /** In octets. */
  get fragmentOffset(): number {
    return (this.view.getUint16(this.off + IPV4_FRAGMENT_OFF) & FRAGMENT_OFFSET_MASK) << 3;
  }
  get ttl(): number {
    return this.view.getUint8(this.off + IPV4_TTL_OFF);
  }
  get protocol(): number {
    return this.view.getUint8(this.off + IPV4_PROTOCOL_OFF);
  }
  get checksum(): number {
    return this.view.getUint16(this.off + CHECKSUM_OFF);
  }
  get src(): string {
    return formatAddress(octetsOf(this, IPV4_SRC_OFF, IPV4_DST_OFF), 0, 4);
  }
  get dst(): string {
    return formatAddress(octetsOf(this, IPV4_DST_OFF, IPV4_HEADER_MIN), 0, 4);
  }
  /** The options as far as they were captured. */
  get options(): Uint8Array {
    return octetsOf(this, IPV4_HEADER_MIN, Math.max(IPV4_HEADER_MIN, this.headerLen));
  }
}

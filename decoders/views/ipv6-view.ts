import { formatAddress } from '../address.ts';
import {
  IPV6_DST_OFF,
  IPV6_HEADER_LEN,
  IPV6_HOP_LIMIT_OFF,
  IPV6_NEXT_HEADER_OFF,
  IPV6_PAYLOAD_LEN_OFF,
  IPV6_SRC_OFF,
} from '../ipv6.ts';
import { IPV6_EXT_UNIT } from '../ipv6-ext.ts';
import { checkHeader, octetsOf } from './header.ts';

const FLOW_LABEL_MASK = 0xfffff;
const FRAGMENT = 44;
/** Hop-by-hop, routing, fragment, destination options: those that PacketFields.ipProto leads past. RFC 8200 §4. */
const EXTENSIONS = [0, 43, FRAGMENT, 60];

/** One extension header: its own number, and where it is. */
export interface Ipv6Extension {
  header: number;
  off: number;
  /** Octets, as it says. */
  length: number;
}

/** A fixed IPv6 header. RFC 8200 §3. */
export class Ipv6View {
  readonly view: DataView;
  /** First octet of the header in `view`, and one past the last captured octet that may belong to it. */
  readonly off: number;
  readonly end: number;

  /** @throws RangeError for fewer than 40 octets */
  constructor(view: DataView, off: number, end: number) {
    checkHeader(view, off, end, IPV6_HEADER_LEN, 'IPv6 header');
    this.view = view;
    this.off = off;
    this.end = end;
  }
  get version(): number {
    return this.view.getUint8(this.off) >>> 4;
  }
  get trafficClass(): number {
    return (this.view.getUint16(this.off) >>> 4) & 0xff;
  }
  get flowLabel(): number {
    return this.view.getUint32(this.off) & FLOW_LABEL_MASK;
  }
  /** As the header says: 0 in a jumbogram and with segmentation offload. */
  get payloadLen(): number {
    return this.view.getUint16(this.off + IPV6_PAYLOAD_LEN_OFF);
  }
  /** Of the fixed header; PacketFields.ipProto is what the extension chain leads to. */
  get nextHeader(): number {
    return this.view.getUint8(this.off + IPV6_NEXT_HEADER_OFF);
  }
  /** The chain of extension headers, as far as it was captured; a later fragment's chain ends at its fragment header. */
  get extensions(): Ipv6Extension[] {
    const found: Ipv6Extension[] = [];
    let header = this.nextHeader;
    let cur = this.off + IPV6_HEADER_LEN;
    while (EXTENSIONS.includes(header) && this.end - cur >= IPV6_EXT_UNIT) {
      const length = header === FRAGMENT ? IPV6_EXT_UNIT : (this.view.getUint8(cur + 1) + 1) << 3;
      found.push({ header, off: cur, length });
      if (header === FRAGMENT && (this.view.getUint16(cur + 2) & 0xfff8) !== 0) break;
      header = this.view.getUint8(cur);
      cur += length;
    }
    return found;
  }
  get hopLimit(): number {
    return this.view.getUint8(this.off + IPV6_HOP_LIMIT_OFF);
  }
  get src(): string {
    return formatAddress(octetsOf(this, IPV6_SRC_OFF, IPV6_DST_OFF), 0, 6);
  }
  get dst(): string {
    return formatAddress(octetsOf(this, IPV6_DST_OFF, IPV6_HEADER_LEN), 0, 6);
  }
}

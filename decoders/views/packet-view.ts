import { decodePacket } from '../packet.ts';
import { IpProto, PacketFields } from '../packet-fields.ts';
import { Status } from '../status.ts';
import { ArpView } from './arp-view.ts';
import { ETHERNET_HEADER_LEN } from '../ethernet.ts';
import { EthernetView } from './ethernet-view.ts';
import { IcmpView } from './icmp-view.ts';
import { Ipv4View } from './ipv4-view.ts';
import { Ipv6View } from './ipv6-view.ts';
import { LinkType } from '../link-types.ts';
import { TcpView } from './tcp-view.ts';
import { UdpView } from './udp-view.ts';

/**
 * A decoded packet with a typed view of each header that is there: `new PacketView(view, off, end).ipv4?.ttl`. A header
 * that is absent, or of which the fixed part was not captured or contradicts itself, is null.
 */
export class PacketView {
  readonly view: DataView;
  readonly fields: PacketFields;
  readonly status: Status;

  /**
   * @param end      one past the last captured octet; off <= end <= view.byteLength
   * @param linkType LINKTYPE_ value; Ethernet by default
   * @param wireLen  octets on the wire; by default what was captured
   */
  constructor(
    view: DataView,
    off: number,
    end: number,
    linkType: number = LinkType.ETHERNET,
    wireLen = end - off,
  ) {
    this.view = view;
    this.fields = new PacketFields();
    this.fields.linkType = linkType;
    this.fields.wireLen = wireLen;
    this.status = decodePacket(view, off, end, this.fields);
  }

  get ethernet(): EthernetView | null {
    const { linkType, frameOff, capEnd } = this.fields;
    if (linkType !== LinkType.ETHERNET || capEnd - frameOff < ETHERNET_HEADER_LEN) return null;
    return new EthernetView(this.view, frameOff, capEnd);
  }

  get arp(): ArpView | null {
    const { isArp, l3Off, capEnd } = this.fields;
    return isArp ? new ArpView(this.view, l3Off, capEnd) : null;
  }

  get ipv4(): Ipv4View | null {
    const { ipVersion, l3Off, capEnd } = this.fields;
    return ipVersion === 4 ? new Ipv4View(this.view, l3Off, capEnd) : null;
  }

  get ipv6(): Ipv6View | null {
    const { ipVersion, l3Off, capEnd } = this.fields;
    return ipVersion === 6 ? new Ipv6View(this.view, l3Off, capEnd) : null;
  }

  get tcp(): TcpView | null {
    return this.#isTransport(IpProto.TCP)
      ? new TcpView(this.view, this.fields.l4Off, this.fields.l4End)
      : null;
  }

  /** UDP and UDP-Lite. */
  get udp(): UdpView | null {
    const isThere = this.#isTransport(IpProto.UDP) || this.#isTransport(IpProto.UDPLITE);
    return isThere ? new UdpView(this.view, this.fields.l4Off, this.fields.l4End) : null;
  }

  /** ICMP and ICMPv6. */
  get icmp(): IcmpView | null {
    const isThere = this.#isTransport(IpProto.ICMP) || this.#isTransport(IpProto.ICMPV6);
    return isThere ? new IcmpView(this.view, this.fields.l4Off, this.fields.l4End) : null;
  }

  /** A whole transport header of this protocol, in a packet that is no later fragment. */
  #isTransport(proto: number): boolean {
    const f = this.fields;
    return f.ipVersion !== 0 && f.ipProto === proto && f.hasPorts && f.l4Status === Status.Ok;
  }
}

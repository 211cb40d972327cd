import { decodePacket } from '../packet.ts';
import { IpProto, PacketFields } from '../packet-fields.ts';
import { Status } from '../status.ts';
import { AH_HEADER_MIN, AhView } from './ah-view.ts';
import { ArpView } from './arp-view.ts';
import { DccpView } from './dccp-view.ts';
import { ESP_HEADER_LEN, EspView } from './esp-view.ts';
import { GreView } from './gre-view.ts';
import { IGMP_HEADER_LEN, IgmpView } from './igmp-view.ts';
import { SctpView } from './sctp-view.ts';
import { SllView } from './sll-view.ts';
import { Sll2View } from './sll2-view.ts';
import { VlanView } from './vlan-view.ts';
import { ETH_P_8021AD, ETH_P_8021Q, ETH_P_QINQ1, ETH_P_QINQ2, ETH_P_QINQ3 } from '../ethertype.ts';
import { GRE_HEADER_MIN } from '../gre.ts';
import { SLL2_HEADER_LEN, SLL_HEADER_LEN } from '../sll.ts';
import { VLAN_TAG_LEN } from '../vlan.ts';
import { ETHERNET_HEADER_LEN } from '../ethernet.ts';
import { EthernetView } from './ethernet-view.ts';
import { IcmpView } from './icmp-view.ts';
import { Ipv4View } from './ipv4-view.ts';
import { Ipv6View } from './ipv6-view.ts';
import { LinkType } from '../link-types.ts';
import { TcpView } from './tcp-view.ts';
import { UdpView } from './udp-view.ts';

/** EtherTypes behind which a tag stands. */
const TAG_TYPES = [ETH_P_8021Q, ETH_P_8021AD, ETH_P_QINQ1, ETH_P_QINQ2, ETH_P_QINQ3];

type ViewClass<T> = new (view: DataView, off: number, end: number) => T;

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

  /** The cooked header of LINKTYPE_LINUX_SLL or SLL2. */
  get sll(): SllView | Sll2View | null {
    const { linkType, frameOff, capEnd } = this.fields;
    if (linkType === LinkType.LINUX_SLL && capEnd - frameOff >= SLL_HEADER_LEN)
      return new SllView(this.view, frameOff, capEnd);
    if (linkType === LinkType.LINUX_SLL2 && capEnd - frameOff >= SLL2_HEADER_LEN)
      return new Sll2View(this.view, frameOff, capEnd);
    return null;
  }

  /** The tags of an Ethernet frame, outermost first; one that the kernel took out is in `fields` alone. */
  get vlans(): VlanView[] {
    const found: VlanView[] = [];
    const { ethernet } = this;
    if (ethernet === null) return found;
    let cur = ethernet.off + ETHERNET_HEADER_LEN;
    let type = ethernet.typeOrLength;
    while (TAG_TYPES.includes(type) && ethernet.end - cur >= VLAN_TAG_LEN) {
      const tag = new VlanView(this.view, cur, ethernet.end);
      found.push(tag);
      type = tag.typeOrLength;
      cur += VLAN_TAG_LEN;
    }
    return found;
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
    return this.#transport(TcpView, IpProto.TCP);
  }

  /** UDP and UDP-Lite. */
  get udp(): UdpView | null {
    return this.#transport(UdpView, IpProto.UDP, IpProto.UDPLITE);
  }

  /** ICMP and ICMPv6. */
  get icmp(): IcmpView | null {
    return this.#transport(IcmpView, IpProto.ICMP, IpProto.ICMPV6);
  }

  get sctp(): SctpView | null {
    return this.#transport(SctpView, IpProto.SCTP);
  }

  get dccp(): DccpView | null {
    return this.#transport(DccpView, IpProto.DCCP);
  }

  get gre(): GreView | null {
    return this.#upper(IpProto.GRE, GRE_HEADER_MIN, GreView);
  }

  get igmp(): IgmpView | null {
    return this.#upper(IpProto.IGMP, IGMP_HEADER_LEN, IgmpView);
  }

  get esp(): EspView | null {
    return this.#upper(IpProto.ESP, ESP_HEADER_LEN, EspView);
  }

  get ah(): AhView | null {
    return this.#upper(IpProto.AH, AH_HEADER_MIN, AhView);
  }

  /** A header behind IP of a protocol without ports, of which so many octets are there, in no later fragment. */
  #upper<T>(proto: number, minLen: number, make: ViewClass<T>): T | null {
    const { ipVersion, ipProto, fragOff, l4Off, l4End } = this.fields;
    const isThere =
      ipVersion !== 0 && ipProto === proto && fragOff === 0 && l4Off >= 0 && l4End - l4Off >= minLen;
    return isThere ? new make(this.view, l4Off, l4End) : null;
  }

  /** A whole transport header of one of these protocols, in a packet that is no later fragment. */
  #transport<T>(make: ViewClass<T>, ...protos: readonly number[]): T | null {
    const { ipVersion, ipProto, hasPorts, l4Status, l4Off, l4End } = this.fields;
    const isThere = ipVersion !== 0 && protos.includes(ipProto) && hasPorts && l4Status === Status.Ok;
    return isThere ? new make(this.view, l4Off, l4End) : null;
  }
}

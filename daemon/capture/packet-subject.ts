import { IpProto, PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import { decodeTunnel } from '../../decoders/tunnel.ts';
import { TunnelFields, TunnelStatus } from '../../decoders/tunnel-fields.ts';
import type { FilterNode } from '../../storage/filter-ast.ts';
import { matcher } from '../../storage/filter-match.ts';
import { uses } from '../../storage/filter-scope.ts';
import type { FilterSubject } from '../../storage/filter-subject.ts';
import type { SubjectPlace } from '../../storage/flow-subject.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';
import type { RouteTeller } from './packet-tap.ts';
import { MAX_TUNNEL_LEVELS } from './tunnel-meter.ts';

/** Offsets in ARP for IPv4 over Ethernet, and its protocol and address lengths. RFC 826. */
const ARP_PROTOCOL_OFF = 2;
const ARP_SENDER_OFF = 14;
const ARP_TARGET_OFF = 24;
const ARP_END = 28;
const ARP_IPV4_OVER_ETHERNET = 0x0800_0604;

/** True for the packet in `fields` when it is wanted. Allocates nothing, but see Match. */
export type PacketTest = (view: DataView, fields: PacketFields) => boolean;

/**
 * Makes a filter the test of a packet. What only a whole flow has is not true of a packet: refuse a filter for which
 * `inapplicable` with "packet" is not empty.
 *
 * Asked are the outermost headers; by a filter that speaks of tunnels the innermost ones that there are, as of the flow that
 * the packet is on when flows of inner packets only are kept. `bytes` is the length of the frame on the wire, and the route
 * that of the outermost packet, in either case.
 * @param placeOf the capture point with an index; undefined: nobody knows it any more
 * @param route   tells the decision of an IP packet; asked only when the rest of the filter leaves the packet to that
 * @throws RangeError for an experiment
 */
export function packetTest(
  filter: FilterNode,
  placeOf: (captureIndex: number) => SubjectPlace | undefined,
  route: RouteTeller,
): PacketTest {
  const match = matcher(filter);
  const subject = new PacketSubject(placeOf, route);
  if (!uses(filter, 'tunnel', 'tunnelId')) {
    return (view, fields) => {
      subject.set(view, fields);
      return match(subject);
    };
  }
  const inside = new PacketInside();
  return (view, fields) => {
    subject.set(view, fields);
    if (inside.follow(view, fields)) subject.setInner(view, inside.fields, inside.tunnel);
    return match(subject);
  };
}

/** A packet as filters see it: its sender is the originator. One object for all packets. */
class PacketSubject implements FilterSubject {
  readonly flowId = -1;
  readonly addresses = new Int32Array(8);
  addressWords: 0 | 1 | 4 = 0;
  ipVersion = 0;
  proto = -1;
  srcPort = -1;
  dstPort = -1;
  netns: string | null = null;
  interface: string | null = null;
  vlanOuter = -1;
  vlanInner = -1;
  tunnelType = 0;
  tunnelId = -1;
  readonly tunnelOuter = -1;
  readonly connState = 0;
  tcpFlags = -1;
  bytes = 0;
  readonly packets = 1;
  readonly retransmits = -1;
  readonly startSec = 0;
  readonly startNsec = 0;
  readonly endSec = 0;
  readonly endNsec = 0;
  readonly isRouteChanged = false;
  readonly #placeOf: (captureIndex: number) => SubjectPlace | undefined;
  readonly #route: RouteTeller;
  /** The outermost packet, when it is IP. */
  #view: DataView | null = null;
  #fields: PacketFields | null = null;
  #decision: RouteDecision | null = null;

  constructor(placeOf: (captureIndex: number) => SubjectPlace | undefined, route: RouteTeller) {
    this.#placeOf = placeOf;
    this.#route = route;
  }

  /** Takes the packet in `f`, until the next one. */
  set(view: DataView, f: PacketFields): void {
    const isIp = f.status === Status.Ok && f.ipVersion !== 0;
    this.#view = view;
    this.#fields = isIp ? f : null;
    this.#decision = null;
    const place = this.#placeOf(f.captureIndex);
    this.netns = place?.netns ?? null;
    this.interface = place?.interface ?? null;
    this.bytes = f.wireLen;
    this.tunnelType = 0;
    this.tunnelId = -1;
    this.#setHeaders(view, f, isIp);
    if (f.status === Status.Ok && f.isArp) this.#setArp(view, f);
  }

  /** The headers of what the packet carries in a tunnel stand for its own. */
  setInner(view: DataView, f: PacketFields, tunnel: TunnelFields): void {
    this.tunnelType = tunnel.type;
    this.tunnelId = tunnel.hasId ? tunnel.id >>> 0 : -1;
    this.#setHeaders(view, f, f.status === Status.Ok && f.ipVersion !== 0);
  }

  route(direction: 0 | 1): RouteDecision | null {
    if (direction === 1 || this.#fields === null) return null;
    this.#decision ??= this.#route(this.#view!, this.#fields);
    return this.#decision;
  }

  #setHeaders(view: DataView, f: PacketFields, isIp: boolean): void {
    this.vlanOuter = f.vlanCount > 0 ? f.vlanOuter : -1;
    this.vlanInner = f.vlanCount > 1 ? f.vlanInner : -1;
    this.ipVersion = isIp ? f.ipVersion : 0;
    this.proto = isIp ? f.ipProto : -1;
    const hasPorts = isIp && f.hasPorts;
    this.srcPort = hasPorts ? f.srcPort : -1;
    this.dstPort = hasPorts ? f.dstPort : -1;
    this.tcpFlags = hasPorts && f.ipProto === IpProto.TCP && f.l4Status === Status.Ok ? f.tcpFlags : -1;
    this.addressWords = 0;
    if (isIp) this.#setAddresses(view, f.srcOff, f.dstOff, f.ipVersion === 6 ? 4 : 1);
  }

  /** `host` and `net` are of the addresses in ARP, too, as they are for tcpdump. */
  #setArp(view: DataView, f: PacketFields): void {
    const off = f.l3Off;
    if (f.capEnd - off < ARP_END) return;
    if (view.getInt32(off + ARP_PROTOCOL_OFF) !== ARP_IPV4_OVER_ETHERNET) return;
    this.#setAddresses(view, off + ARP_SENDER_OFF, off + ARP_TARGET_OFF, 1);
  }

  #setAddresses(view: DataView, srcOff: number, dstOff: number, words: 1 | 4): void {
    this.addressWords = words;
    for (let k = 0; k < words; k++) {
      this.addresses[k] = view.getInt32(srcOff + k * 4);
      this.addresses[4 + k] = view.getInt32(dstOff + k * 4);
    }
  }
}

/** Looks for the innermost packet of a tunnelled one. */
class PacketInside {
  /** What was found: `status` is not Ok, or `ipVersion` 0, when it is no IP packet or could not be decoded. */
  fields = new PacketFields();
  tunnel = new TunnelFields();
  #spareFields = new PacketFields();
  #spareTunnel = new TunnelFields();

  /** @returns whether the packet carries another one, which then stands in `fields` and `tunnel` */
  follow(view: DataView, outermost: PacketFields): boolean {
    if (outermost.status !== Status.Ok || outermost.ipVersion === 0) return false;
    let outer = outermost;
    for (let depth = 0; depth < MAX_TUNNEL_LEVELS; depth++) {
      const inner = this.#spareFields;
      const tunnel = this.#spareTunnel;
      const status = decodeTunnel(view, outer, inner, tunnel);
      if (status === TunnelStatus.None) return depth > 0;
      this.#spareFields = this.fields;
      this.#spareTunnel = this.tunnel;
      this.fields = inner;
      this.tunnel = tunnel;
      if (status === TunnelStatus.Undecoded) {
        // Whatever stands in the fields may be of an earlier packet.
        if (inner.status === Status.Ok && inner.ipVersion !== 0) inner.status = Status.Malformed;
        inner.vlanCount = 0;
        return true;
      }
      outer = inner;
    }
    return true;
  }
}

import type { LivePacket } from '../../daemon/control/messages.ts';
import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields, PacketType } from '../../decoders/packet-fields.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';

/** See packet_type in nstap.proto. */
const TYPE_UNKNOWN = 255;

/** A packet that came from the daemon, decoded. One object for all of them. */
export class ShownPacket {
  readonly fields = new PacketFields();
  view: DataView = new DataView(new ArrayBuffer(0));
  octets: Uint8Array = new Uint8Array(0);
  netns = '';
  interface = '';
  capturedLength = 0;
  decision: RouteDecision | null = null;

  /** Becomes the packet. @param routes of its message */
  read(packet: LivePacket, routes: readonly RouteDecision[]): this {
    const { octets } = packet;
    const f = this.fields;
    this.octets = octets;
    this.view = new DataView(octets.buffer, octets.byteOffset, octets.length);
    this.netns = packet.netns;
    this.interface = packet.interface;
    this.capturedLength = packet.capturedLength;
    this.decision = routes[packet.routeIndex - 1] ?? null;
    f.linkType = packet.linkType;
    f.tsSec = packet.timeS;
    f.tsNsec = packet.timeNs;
    f.wireLen = packet.wireLength;
    f.pktType = packet.packetType === TYPE_UNKNOWN ? PacketType.Unknown : packet.packetType;
    f.strippedTci = packet.vlanTpid === 0 ? -1 : packet.vlanTci;
    f.strippedTpid = packet.vlanTpid;
    decodePacket(this.view, 0, octets.length, f);
    return this;
  }

  /** "red/eth0"; the interface alone when it has no namespace. */
  get place(): string {
    return this.netns === '' ? this.interface : `${this.netns}/${this.interface}`;
  }
}

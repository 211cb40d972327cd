import { PacketType } from '../../decoders/packet-fields.ts';

/** What is asked of a RouteEngine: one object, reused for every packet. Addresses are 32-bit words in host order. */
export class RouteQuery {
  version: 4 | 6 = 4;
  /** IPv4 in word 0; the other words are not read then. All zero: no source given. */
  readonly src = new Int32Array(4);
  readonly dst = new Int32Array(4);
  /** How the interface saw the packet; decides the stage. */
  pktType: number = PacketType.Unknown;
  /** Interface the packet was seen on; 0 when unknown. */
  ifIndex = 0;
  proto = 0;
  sport = 0;
  dport = 0;
  /** IPv4 TOS or IPv6 traffic class, all 8 bits. */
  tos = 0;
  mark = 0;
  /** False for a captured packet, which carries no mark: 0 is then an assumption. */
  markKnown = false;
  /** False when nobody said what the protocol and ports are: what is here is then an assumption. */
  l4Known = true;
  /** Device that the sending socket is bound to, of a question put as to `ip route get`; 0 for none. */
  oif = 0;
  /** Owner of the sending socket. */
  uid = 0;
  /** False for a captured packet, which does not say who sent it: 0 is then an assumption. */
  uidKnown = false;
  /** Next hop of a multipath route to take, whatever the kernel's hash says; -1 for any. */
  leg = -1;
  /**
   * True for a question put as to `ip route get` (Outgoing without an interface, or Host with the ingress interface):
   * the answer is the kernel's to the same question, with no packet that was seen to compare it with.
   */
  asked = false;
  /** The packet is a fragment, also the first of its datagram. */
  isFragment = false;

  /** True when the packet came in a frame to a broadcast or multicast hardware address. */
  get isGroupFrame(): boolean {
    return this.pktType === PacketType.Broadcast || this.pktType === PacketType.Multicast;
  }
}

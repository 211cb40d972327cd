/**
 * What wraps a packet inside another. The names are what users see: the words of the specifications, and for plain IP in
 * IP of Linux (`ip tunnel`). The values fit 4 bits and are stored: never renumber them.
 */
export const TunnelType = {
  none: 0,
  ipip: 1,
  '4in6': 2,
  '6in4': 3,
  '6in6': 4,
  gre: 5,
  erspan: 6,
  vxlan: 7,
  'vxlan-gpe': 8,
  geneve: 9,
  'gtp-u': 10,
} as const;

export type TunnelType = (typeof TunnelType)[keyof typeof TunnelType];

/** Name by `TunnelType` value; index 0 is no tunnel. */
export const TUNNEL_NAMES = Object.keys(TunnelType) as readonly (keyof typeof TunnelType)[];

/** What looking into a packet gave. */
export const TunnelStatus = {
  /** The packet is no tunnel, or a message of the tunnel's own (GTP-U echo, PPTP acknowledgement). */
  None: 0,
  /** An inner IP packet was decoded. */
  Ok: 1,
  /** A tunnel whose content cannot be followed: cut, malformed, part of a fragmented outer packet, or not IP. */
  Undecoded: 2,
} as const;

export type TunnelStatus = (typeof TunnelStatus)[keyof typeof TunnelStatus];

/** The one reused result of reading a tunnel's header. Offsets as in PacketFields: octets from the view's start. */
export class TunnelFields {
  type: TunnelType = TunnelType.none;
  /** VXLAN and GENEVE VNI, GRE key, PPTP call, ERSPAN session, GTP-U TEID: unsigned, kept as int32. 0 without `hasId`. */
  id = 0;
  hasId = false;
  /** The id is the same in both directions, so it is part of a flow's identity; a TEID or PPTP call is its receiver's. */
  idBothWays = false;
  /** What is inside, as the LINKTYPE_ value to decode it with, and where it begins. */
  innerLinkType = 0;
  innerOff = -1;
}

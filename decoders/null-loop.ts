import { ETH_P_802_3_MIN, ETH_P_IP, ETH_P_IPV6, ETHER_TYPE_NONE } from './ethertype.ts';
import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

/** Octets: one address family. pcap-linktype(7), LINKTYPE_NULL and LINKTYPE_LOOP. */
export const NULL_HEADER_LEN = 4;

const AF_INET = 2;
/** AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS. pcap-linktype(7). */
const AF_INET6_LINUX = 10;
const AF_INET6_OPENBSD = 24;
const AF_INET6_FREEBSD = 28;
const AF_INET6_DARWIN = 30;
/** Address families are small numbers on every system; a larger one in both byte orders is no address family. */
const AF_LIMIT = 0xffff;

/**
 * Decodes the 4-octet address family of BSD loopback at `off` into `etherType` and `l3Off`. LINKTYPE_LOOP has it in network
 * order, LINKTYPE_NULL in the order of the machine that wrote the file; every family fits 16 bits, so the order is seen.
 * @param end first octet past the captured bytes
 * @returns Ok (also for families that are not IP), Truncated, or Malformed; unless Ok, `f` is untouched
 */
export function decodeNullLoop(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < NULL_HEADER_LEN) return Status.Truncated;
  let family = view.getInt32(off);
  if (family < 0 || family > AF_LIMIT) family = view.getInt32(off, true);
  if (family >= 0 && family <= AF_LIMIT) {
    // Some writers put an EtherType here; no family is so large.
    f.etherType = family >= ETH_P_802_3_MIN ? family : familyEtherType(family);
  } else {
    // Nokia IPSO writes address, control and EtherType here, as on Cisco HDLC; Wireshark's packet-null.c knows it too.
    const type = view.getUint16(off + 2);
    if (type < ETH_P_802_3_MIN) return Status.Malformed;
    f.etherType = type;
  }
  f.l3Off = off + NULL_HEADER_LEN;
  return Status.Ok;
}

/** The EtherType of an address family's packets; ETHER_TYPE_NONE unless it is IP. @param family AF_* of any system */
export function familyEtherType(family: number): number {
  switch (family) {
    case AF_INET:
      return ETH_P_IP;
    case AF_INET6_LINUX:
    case AF_INET6_OPENBSD:
    case AF_INET6_FREEBSD:
    case AF_INET6_DARWIN:
      return ETH_P_IPV6;
    default:
      return ETHER_TYPE_NONE;
  }
}

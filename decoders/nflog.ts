import { familyEtherType } from './null-loop.ts';
import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

/** Octets: address family, version, resource id. pcap-linktype(7), LINKTYPE_NFLOG. */
export const NFLOG_HEADER_LEN = 4;
const TLV_HEADER_LEN = 4;
/** NFULA_PAYLOAD of linux/netfilter/nfnetlink_log.h: the packet from its network header on. */
const NFULA_PAYLOAD = 9;

/**
 * Decodes the NFLOG header at `off` and walks its attributes to the packet. Attribute length and type are in the byte
 * order of the machine that captured; both are small, so the order that gives a length within the packet is taken,
 * little-endian first. pcap-linktype(7), LINKTYPE_NFLOG.
 * @param end first octet past the captured bytes
 * @returns Ok; Truncated when the attributes end before a payload; Malformed for an attribute shorter than its header;
 *   unless Ok, `f` is untouched
 */
export function decodeNflog(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < NFLOG_HEADER_LEN) return Status.Truncated;
  const family = view.getUint8(off);
  let cur = off + NFLOG_HEADER_LEN;
  if (end - cur < TLV_HEADER_LEN) return Status.Truncated;
  const little = view.getUint16(cur, true) <= view.getUint16(cur);
  while (end - cur >= TLV_HEADER_LEN) {
    const len = view.getUint16(cur, little);
    if (len < TLV_HEADER_LEN) return Status.Malformed;
    if ((view.getUint16(cur + 2, little) & 0x7fff) === NFULA_PAYLOAD) {
      f.etherType = familyEtherType(family);
      f.l3Off = cur + TLV_HEADER_LEN;
      return Status.Ok;
    }
    cur += (len + 3) & ~3;
  }
  return Status.Truncated;
}

import { ETH_P_IP, ETH_P_IPV6 } from './ethertype.ts';
import type { PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';

// Copies, because V8 reads what is imported from memory each time it is used and folds a local constant.
const { Ok, Truncated, Malformed } = Status;

/**
 * Tells IPv4 from IPv6 by the version nibble, for links without a header: LINKTYPE_RAW (pcap-linktype(7)), tun and
 * WireGuard devices (ARPHRD_NONE). Sets `etherType` and `l3Off`.
 * @param end first octet past the captured bytes
 * @returns Ok, Truncated when there is no octet, Malformed for another version; unless Ok, `f` is untouched
 */
export function decodeRaw(view: DataView, off: number, end: number, f: PacketFields): Status {
  if (end - off < 1) return Truncated;
  const version = view.getUint8(off) >>> 4;
  if (version !== 4 && version !== 6) return Malformed;
  f.etherType = version === 4 ? ETH_P_IP : ETH_P_IPV6;
  f.l3Off = off;
  return Ok;
}

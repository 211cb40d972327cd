import { LinkType } from './link-types.ts';
import { type TunnelFields, TunnelStatus, TunnelType } from './tunnel-fields.ts';

/** 3GPP TS 29.281 §4.4.2. */
export const GTPU_PORT = 2152;
/** Octets without, and with, the optional fields, which are there together or not at all. 3GPP TS 29.281 §5.1. */
export const GTPU_HEADER_MIN = 8;
export const GTPU_HEADER_OPTIONAL = 12;
export const GTPU_TYPE_OFF = 1;
export const GTPU_TEID_OFF = 4;
export const GTPU_NEXT_EXTENSION_OFF = 11;
/** Message type of a user packet; all others are between the endpoints. 3GPP TS 29.281 §6.1. */
export const GTPU_G_PDU = 255;

/** First octet: version 1 and protocol type 1 (0 is GTP'); then E, S, PN. */
const VERSION_MASK = 0xf0;
const VERSION_1_GTP = 0x30;
const HAS_OPTIONAL = 0x07;
const HAS_EXTENSION = 0x04;
/** Extension headers walked; the standard has ten types, and each comes once. */
const MAX_EXTENSIONS = 16;

/**
 * Reads the GTP-U header with its extension headers at `off`. 3GPP TS 29.281 §5.1, §5.2. What is inside is IPv4 or IPv6
 * by its first nibble: nothing in the packet says so (a PDU session of type Ethernet comes out as Undecoded).
 * @param end one past the last captured octet of the UDP payload; off <= end
 * @returns Ok; Undecoded when cut or an extension's length is 0; None when it is not GTP-U version 1, or a message
 *   other than G-PDU
 */
export function decodeGtpU(view: DataView, off: number, end: number, t: TunnelFields): TunnelStatus {
  t.type = TunnelType['gtp-u'];
  if (end === off) return TunnelStatus.None; // keep-alives of NAT are empty
  const flags = view.getUint8(off);
  if ((flags & VERSION_MASK) !== VERSION_1_GTP) return TunnelStatus.None;
  if (end - off < GTPU_HEADER_MIN) return TunnelStatus.Undecoded;
  if (view.getUint8(off + GTPU_TYPE_OFF) !== GTPU_G_PDU) return TunnelStatus.None;
  t.id = view.getInt32(off + GTPU_TEID_OFF);
  t.hasId = true;
  t.innerLinkType = LinkType.RAW;
  if ((flags & HAS_OPTIONAL) === 0) {
    t.innerOff = off + GTPU_HEADER_MIN;
    return TunnelStatus.Ok;
  }
  if (end - off < GTPU_HEADER_OPTIONAL) return TunnelStatus.Undecoded;
  let cur = off + GTPU_HEADER_OPTIONAL;
  let next = (flags & HAS_EXTENSION) !== 0 ? view.getUint8(off + GTPU_NEXT_EXTENSION_OFF) : 0;
  for (let n = 0; next !== 0; n++) {
    if (n === MAX_EXTENSIONS || cur >= end) return TunnelStatus.Undecoded;
    const length = view.getUint8(cur) << 2;
    if (length === 0 || end - cur < length) return TunnelStatus.Undecoded;
    cur += length;
    next = view.getUint8(cur - 1);
  }
  t.innerOff = cur;
  return TunnelStatus.Ok;
}

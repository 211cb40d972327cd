import { LinkType } from './link-types.ts';
import { type TunnelFields, TunnelStatus, TunnelType } from './tunnel-fields.ts';

/** Octets of the type II and type III headers, and of type III's platform subheader. draft-foschiano-erspan-03 §4. */
export const ERSPAN2_HEADER_LEN = 8;
export const ERSPAN3_HEADER_LEN = 12;
export const ERSPAN3_SUBHEADER_LEN = 8;

/** 4 bits of version and 12 of VLAN; then 3 of CoS, 2 of encapsulation, 1 of truncation and 10 of session. */
export const ERSPAN_VERSION_OFF = 0;
export const ERSPAN_SESSION_OFF = 2;
const VERSION_2 = 1;
const VERSION_3 = 2;
const SESSION_MASK = 0x03ff;

/** Last 16 bits of type III: P, frame type (5), hardware id (6), direction, granularity (2), O: a subheader follows. */
const ERSPAN3_WORD_OFF = 10;
const FRAME_TYPE_SHIFT = 10;
const FRAME_TYPE_MASK = 0x1f;
const FRAME_ETHERNET = 0;
const FRAME_IP = 2;
const SUBHEADER_FOLLOWS = 0x0001;

/**
 * Reads the ERSPAN header behind a GRE header of protocol 0x88be: type II, or type I, which has no header of its own and
 * no GRE sequence number. draft-foschiano-erspan-03 §4.1, §4.2.
 * @param end         one past the last captured octet; off <= end
 * @param hasSequence whether the GRE header has a sequence number
 */
export function decodeErspan2(
  view: DataView,
  off: number,
  end: number,
  hasSequence: boolean,
  t: TunnelFields,
): TunnelStatus {
  t.type = TunnelType.erspan;
  t.innerLinkType = LinkType.ETHERNET;
  if (!hasSequence) {
    t.innerOff = off;
    return TunnelStatus.Ok;
  }
  if (end - off < ERSPAN2_HEADER_LEN) return TunnelStatus.Undecoded;
  if (view.getUint8(off) >>> 4 !== VERSION_2) return TunnelStatus.Undecoded;
  setSession(view, off, t);
  t.innerOff = off + ERSPAN2_HEADER_LEN;
  return TunnelStatus.Ok;
}

/** Reads the ERSPAN type III header behind a GRE header of protocol 0x22eb. draft-foschiano-erspan-03 §4.3. */
export function decodeErspan3(view: DataView, off: number, end: number, t: TunnelFields): TunnelStatus {
  t.type = TunnelType.erspan;
  if (end - off < ERSPAN3_HEADER_LEN) return TunnelStatus.Undecoded;
  if (view.getUint8(off) >>> 4 !== VERSION_3) return TunnelStatus.Undecoded;
  const word = view.getUint16(off + ERSPAN3_WORD_OFF);
  let cur = off + ERSPAN3_HEADER_LEN;
  if ((word & SUBHEADER_FOLLOWS) !== 0) cur += ERSPAN3_SUBHEADER_LEN;
  if (cur > end) return TunnelStatus.Undecoded;
  const frameType = (word >>> FRAME_TYPE_SHIFT) & FRAME_TYPE_MASK;
  if (frameType !== FRAME_ETHERNET && frameType !== FRAME_IP) return TunnelStatus.Undecoded;
  setSession(view, off, t);
  t.innerLinkType = frameType === FRAME_ETHERNET ? LinkType.ETHERNET : LinkType.RAW;
  t.innerOff = cur;
  return TunnelStatus.Ok;
}

/** The session takes the place of a GRE key, which ERSPAN does not use. */
function setSession(view: DataView, off: number, t: TunnelFields): void {
  t.id = view.getUint16(off + ERSPAN_SESSION_OFF) & SESSION_MASK;
  t.hasId = true;
  t.idBothWays = true;
}

import { IpProto, type PacketFields } from './packet-fields.ts';
import { Status } from './status.ts';
import { shortHeader } from './transport.ts';

/** Octets of the fragment header, and the unit of the other headers' length field. RFC 8200 §4.5, §4.2. */
export const IPV6_EXT_UNIT = 8;
/**
 * Headers walked before the chain counts as malformed. RFC 8504 §5.3 lets a node set a limit; test suites send a hundred
 * (RFC 8200 §4.1 knows seven), and without one a 64 KiB packet would cost 8,000 steps.
 */
export const IPV6_EXT_MAX = 256;

/** RFC 8200 §4.5: offset in units of 8 octets in the upper 13 bits, so the masked word is the offset in octets. */
const FRAGMENT_OFFSET_MASK = 0xfff8;
const MORE_FRAGMENTS = 0x0001;

/**
 * Walks the extension headers from `f.l4Off` (hop-by-hop, routing, fragment, destination options) to the upper
 * layer: advances `l4Off`, `l3HeaderLen`, `ipProto`, and sets the fragment fields. AH, ESP and mobility (which carries
 * nothing: RFC 6275 §6.1.1) are upper-layer protocols here. A non-first fragment ends the walk: what follows is payload. RFC 8200 §4.
 *
 * When the chain is cut or broken, `l4Status` gets the reason and is returned, and `l4Off` and `l4End` become -1.
 */
export function decodeIPv6Extensions(view: DataView, f: PacketFields): Status {
  const end = f.l4End;
  let cur = f.l4Off;
  for (let n = 0; n <= IPV6_EXT_MAX; n++) {
    const isFragmentHeader = f.ipProto === IpProto.FRAGMENT;
    if (
      !isFragmentHeader &&
      f.ipProto !== IpProto.HOPOPT &&
      f.ipProto !== IpProto.ROUTING &&
      f.ipProto !== IpProto.DSTOPTS
    ) {
      f.l3HeaderLen = cur - f.l3Off;
      f.l4Off = cur;
      return Status.Ok;
    }
    if (n === IPV6_EXT_MAX) break;
    if (end - cur < IPV6_EXT_UNIT) {
      // A cut fragment header does not say whether what follows is a header at all, so its own number stays.
      if (end > cur && !isFragmentHeader) f.ipProto = view.getUint8(cur);
      return stop(f, shortHeader(end, f.ipWireEnd));
    }
    f.ipProto = view.getUint8(cur);
    if (isFragmentHeader) {
      const word = view.getUint16(cur + 2);
      f.fragOff = word & FRAGMENT_OFFSET_MASK;
      f.moreFragments = (word & MORE_FRAGMENTS) !== 0;
      f.isFragment = f.fragOff !== 0 || f.moreFragments;
      f.ipId = view.getInt32(cur + 4);
      cur += IPV6_EXT_UNIT;
      if (f.fragOff !== 0) {
        f.l3HeaderLen = cur - f.l3Off;
        f.l4Off = cur;
        return Status.Ok;
      }
      continue;
    }
    cur += (view.getUint8(cur + 1) + 1) << 3;
    if (cur > end) return stop(f, shortHeader(end, f.ipWireEnd));
  }
  return stop(f, Status.Malformed);
}

function stop(f: PacketFields, status: Status): Status {
  f.l4Status = status;
  f.l4Off = -1;
  f.l4End = -1;
  return status;
}

import { formatAddress } from '../../decoders/address.ts';
import { AF_INET } from '../kernel/constants.ts';
import { AF_INET6 } from '../kernel/netlink-constants.ts';
import { AttributeCursor } from './attribute.ts';
import { NetlinkFormatError } from './errors.ts';

/** Name of an interface, or null when it is not known (it may have gone meanwhile). */
export type LinkNames = (ifIndex: number) => string | null;

/** IP version by address family; other families are not nstap's. */
export const IP_VERSIONS: ReadonlyMap<number, 4 | 6> = new Map([
  [AF_INET, 4],
  [AF_INET6, 6],
]);

/**
 * The attributes behind a family's header.
 * @param headerLen octets of the header, padded to four
 * @throws NetlinkFormatError when the message is shorter
 */
export function openAttributes(
  view: DataView,
  off: number,
  end: number,
  headerLen: number,
  what: string,
): AttributeCursor {
  if (end - off < headerLen) throw new NetlinkFormatError(`${what} of ${end - off} octets`, off);
  return new AttributeCursor(view, off + headerLen, end);
}

/** An address attribute in canonical text. @throws NetlinkFormatError */
export function readAddress(attribute: AttributeCursor, version: 4 | 6): string {
  const length = version === 4 ? 4 : 16;
  if (attribute.length < length)
    throw new NetlinkFormatError(`address of ${attribute.length} octets, not ${length}`, attribute.off);
  return formatAddress(attribute.bytes(), 0, version);
}

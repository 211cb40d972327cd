import { formatMac } from '../../decoders/address.ts';
import {
  ETH_P_802_3_MIN,
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
} from '../../decoders/ethertype.ts';
import { LinkType } from '../../decoders/link-types.ts';
import type { ShownPacket } from './shown-packet.ts';

const TYPE_OFF = 12;
const HEADER_LEN = 14;
const TAG_LEN = 4;
/** Tags that are told, at most. */
const TAGS_MAX = 4;

const NAMES: Readonly<Record<number, string>> = {
  [ETH_P_IP]: 'IPv4',
  [ETH_P_ARP]: 'ARP',
  [ETH_P_IPV6]: 'IPv6',
  [ETH_P_8021Q]: '802.1Q',
  [ETH_P_8021AD]: '802.1Q-QinQ',
};

/**
 * What tcpdump's -e tells before the packet: addresses, EtherType, length, VLAN tags, those too that the kernel has taken out.
 * Links without such a header have their length.
 */
export function linkHeader({ octets, view, fields: f }: ShownPacket): string {
  const { wireLen: length } = f;
  if (f.linkType !== LinkType.ETHERNET || octets.length < HEADER_LEN) {
    const type = f.etherType >= 0 ? `ethertype ${typeName(f.etherType)}, ` : '';
    return `${type}length ${length}: `;
  }
  const addresses = `${formatMac(octets, 6)} > ${formatMac(octets, 0)}, `;
  const isStripped = f.strippedTci >= 0;
  let type = view.getUint16(TYPE_OFF);
  if (!isStripped && type < ETH_P_802_3_MIN) return `${addresses}802.3, length ${type}: `;
  const parts = [`ethertype ${typeName(isStripped ? f.strippedTpid : type)}, length ${length}: `];
  const tag = (tci: number, next: number): void => {
    parts.push(
      `vlan ${tci & 0xfff}, p ${tci >>> 13}${(tci & 0x1000) === 0 ? '' : ', DEI'}, ethertype ${typeName(next)}, `,
    );
  };
  if (isStripped) tag(f.strippedTci, type);
  for (
    let off = HEADER_LEN, n = 0;
    isTag(type) && n < TAGS_MAX && off + TAG_LEN <= octets.length;
    off += TAG_LEN, n++
  ) {
    type = view.getUint16(off + 2);
    tag(view.getUint16(off), type);
  }
  return addresses + parts.join('');
}

function isTag(type: number): boolean {
  return type === ETH_P_8021Q || type === ETH_P_8021AD;
}

function typeName(type: number): string {
  const hex = `0x${type.toString(16).padStart(4, '0')}`;
  return NAMES[type] === undefined ? `Unknown (${hex})` : `${NAMES[type]} (${hex})`;
}

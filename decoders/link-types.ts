import { OTHER_LINK_TYPES } from './link-type-names.ts';

/** LINKTYPE_ values that nstap names, without their prefix. pcap-linktype(7). */
export const LinkType = {
  NULL: 0,
  ETHERNET: 1,
  SLIP: 8,
  PPP: 9,
  /** DLT_RAW of most systems and of OpenBSD: the number in files written before LINKTYPE_RAW. */
  DLT_RAW: 12,
  DLT_RAW_OPENBSD: 14,
  PPP_HDLC: 50,
  PPP_ETHER: 51,
  ATM_RFC1483: 100,
  RAW: 101,
  C_HDLC: 104,
  IEEE802_11: 105,
  LOOP: 108,
  LINUX_SLL: 113,
  IEEE802_11_RADIOTAP: 127,
  ARCNET_LINUX: 129,
  PPI: 192,
  PPP_WITH_DIR: 204,
  C_HDLC_WITH_DIR: 205,
  MPLS: 219,
  USB_LINUX_MMAPPED: 220,
  IPV4: 228,
  IPV6: 229,
  NFLOG: 239,
  USBPCAP: 249,
  NETLINK: 253,
  LINUX_SLL2: 276,
} as const;

const NAMES = new Map<number, string>([
  ...Object.entries(LinkType).map(([name, value]): [number, string] => [value, name]),
  ...Object.entries(OTHER_LINK_TYPES).map(([value, name]): [number, string] => [Number(value), name]),
]);

const SUPPORTED = new Set<number>([
  LinkType.NULL,
  LinkType.ETHERNET,
  LinkType.PPP,
  LinkType.DLT_RAW,
  LinkType.DLT_RAW_OPENBSD,
  LinkType.PPP_HDLC,
  LinkType.PPP_ETHER,
  LinkType.ATM_RFC1483,
  LinkType.RAW,
  LinkType.C_HDLC,
  LinkType.LOOP,
  LinkType.LINUX_SLL,
  LinkType.PPP_WITH_DIR,
  LinkType.C_HDLC_WITH_DIR,
  LinkType.MPLS,
  LinkType.IPV4,
  LinkType.IPV6,
  LinkType.NFLOG,
  LinkType.LINUX_SLL2,
]);

/** "LINKTYPE_ETHERNET", or "LINKTYPE_160" for a value that nstap has no name for. */
export function linkTypeName(linkType: number): string {
  return `LINKTYPE_${NAMES.get(linkType) ?? linkType}`;
}

/** The value of a name, with or without "LINKTYPE_", in any case; null when nstap does not know it. */
export function parseLinkType(name: string): number | null {
  const bare = name.toUpperCase().replace(/^LINKTYPE_/, '');
  for (const [value, known] of NAMES) if (known === bare) return value;
  return null;
}

/** Whether `decodePacket` has a decoder for it; packets of other link types come out as Unsupported. */
export function isSupportedLinkType(linkType: number): boolean {
  return SUPPORTED.has(linkType);
}

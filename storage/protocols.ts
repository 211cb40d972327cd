/**
 * Names of IP protocol numbers, as nstap prints and stores them: those of tcpdump and /etc/protocols in lower case.
 * IANA "Assigned Internet Protocol Numbers"; a number that is not here prints as a number.
 */
export const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  0: 'hopopt',
  1: 'icmp',
  2: 'igmp',
  4: 'ipip',
  6: 'tcp',
  8: 'egp',
  9: 'igp',
  17: 'udp',
  27: 'rdp',
  33: 'dccp',
  41: 'ipv6',
  43: 'ipv6-route',
  44: 'ipv6-frag',
  46: 'rsvp',
  47: 'gre',
  50: 'esp',
  51: 'ah',
  58: 'icmp6',
  59: 'ipv6-nonxt',
  60: 'ipv6-opts',
  88: 'eigrp',
  89: 'ospf',
  94: 'ipip-micp',
  97: 'etherip',
  98: 'encap',
  103: 'pim',
  108: 'ipcomp',
  112: 'vrrp',
  115: 'l2tp',
  132: 'sctp',
  133: 'fc',
  135: 'mobility',
  136: 'udplite',
  137: 'mpls-in-ip',
  139: 'hip',
  140: 'shim6',
  143: 'ethernet',
};

/** Other spellings that users type. */
const ALIASES: Readonly<Record<string, number>> = {
  'ipv6-icmp': 58,
  icmpv6: 58,
  'ipv6-hopopt': 0,
  'udp-lite': 136,
  ip6: 41,
};

const NUMBERS: ReadonlyMap<string, number> = new Map([
  ...Object.entries(PROTOCOL_NAMES).map(([number, name]): [string, number] => [name, Number(number)]),
  ...Object.entries(ALIASES),
]);

/** The name of an IP protocol number, or the number in decimal. */
export function protocolName(proto: number): string {
  return PROTOCOL_NAMES[proto] ?? String(proto);
}

/** The IP protocol number (0..255) for a name or a decimal number; null when it is neither. */
export function protocolNumber(text: string): number | null {
  const named = NUMBERS.get(text.toLowerCase());
  if (named !== undefined) return named;
  return /^\d{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : null;
}

import type { AttributeCursor } from './attribute.ts';
import { readAddress } from './family.ts';

/**
 * What an interface of some kind has beside the attributes of every link: `id` (VLAN, VNI), `protocol` (802.1Q, 802.1ad), `local`,
 * `remote`, `key`, `port`, `table`, `mode`, `type` (tun, tap), `stp`, `vlan_filtering`. What is not set is not there.
 */
export type LinkInfo = Record<string, string | number | boolean>;

/** What the attributes of IFLA_INFO_DATA say. */
export interface LinkKindData {
  info: LinkInfo;
  /** ifindex of the device below, of kinds where it stands here; 0: none. null: a kind that has it in IFLA_LINK, if at all. */
  lower: number | null;
}

type Read = (attribute: AttributeCursor, data: LinkKindData) => void;
/** By number of the attribute. */
type Reads = Readonly<Record<number, Read>>;

const put =
  (key: string, value: (attribute: AttributeCursor) => string | number | boolean | undefined): Read =>
  (attribute, { info }) => {
    const found = value(attribute);
    if (found !== undefined) info[key] = found;
  };
const u32 = (key: string): Read => put(key, (attribute) => attribute.u32());
/** In network order. */
const be16 = (key: string): Read => put(key, (attribute) => bigEndian(attribute, 2));
const be32 = (key: string): Read => put(key, (attribute) => bigEndian(attribute, 4) || undefined);
const word = (key: string, words: Readonly<Record<number, string>>, read: (a: AttributeCursor) => number) =>
  put(key, (attribute) => words[read(attribute)] ?? String(read(attribute)));
/** Of 4 or 16 octets; the unspecified one is none. */
const address = (key: string): Read =>
  put(key, (attribute) =>
    attribute.bytes().every((octet) => octet === 0)
      ? undefined
      : readAddress(attribute, attribute.length < 16 ? 4 : 6),
  );
const lower: Read = (attribute, data) => {
  data.lower = attribute.u32();
};

function bigEndian({ view, off, length }: AttributeCursor, octets: 2 | 4): number {
  if (length < octets) return 0;
  return octets === 2 ? view.getUint16(off) : view.getUint32(off);
}

/** drivers/net/bonding/bond_options.c bond_mode_tbl */
const BOND_MODES = [
  'balance-rr',
  'active-backup',
  'balance-xor',
  'broadcast',
  '802.3ad',
  'balance-tlb',
  'balance-alb',
];
/** linux/if_link.h enum macvlan_mode */
const MACVLAN_MODES = { 1: 'private', 2: 'vepa', 4: 'bridge', 8: 'passthru', 16: 'source' };
const IPVLAN_MODES = ['l2', 'l3', 'l3s'];
/** linux/if_tun.h IFF_TUN, IFF_TAP */
const TUN_TYPES = { 1: 'tun', 2: 'tap' };
/** linux/if_ether.h ETH_P_8021Q 0x8100, ETH_P_8021AD 0x88a8 */
const VLAN_PROTOCOLS = { 33024: '802.1Q', 34984: '802.1ad' };

const macvlan: Reads = { 1: word('mode', MACVLAN_MODES, (a) => a.u32()) };
const ipvlan: Reads = { 1: word('mode', IPVLAN_MODES, (a) => a.u16()) };
/** linux/if_tunnel.h enum IFLA_GRE_*, IFLA_IPTUN_*, IFLA_VTI_* */
const gre: Reads = { 1: lower, 5: be32('key'), 6: address('local'), 7: address('remote') };
const ipTunnel: Reads = { 1: lower, 2: address('local'), 3: address('remote') };
const vti: Reads = { 1: lower, 3: be32('key'), 4: address('local'), 5: address('remote') };

/** By kind of the link: linux/if_link.h enum IFLA_VLAN_*, IFLA_VXLAN_*, … */
const KINDS: Readonly<Record<string, Reads>> = {
  vlan: {
    1: put('id', (attribute) => attribute.u16()),
    5: word('protocol', VLAN_PROTOCOLS, (a) => bigEndian(a, 2)),
  },
  vxlan: {
    1: u32('id'),
    2: address('remote'),
    3: lower,
    4: address('local'),
    15: be16('port'),
    16: address('remote'),
    17: address('local'),
  },
  geneve: { 1: u32('id'), 2: address('remote'), 5: be16('port'), 7: address('remote') },
  gre,
  gretap: gre,
  erspan: gre,
  ip6gre: gre,
  ip6gretap: gre,
  ip6erspan: gre,
  ipip: ipTunnel,
  sit: ipTunnel,
  ip6tnl: ipTunnel,
  vti,
  vti6: vti,
  xfrm: { 1: lower, 2: u32('id') },
  vrf: { 1: u32('table') },
  bond: { 1: word('mode', BOND_MODES, (a) => a.u8()) },
  macvlan,
  macvtap: macvlan,
  ipvlan,
  ipvtap: ipvlan,
  tun: { 3: word('type', TUN_TYPES, (a) => a.u8()) },
  bridge: {
    5: put('stp', (attribute) => attribute.u32() !== 0),
    7: put('vlan_filtering', (attribute) => attribute.u8() !== 0),
  },
};

/** Reads IFLA_INFO_DATA of a kind that is known; of another one nothing. @throws NetlinkFormatError */
export function parseKindData(kind: string, attributes: AttributeCursor): LinkKindData {
  const reads = Object.hasOwn(KINDS, kind) ? KINDS[kind]! : {};
  const data: LinkKindData = { info: {}, lower: Object.values(reads).includes(lower) ? 0 : null };
  while (attributes.next()) reads[attributes.type]?.(attributes, data);
  return data;
}

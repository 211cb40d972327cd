import { parseAddress } from '../../decoders/address.ts';
import { formatHardwareAddress } from '../netlink/link.ts';

/** IFF_* of linux/if.h as `ip link` names them; RUNNING it does not print, see `linkFlags`. */
const FLAGS: ReadonlyMap<string, number> = new Map([
  ['UP', 0x1],
  ['BROADCAST', 0x2],
  ['DEBUG', 0x4],
  ['LOOPBACK', 0x8],
  ['POINTOPOINT', 0x10],
  ['NOTRAILERS', 0x20],
  ['RUNNING', 0x40],
  ['NOARP', 0x80],
  ['PROMISC', 0x100],
  ['ALLMULTI', 0x200],
  ['MASTER', 0x400],
  ['SLAVE', 0x800],
  ['MULTICAST', 0x1000],
  ['PORTSEL', 0x2000],
  ['AUTOMEDIA', 0x4000],
  ['DYNAMIC', 0x8000],
  ['LOWER_UP', 0x10000],
  ['DORMANT', 0x20000],
  ['ECHO', 0x40000],
]);
const IFF_RUNNING = 0x40;

/** IFF_MASTER, IFF_NOARP: what tells bonds and VRFs. */
export const IFF_MASTER = 0x400;
export const IFF_NOARP = 0x80;

/**
 * The flags of an interface by the words between < and >. `ip` says NO-CARRIER where an interface that is up is not RUNNING,
 * M-DOWN of the state of another interface, and ends with the bits that it has no name for, in hexadecimal.
 * @returns the bits, or the word that is none
 */
export function linkFlags(words: readonly string[]): number | string {
  let flags = 0;
  for (const word of words) {
    if (word === 'NO-CARRIER' || word === 'M-DOWN') continue;
    const bit = FLAGS.get(word) ?? (/^[0-9a-f]+$/.test(word) ? Number.parseInt(word, 16) : undefined);
    if (bit === undefined) return word;
    flags |= bit;
  }
  const isRunning = (flags & FLAGS.get('UP')!) !== 0 && !words.includes('NO-CARRIER');
  return isRunning ? flags | IFF_RUNNING : flags;
}

/** ARPHRD_* of linux/if_arp.h by the names of lib/ll_types.c of iproute2. */
const LINK_TYPES: ReadonlyMap<string, number> = new Map([
  ['netrom', 0],
  ['ether', 1],
  ['eether', 2],
  ['ax25', 3],
  ['pronet', 4],
  ['chaos', 5],
  ['ieee802', 6],
  ['arcnet', 7],
  ['atalk', 8],
  ['dlci', 15],
  ['atm', 19],
  ['metricom', 23],
  ['ieee1394', 24],
  ['infiniband', 32],
  ['slip', 256],
  ['cslip', 257],
  ['slip6', 258],
  ['cslip6', 259],
  ['rsrvd', 260],
  ['adapt', 264],
  ['rose', 270],
  ['x25', 271],
  ['can', 280],
  ['mctp', 290],
  ['ppp', 512],
  ['hdlc', 513],
  ['lapb', 516],
  ['ddcmp', 517],
  ['rawhdlc', 518],
  ['rawip', 519],
  ['ipip', 768],
  ['tunnel6', 769],
  ['frad', 770],
  ['skip', 771],
  ['loopback', 772],
  ['ltalk', 773],
  ['fddi', 774],
  ['bif', 775],
  ['sit', 776],
  ['ip/ddp', 777],
  ['gre', 778],
  ['pimreg', 779],
  ['hippi', 780],
  ['ash', 781],
  ['econet', 782],
  ['irda', 783],
  ['fcpp', 784],
  ['fcal', 785],
  ['fcpl', 786],
  ['tr', 800],
  ['ieee802.11', 801],
  ['ieee802.11/prism', 802],
  ['ieee802.11/radiotap', 803],
  ['ieee802.15.4', 804],
  ['ieee802.15.4/monitor', 805],
  ['phonet', 820],
  ['phonet_pipe', 821],
  ['caif', 822],
  ['gre6', 823],
  ['netlink', 824],
  ['6lowpan', 825],
  ['vsockmon', 826],
  ['none', 65534],
  ['void', 65535],
]);

/** ARPHRD_* of "ether" or, as `ip` prints one that it does not know, "[519]"; null for another word. */
export function linkType(word: string): number | null {
  const number = /^\[(\d+)\]$/.exec(word);
  return number === null ? (LINK_TYPES.get(word) ?? null) : Number(number[1]);
}

/** A link's address in octets "aa:bb:…"; tunnels print theirs as an IP address. Null for another word. */
export function hardwareAddress(word: string): string | null {
  if (/^[0-9a-f]{2}(:[0-9a-f]{2})*$/i.test(word)) return word.toLowerCase();
  const address = parseAddress(word);
  if (address === null) return null;
  return formatHardwareAddress(address.bytes);
}

/** Operational states as `ip` prints them, and as a snapshot has them. */
export function operState(word: string): string | null {
  const states = ['UNKNOWN', 'NOTPRESENT', 'DOWN', 'LOWERLAYERDOWN', 'TESTING', 'DORMANT', 'UP'];
  return states.includes(word) ? word.toLowerCase() : null;
}

/** What stands behind these words of a link says nothing about routing: one value each. */
export const LINK_VALUES: ReadonlySet<string> = new Set([
  'qdisc',
  'mode',
  'qlen',
  'protodown',
  'protodown_reason',
  'brd',
  'peer',
  'permaddr',
  'promiscuity',
  'allmulti',
  'minmtu',
  'maxmtu',
  'addrgenmode',
  'numtxqueues',
  'numrxqueues',
  'gso_max_size',
  'gso_max_segs',
  'tso_max_size',
  'tso_max_segs',
  'gro_max_size',
  'gso_ipv4_max_size',
  'gro_ipv4_max_size',
  'max_pacing_offload_horizon',
  'headroom',
  'tailroom',
  'portname',
  'portid',
  'switchid',
  'parentbus',
  'parentdev',
  'event',
  'new-netnsid',
  'new-netns',
  'new-ifindex',
]);

/** Words of a link that stand alone. */
export const LINK_FLAGS: ReadonlySet<string> = new Set(['netns-immutable']);

/** Kinds of links (IFLA_INFO_KIND), whose own words `ip -d` prints behind them. */
export const LINK_KINDS: ReadonlySet<string> = new Set([
  'amt',
  'bareudp',
  'batadv',
  'bond',
  'bridge',
  'caif',
  'can',
  'dsa',
  'dummy',
  'erspan',
  'geneve',
  'gre',
  'gretap',
  'gtp',
  'hsr',
  'ifb',
  'ip6erspan',
  'ip6gre',
  'ip6gretap',
  'ip6tnl',
  'ipip',
  'ipoib',
  'ipvlan',
  'ipvtap',
  'lowpan',
  'macsec',
  'macvlan',
  'macvtap',
  'netdevsim',
  'netkit',
  'nlmon',
  'openvswitch',
  'ovpn',
  'ovpn-dco',
  'pfcp',
  'ppp',
  'rmnet',
  'sit',
  'team',
  'tun',
  'vcan',
  'veth',
  'virt_wifi',
  'vlan',
  'vrf',
  'vsockmon',
  'vti',
  'vti6',
  'vxcan',
  'vxlan',
  'wireguard',
  'wwan',
  'xfrm',
]);

/** Kinds of masters, whose ports have a line "bridge_slave …" of their own. */
export const PORT_KINDS: ReadonlySet<string> = new Set([
  'bond',
  'bridge',
  'hsr',
  'openvswitch',
  'team',
  'vrf',
]);

/** IFA_F_* as `ip addr` prints them. */
export const ADDRESS_FLAGS: ReadonlySet<string> = new Set([
  'secondary',
  'temporary',
  'nodad',
  'optimistic',
  'dadfailed',
  'home',
  'deprecated',
  'tentative',
  'permanent',
  'dynamic',
  'mngtmpaddr',
  'noprefixroute',
  'autojoin',
  'stable-privacy',
]);

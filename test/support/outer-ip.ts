/**
 * Numbers of upper-layer protocols (IANA). A copy of a part of IpProto: what tshark's reading is made into must not stand on
 * our decoders.
 */
export const Upper = {
  HOPOPT: 0,
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  DCCP: 33,
  ROUTING: 43,
  FRAGMENT: 44,
  ICMPV6: 58,
  DSTOPTS: 60,
  SCTP: 132,
  UDPLITE: 136,
} as const;

/** What tshark is asked of a frame to find its outermost IP header. */
export const IP_FIELDS = [
  'frame.protocols',
  'ip.src',
  'ip.dst',
  'ip.proto',
  'ip.len',
  'ip.hdr_len',
  'ip.id',
  'ip.frag_offset',
  'ip.flags.mf',
  'ipv6.src',
  'ipv6.dst',
  'ipv6.plen',
  'ipv6.nxt',
  'ipv6.hopopts.nxt',
  'ipv6.hopopts.len_oct',
  'ipv6.dstopts.nxt',
  'ipv6.dstopts.len_oct',
  'ipv6.routing.nxt',
  'ipv6.routing.len_oct',
  'ipv6.fraghdr.nxt',
  'ipv6.fraghdr.offset',
  'ipv6.fraghdr.more',
  'ipv6.fraghdr.ident',
] as const;
type IpField = (typeof IP_FIELDS)[number];

/** All occurrences of each field of a frame, outermost first. */
export type TsharkFrame<Field extends string> = Record<Field, string[]>;

/** The frame of a line that `tshark -T fields -E occurrence=a -E aggregator=,` printed for `fields`. */
export function tsharkFrame<Field extends string>(
  fields: readonly Field[],
  line: string,
): TsharkFrame<Field> {
  const values = line.split('\t');
  return Object.fromEntries(
    fields.map((field, i) => [
      field,
      values[i] === undefined || values[i] === '' ? [] : values[i]!.split(','),
    ]),
  ) as TsharkFrame<Field>;
}

/** Extension headers that are walked, with the fields that name the next one and the length. */
const EXTENSIONS: Readonly<Record<number, [nxt: IpField, octets: IpField | null]>> = {
  [Upper.HOPOPT]: ['ipv6.hopopts.nxt', 'ipv6.hopopts.len_oct'],
  [Upper.DSTOPTS]: ['ipv6.dstopts.nxt', 'ipv6.dstopts.len_oct'],
  [Upper.ROUTING]: ['ipv6.routing.nxt', 'ipv6.routing.len_oct'],
  [Upper.FRAGMENT]: ['ipv6.fraghdr.nxt', null],
};
const FRAGMENT_HEADER_LEN = 8;
const IPV6_HEADER_LEN = 40;

/** The outermost IP header of a frame. */
export interface OuterIp {
  version: 4 | 6;
  src: string;
  dst: string;
  /** The upper-layer protocol, behind extension headers. */
  proto: number;
  /** Octets of the IP packet, and of what it carries behind extension headers. */
  ipLen: number;
  upperLen: number;
  isFragment: boolean;
  /** A fragment with an offset. */
  isLater: boolean;
  /** The identification; of IPv6 null but in a fragment. */
  id: string | null;
}

/** The outermost IP header of a frame; `bad` when tshark could not read its addresses, null when there is none. */
export function outerOf(frame: TsharkFrame<IpField>): OuterIp | 'bad' | null {
  const layer = frame['frame.protocols'][0]?.split(':').find((name) => name === 'ip' || name === 'ipv6');
  if (layer === undefined) return null;
  if (layer === 'ip') {
    const [src, dst] = [frame['ip.src'][0], frame['ip.dst'][0]];
    if (src === undefined || dst === undefined) return 'bad';
    const offset = Number(frame['ip.frag_offset'][0] ?? 0);
    const ipLen = Number(frame['ip.len'][0]);
    return {
      version: 4,
      src,
      dst,
      proto: Number(frame['ip.proto'][0]),
      ipLen,
      upperLen: ipLen - Number(frame['ip.hdr_len'][0]),
      isFragment: offset > 0 || isTrue(frame['ip.flags.mf'][0]),
      isLater: offset > 0,
      id: frame['ip.id'][0] ?? null,
    };
  }
  const [src, dst] = [frame['ipv6.src'][0], frame['ipv6.dst'][0]];
  if (src === undefined || dst === undefined) return 'bad';
  const taken = new Map<IpField, number>();
  let proto = Number(frame['ipv6.nxt'][0]);
  let upperLen = Number(frame['ipv6.plen'][0]);
  let isLater = false;
  let isFragment = false;
  let id: string | null = null;
  for (let names = EXTENSIONS[proto]; names !== undefined && !isLater; names = EXTENSIONS[proto]) {
    const [field, octets] = names;
    const n = taken.get(field) ?? 0;
    const next = frame[field][n];
    if (next === undefined) break;
    if (proto === Upper.FRAGMENT) {
      isLater = Number(frame['ipv6.fraghdr.offset'][n] ?? 0) > 0;
      isFragment = isLater || isTrue(frame['ipv6.fraghdr.more'][n]);
      id = frame['ipv6.fraghdr.ident'][n] ?? null;
    }
    upperLen -= octets === null ? FRAGMENT_HEADER_LEN : Number(frame[octets][n]);
    taken.set(field, n + 1);
    proto = Number(next);
  }
  const ipLen = IPV6_HEADER_LEN + Number(frame['ipv6.plen'][0]);
  return { version: 6, src, dst, proto, ipLen, upperLen, isFragment, isLater, id };
}

function isTrue(value: string | undefined): boolean {
  return value === '1' || value === 'True';
}

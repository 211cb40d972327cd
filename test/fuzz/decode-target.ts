import { decodePacket } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { isSupportedLinkType } from '../../decoders/link-types.ts';
import { Status } from '../../decoders/status.ts';
import { frame } from '../support/frames.ts';
import { Broken, fold, type Target } from './target.ts';

const LINK_TYPES = Array.from({ length: 300 }, (_, linkType) => linkType).filter(isSupportedLinkType);
/** Octets before the packet; their value differs between two decodings of the same packet. */
const AHEAD = 32;
const BEHIND = 64;
const ROOM = 8192;

/** What the decoder writes offsets into; -1 is absent. */
const OFFSETS = [
  'dstMacOff',
  'srcMacOff',
  'l3Off',
  'srcOff',
  'dstOff',
  'l4Off',
  'l4End',
  'payloadOff',
] as const;

const NAMES = Object.keys(new PacketFields()) as (keyof PacketFields)[];

/**
 * Checks what two decodings of one packet gave, with other octets around it each time.
 * @param from first octet of the packet in the view, `to` one past its last
 */
export function checkTwice(f: PacketFields, g: PacketFields, from: number, to: number): void {
  for (const name of NAMES)
    if (f[name] !== g[name])
      throw new Broken(`${name} is ${f[name]} or ${g[name]} by the octets around the packet`);
  for (const name of OFFSETS)
    if (f[name] !== -1 && (f[name] < from || f[name] > to))
      throw new Broken(`${name} ${f[name] - from} in a packet of ${to - from} octets`);
  if (f.payloadLen < 0) throw new Broken(`payloadLen ${f.payloadLen}`);
  if (f.status !== Status.Ok && f.hasPorts) throw new Broken('ports of a packet that is not decoded');
}

/** decodePacket: octet 0 of the input chooses the link type, octets 1 and 2 how much longer it was on the wire. */
export function decodeTarget(decode = decodePacket): Target {
  const views = [0x00, 0xff].map((octet) => {
    const bytes = new Uint8Array(ROOM).fill(octet);
    return { bytes, view: new DataView(bytes.buffer), octet };
  });
  const fields = [new PacketFields(), new PacketFields()];
  return {
    name: 'decode',
    seeds: () => {
      const specs = [
        {},
        { proto: 'udp' as const },
        { proto: 'icmp' as const },
        { vlan: [5, 6] },
        { src: '2001:db8::1', dst: '2001:db8::2' },
      ];
      return specs.flatMap((spec) =>
        LINK_TYPES.map((_, i) => Uint8Array.from([i, 0, 0, ...frame({ payload: 20, ...spec })])),
      );
    },
    run(input) {
      const packet = input.subarray(3, 3 + ROOM - AHEAD - BEHIND);
      const linkType = LINK_TYPES[(input[0] ?? 0) % LINK_TYPES.length]!;
      const wireLen = packet.length + ((input[1] ?? 0) & 1 ? (input[2] ?? 0) << 3 : 0);
      let signature = linkType;
      for (const [i, { bytes, view, octet }] of views.entries()) {
        bytes.set(packet, AHEAD);
        const f = fields[i]!;
        f.linkType = linkType;
        f.wireLen = wireLen;
        f.pktType = -1;
        f.strippedTci = (input[1] ?? 0) & 2 ? 7 : -1;
        const status = decode(view, AHEAD, AHEAD + packet.length, f);
        bytes.fill(octet, AHEAD, AHEAD + packet.length);
        if (status !== f.status) throw new Broken(`returned ${status}, but set status ${f.status}`);
      }
      const [f, g] = fields as [PacketFields, PacketFields];
      checkTwice(f, g, AHEAD, AHEAD + packet.length);
      for (const value of [f.status, f.l4Status, f.etherType, f.ipProto, f.vlanCount, f.ipVersion])
        signature = fold(signature, value);
      return fold(signature, (f.isFragment ? 1 : 0) | (f.hasPorts ? 2 : 0) | (f.l4Off >= 0 ? 4 : 0));
    },
  };
}

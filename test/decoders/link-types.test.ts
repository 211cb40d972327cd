import { expect, it } from 'vitest';
import { isSupportedLinkType, LinkType, linkTypeName, parseLinkType } from '../../decoders/link-types.ts';
import { Status } from '../../decoders/status.ts';
import { decode, hex } from './bytes.ts';

it('names link types, and numbers those without a name', () => {
  expect([linkTypeName(1), linkTypeName(276), linkTypeName(195), linkTypeName(160)]).toEqual([
    'LINKTYPE_ETHERNET',
    'LINKTYPE_LINUX_SLL2',
    'LINKTYPE_IEEE802_15_4_WITHFCS',
    'LINKTYPE_160',
  ]);
  expect([parseLinkType('linktype_raw'), parseLinkType('Ethernet'), parseLinkType('token')]).toEqual([
    101,
    1,
    null,
  ]);
});

it.each([
  ['MPLS', LinkType.MPLS, '00 01 01 40'],
  ['RFC 1483 over ATM', LinkType.ATM_RFC1483, 'aa aa 03 00 00 00 08 00'],
  ['PPP with its direction', LinkType.PPP_WITH_DIR, '00 ff 03 00 21'],
  ['Cisco HDLC with its direction', LinkType.C_HDLC_WITH_DIR, '01 0f 00 08 00'],
])('%s leads to IPv4; cut anywhere before, it is Truncated', (_name, linkType, link) => {
  const packet = hex(`${link} 45 00 00 14 00 00 00 00 40 3b 00 00 0a 00 00 01 0a 00 00 02`);
  const whole = decode(packet, { linkType });
  expect([whole.status, whole.f.ipVersion, whole.f.ipProto]).toEqual([Status.Ok, 4, 59]);
  for (let length = 0; length < packet.length; length++)
    expect(decode(packet.subarray(0, length), { linkType, wireLen: packet.length }).status).toBe(
      Status.Truncated,
    );
});

it('says supported exactly of those that decodePacket walks', () => {
  for (let linkType = 0; linkType < 300; linkType++)
    expect([linkType, decode(new Uint8Array(60), { linkType }).status === Status.Unsupported]).toEqual([
      linkType,
      !isSupportedLinkType(linkType),
    ]);
  expect(isSupportedLinkType(LinkType.LINUX_SLL)).toBe(true);
});

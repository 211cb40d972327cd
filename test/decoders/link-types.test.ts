import { expect, it } from 'vitest';
import { isSupportedLinkType, LinkType, linkTypeName, parseLinkType } from '../../decoders/link-types.ts';
import { Status } from '../../decoders/status.ts';
import { decode } from './bytes.ts';

it('names link types, and numbers those without a name', () => {
  expect([linkTypeName(1), linkTypeName(276), linkTypeName(160)]).toEqual([
    'LINKTYPE_ETHERNET',
    'LINKTYPE_LINUX_SLL2',
    'LINKTYPE_160',
  ]);
  expect([parseLinkType('linktype_raw'), parseLinkType('Ethernet'), parseLinkType('token')]).toEqual([
    101,
    1,
    null,
  ]);
});

it('says supported exactly of those that decodePacket walks', () => {
  for (let linkType = 0; linkType < 300; linkType++)
    expect([linkType, decode(new Uint8Array(60), { linkType }).status === Status.Unsupported]).toEqual([
      linkType,
      !isSupportedLinkType(linkType),
    ]);
  expect(isSupportedLinkType(LinkType.LINUX_SLL)).toBe(true);
});

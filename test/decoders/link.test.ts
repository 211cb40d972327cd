import { describe, expect, it } from 'vitest';
import { ARP_HEADER_MIN, decodeArp } from '../../decoders/arp.ts';
import { decodeEthernet, ETHERNET_HEADER_LEN } from '../../decoders/ethernet.ts';
import { CISCO_HDLC_HEADER_LEN, decodeCiscoHdlc } from '../../decoders/hdlc.ts';
import { decodeLlc, LLC_HEADER_MIN, SNAP_HEADER_LEN } from '../../decoders/llc.ts';
import { decodeMpls, MPLS_LABEL_LEN } from '../../decoders/mpls.ts';
import { decodeNflog } from '../../decoders/nflog.ts';
import { decodeNullLoop, NULL_HEADER_LEN } from '../../decoders/null-loop.ts';
import { PacketType } from '../../decoders/packet-fields.ts';
import { decodePpp, decodePppoe, PPPOE_HEADER_LEN } from '../../decoders/ppp.ts';
import { decodeRaw } from '../../decoders/raw.ts';
import { decodeShim, HSR_LEN, PBB_LEN, VNTAG_LEN } from '../../decoders/shim.ts';
import { decodeSll, decodeSll2, SLL_HEADER_LEN, SLL2_HEADER_LEN } from '../../decoders/sll.ts';
import { Status } from '../../decoders/status.ts';
import { decodeVlan, VLAN_TAG_LEN } from '../../decoders/vlan.ts';
import { type Decoder, everyPrefix, hex, runDecoder, touched } from './bytes.ts';

const MAC = '02 00 00 00 00 01  02 00 00 00 00 02';

function shim(length: number): Decoder {
  return (view, off, end, f) => decodeShim(view, off, end, length, f);
}

describe('every link decoder, cut', () => {
  const whole: [string, Decoder, string, number][] = [
    ['ethernet', decodeEthernet, `${MAC} 08 00`, ETHERNET_HEADER_LEN],
    ['vlan', decodeVlan, '00 07 08 00', VLAN_TAG_LEN],
    ['llc', decodeLlc, '42 42 03', LLC_HEADER_MIN],
    ['snap', decodeLlc, 'aa aa 03 00 00 00 08 00', SNAP_HEADER_LEN],
    ['arp', decodeArp, '00 01 08 00 06 04 00 01', ARP_HEADER_MIN],
    ['sll', decodeSll, '00 04 00 01 00 06 020000000001 0000 08 00', SLL_HEADER_LEN],
    ['sll2', decodeSll2, '08 00 0000 00000003 0001 04 06 020000000001 0000', SLL2_HEADER_LEN],
    ['null', decodeNullLoop, '02 00 00 00', NULL_HEADER_LEN],
    ['raw', decodeRaw, '45', 1],
    ['mpls', decodeMpls, '00 01 01 40 45', MPLS_LABEL_LEN + 1],
    ['ppp', decodePpp, 'ff 03 00 21', 4],
    ['ppp, compressed protocol', decodePpp, 'ff 03 21', 3],
    ['pppoe', decodePppoe, '11 00 00 17 00 1e 00 21', PPPOE_HEADER_LEN + 2],
    ['hdlc', decodeCiscoHdlc, '0f 00 08 00', CISCO_HDLC_HEADER_LEN],
    ['pbb', shim(PBB_LEN), '00 00 12 34  02 00 00 00 00 03  02 00 00 00 00 04  08 00', PBB_LEN],
    ['vn-tag', shim(VNTAG_LEN), '00 01 00 02 86 dd', VNTAG_LEN],
    ['hsr', shim(HSR_LEN), '10 2e 00 01 08 00', HSR_LEN],
    ['nflog', decodeNflog, '02 00 00 00  05 00 0a 00 6e 00 00 00  04 00 09 00', 16],
  ];
  it.each(whole)(
    '%s: each shorter prefix is Truncated and leaves the fields alone',
    (_name, decoder, text, length) => {
      const bytes = hex(text);
      expect(bytes.length).toBe(length);
      expect(runDecoder(decoder, bytes).status).toBe(Status.Ok);
      for (const cut of everyPrefix(decoder, bytes))
        expect(cut).toEqual({ length: cut.length, status: Status.Truncated, untouched: true });
    },
  );
});

describe('ethernet', () => {
  it('gives address offsets, type and payload offset', () => {
    const { f } = runDecoder(decodeEthernet, hex(`${MAC} 86 dd`));
    expect(touched(f)).toEqual({ dstMacOff: 0, srcMacOff: 6, etherType: 0x86dd, l3Off: 14 });
  });
  it('takes 0x05ff for a length and 0x0600 for a type', () => {
    expect(runDecoder(decodeEthernet, hex(`${MAC} 05 ff`)).f.etherType).toBe(4);
    expect(runDecoder(decodeEthernet, hex(`${MAC} 06 00`)).f.etherType).toBe(0x0600);
  });
});

describe('vlan', () => {
  it('keeps the id without priority and DEI', () => {
    const { f } = runDecoder(decodeVlan, hex('ff ff 08 06'));
    expect(touched(f)).toEqual({ vlanCount: 1, vlanOuter: 4095, etherType: 0x0806, l3Off: 4 });
  });
  it('keeps two tags and counts three', () => {
    const before = { vlanCount: 2, vlanOuter: 1, vlanInner: 2 };
    const { f } = runDecoder(decodeVlan, hex('00 03 08 00'), before);
    expect([f.vlanCount, f.vlanOuter, f.vlanInner]).toEqual([3, 1, 2]);
  });
});

describe('headers in front of another Ethernet payload', () => {
  it.each([
    ['pbb', PBB_LEN, '00 00 12 34  02 00 00 00 00 03  02 00 00 00 00 04  81 00', 0x8100],
    ['pbb with an LLC payload', PBB_LEN, '00 00 12 34  02 00 00 00 00 03  02 00 00 00 00 04  00 26', 4],
    ['vn-tag', VNTAG_LEN, '00 01 00 02 86 dd', 0x86dd],
    ['hsr', HSR_LEN, '10 2e 00 01 88 fb', 0x88fb],
  ])('%s: the next type, and the outer addresses stay', (_name, length, text, etherType) => {
    const { f } = runDecoder(shim(length), hex(text), { dstMacOff: 0, srcMacOff: 6 });
    expect([f.etherType, f.l3Off, f.dstMacOff, f.srcMacOff]).toEqual([etherType, length, 0, 6]);
  });
});

describe('llc', () => {
  it.each([
    ['SNAP with OUI 0', 'aa aa 03 00 00 00 86 dd', 0x86dd, 8],
    ['SNAP bridge tunnel', 'aa aa 03 00 00 f8 08 00', 0x0800, 8],
    ['SNAP of a vendor (CDP)', 'aa aa 03 00 00 0c 20 00', -1, 0],
    ['SNAP whose protocol is a length', 'aa aa 03 00 00 00 00 26', -1, 0],
    ['IP straight over LLC', '06 06 03', 0x0800, 3],
    ['spanning tree', '42 42 03', -1, 0],
    ['raw Novell', 'ff ff 00', -1, 0],
  ])('%s', (_name, text, etherType, l3Off) => {
    const { f, status } = runDecoder(decodeLlc, hex(text), { etherType: 4 });
    expect([status, f.etherType, f.l3Off]).toEqual([Status.Ok, etherType, l3Off]);
  });
});

describe('sll', () => {
  it('sets the packet type only when the source did not know it', () => {
    const bytes = hex('00 04 00 01 00 06 020000000001 0000 08 00');
    expect(runDecoder(decodeSll, bytes).f.pktType).toBe(PacketType.Outgoing);
    expect(runDecoder(decodeSll, bytes, { pktType: PacketType.Host }).f.pktType).toBe(PacketType.Host);
  });
  it('gives the sender only when its address has six octets', () => {
    expect(runDecoder(decodeSll, hex('00 04 00 01 00 06 020000000001 0000 08 00')).f.srcMacOff).toBe(6);
    expect(runDecoder(decodeSll, hex('00 04 00 01 00 04 020000000001 0000 08 00')).f.srcMacOff).toBe(-1);
  });
  it.each([
    ['LLC', '0001', '0004', 4],
    ['raw Novell', '0001', '0001', -1],
    ['CAN', '0118', '000c', -1],
    ['netlink, whose protocol is no EtherType', '0338', '0800', -1],
    ['VLAN', '0001', '8100', 0x8100],
  ])('%s', (_name, arpType, protocol, etherType) => {
    const { f } = runDecoder(decodeSll, hex(`0000 ${arpType} 0006 0200000000010000 ${protocol}`));
    expect([f.etherType, f.l3Off]).toEqual([etherType, 16]);
    const v2 = runDecoder(decodeSll2, hex(`${protocol} 0000 00000001 ${arpType} 00 06 0200000000010000`));
    expect([v2.f.etherType, v2.f.l3Off, v2.f.srcMacOff, v2.f.pktType]).toEqual([etherType, 20, 12, 0]);
  });
});

describe('null and loop', () => {
  it.each([
    ['IPv4, little-endian', '02000000', 0x0800],
    ['IPv4, big-endian', '00000002', 0x0800],
    ['IPv6 of Linux', '0a000000', 0x86dd],
    ['IPv6 of OpenBSD, network order', '00000018', 0x86dd],
    ['IPv6 of FreeBSD', '1c000000', 0x86dd],
    ['IPv6 of macOS', '1e000000', 0x86dd],
    ['AppleTalk', '05000000', -1],
    ['an EtherType in place of a family', '00080000', 0x0800],
    ['an EtherType behind two octets (Nokia IPSO)', '0f000800', 0x0800],
  ])('%s', (_name, text, etherType) => {
    const { f, status } = runDecoder(decodeNullLoop, hex(text));
    expect([status, f.etherType, f.l3Off]).toEqual([Status.Ok, etherType, 4]);
  });
  it('rejects what is a family in neither order, nor an EtherType', () => {
    const { f, status } = runDecoder(decodeNullLoop, hex('ffff05ff'));
    expect([status, touched(f)]).toEqual([Status.Malformed, {}]);
  });
});

describe('raw', () => {
  it('goes by the version nibble and rejects others', () => {
    expect(runDecoder(decodeRaw, hex('45')).f.etherType).toBe(0x0800);
    expect(runDecoder(decodeRaw, hex('60')).f.etherType).toBe(0x86dd);
    for (const version of [0, 1, 2, 3, 5, 7, 15])
      expect(runDecoder(decodeRaw, Uint8Array.of(version << 4)).status).toBe(Status.Malformed);
  });
});

describe('mpls', () => {
  it('walks to the bottom of the stack', () => {
    const { f } = runDecoder(decodeMpls, hex('00010040 00011040 00012140 60'));
    expect([f.etherType, f.l3Off]).toEqual([0x86dd, 12]);
  });
  it('finds the Ethernet frame behind a control word', () => {
    const { f } = runDecoder(decodeMpls, hex(`00010140 00000000 ${MAC} 81 00`), { dstMacOff: 5 });
    expect([f.etherType, f.l3Off, f.dstMacOff]).toEqual([0x8100, 22, 5]);
  });
  it('leaves anything else unnamed', () => {
    expect(runDecoder(decodeMpls, hex('00010140 10')).f.etherType).toBe(-1);
    expect(runDecoder(decodeMpls, hex('00010140 00000000')).f.etherType).toBe(-1);
  });
  it('is Truncated when the stack has no bottom', () => {
    const { f, status } = runDecoder(decodeMpls, new Uint8Array(64));
    expect([status, touched(f)]).toEqual([Status.Truncated, {}]);
  });
});

describe('ppp', () => {
  it.each([
    ['framed IPv4', 'ff 03 00 21', 0x0800, 4],
    ['bare IPv6', '00 57', 0x86dd, 2],
    ['compressed protocol', '57 00', 0x86dd, 1],
    ['MPLS', '02 81', 0x8847, 2],
    ['MPLS multicast', '02 83', 0x8848, 2],
    ['LCP', 'c0 21', -1, 2],
    ['Cisco HDLC in its place', '0f 00 08 00', 0x0800, 4],
    ['Cisco HDLC multicast', '8f 00 86 dd', 0x86dd, 4],
  ])('%s', (_name, text, etherType, l3Off) => {
    const { f, status } = runDecoder(decodePpp, hex(text));
    expect([status, f.etherType, f.l3Off]).toEqual([Status.Ok, etherType, l3Off]);
  });
  it('rejects PPPoE of another version, and discovery codes', () => {
    for (const text of ['12 00 00 17 00 1e 00 21', '11 09 00 17 00 1e 00 21']) {
      const { f, status } = runDecoder(decodePppoe, hex(text));
      expect([status, touched(f)]).toEqual([Status.Malformed, {}]);
    }
  });
});

describe('hdlc', () => {
  it('does not take Cisco SLARP for RARP', () => {
    expect(runDecoder(decodeCiscoHdlc, hex('8f 00 80 35')).f.etherType).toBe(-1);
    expect(runDecoder(decodeCiscoHdlc, hex('0f 00 00 01')).f.etherType).toBe(-1);
  });
});

describe('nflog', () => {
  it.each([
    ['little-endian IPv4', '02 00 00 00  05 00 0a 00 6e 00 00 00  18 00 09 00', 0x0800, 16],
    ['big-endian IPv6', '0a 00 00 00  00 05 00 0a 6e 00 00 00  00 2c 00 09', 0x86dd, 16],
    ['a family that is not IP', '07 00 00 00  18 00 09 00', -1, 8],
  ])('%s', (_name, text, etherType, l3Off) => {
    const { f, status } = runDecoder(decodeNflog, hex(text));
    expect([status, f.etherType, f.l3Off]).toEqual([Status.Ok, etherType, l3Off]);
  });
  it('rejects an attribute shorter than its header', () => {
    const { f, status } = runDecoder(decodeNflog, hex('02 00 00 00  03 00 0a 00  04 00 09 00'));
    expect([status, touched(f)]).toEqual([Status.Malformed, {}]);
  });
});

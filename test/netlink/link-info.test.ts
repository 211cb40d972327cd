import { describe, expect, test } from 'vitest';
import * as k from '../../daemon/kernel/netlink-constants.ts';
import { AttributeCursor, AttributeWriter } from '../../daemon/netlink/attribute.ts';
import { parseLinkDetail } from '../../daemon/netlink/link-detail.ts';
import { parseKindData } from '../../daemon/netlink/link-info.ts';

function cursor(writer: AttributeWriter): AttributeCursor {
  const bytes = writer.bytes().slice();
  return new AttributeCursor(new DataView(bytes.buffer), 0, bytes.length);
}
const octets = (...values: number[]): Uint8Array => new Uint8Array(values);
const u16 = (value: number): Uint8Array => new Uint8Array(new Uint16Array([value]).buffer);

describe('what the kernel says of a kind of link', () => {
  // Numbers of attributes: linux/if_link.h, linux/if_tunnel.h, linux/if_tun.h.
  const loopback6 = octets(...new Array(15).fill(0), 1);
  test.each<[string, AttributeWriter, unknown, number | null]>([
    ['vlan', new AttributeWriter().put(1, u16(100)).be16(5, 0x8100), { id: 100, protocol: '802.1Q' }, null],
    ['vlan', new AttributeWriter().put(1, u16(7)).be16(5, 0x88a8), { id: 7, protocol: '802.1ad' }, null],
    [
      'vxlan',
      new AttributeWriter()
        .u32(1, 42)
        .put(2, octets(239, 1, 1, 1))
        .u32(3, 5)
        .put(4, octets(0, 0, 0, 0))
        .be16(15, 4789),
      { id: 42, remote: '239.1.1.1', port: 4789 },
      5,
    ],
    ['vxlan', new AttributeWriter().u32(1, 1).put(16, loopback6), { id: 1, remote: '::1' }, 0],
    [
      'geneve',
      new AttributeWriter().u32(1, 9).put(2, octets(10, 0, 0, 1)),
      { id: 9, remote: '10.0.0.1' },
      null,
    ],
    [
      'gre',
      new AttributeWriter()
        .u32(1, 3)
        .put(5, octets(0, 0, 0, 8))
        .put(6, octets(10, 0, 0, 1))
        .put(7, octets(10, 0, 0, 2)),
      { key: 8, local: '10.0.0.1', remote: '10.0.0.2' },
      3,
    ],
    ['sit', new AttributeWriter().u32(1, 0).put(3, octets(10, 0, 0, 2)), { remote: '10.0.0.2' }, 0],
    ['vrf', new AttributeWriter().u32(1, 1001), { table: 1001 }, null],
    ['bond', new AttributeWriter().u8(1, 4), { mode: '802.3ad' }, null],
    ['bond', new AttributeWriter().u8(1, 99), { mode: '99' }, null],
    ['macvtap', new AttributeWriter().u32(1, 8), { mode: 'passthru' }, null],
    ['ipvlan', new AttributeWriter().put(1, u16(2)), { mode: 'l3s' }, null],
    ['tun', new AttributeWriter().u32(1, 0).u8(3, 2), { type: 'tap' }, null],
    ['bridge', new AttributeWriter().u32(5, 1).u8(7, 0), { stp: true, vlan_filtering: false }, null],
    ['constructor', new AttributeWriter().u32(1, 5), {}, null],
  ])('%s', (kind, attributes, info, lower) => {
    expect(parseKindData(kind, cursor(attributes))).toEqual({ info, lower });
  });

  /** An RTM_NEWLINK of index 7. */
  const link = (kind: string, ifla: AttributeWriter, data = new AttributeWriter()) => {
    const info = new AttributeWriter()
      .text(k.IFLA_INFO_KIND, kind)
      .put(k.IFLA_INFO_DATA, data.bytes().slice());
    const head = new Uint8Array(16);
    new DataView(head.buffer).setInt32(4, 7, true);
    const bytes = new AttributeWriter()
      .raw(head)
      .raw(ifla.bytes().slice())
      .put(k.IFLA_LINKINFO, info.bytes().slice())
      .bytes()
      .slice();
    return parseLinkDetail(new DataView(bytes.buffer), 0, bytes.length);
  };

  test('IFLA_LINK is the peer of a pair, the device below of others, and itself of those that have none', () => {
    const at = (index: number): AttributeWriter => new AttributeWriter().u32(k.IFLA_LINK, index);
    expect(link('veth', at(3))).toMatchObject({ peerIndex: 3, lowerIndex: null });
    expect(link('netkit', at(7))).toMatchObject({ peerIndex: 7, lowerIndex: null });
    expect(link('vlan', at(3))).toMatchObject({ peerIndex: null, lowerIndex: 3 });
    // Moved to another namespace, where its device may have its own number.
    expect(link('macvlan', at(7))).toMatchObject({ peerIndex: null, lowerIndex: 7 });
    expect(link('geneve', at(7))).toMatchObject({ peerIndex: null, lowerIndex: null });
    expect(link('gre', at(0), new AttributeWriter().u32(1, 0))).toMatchObject({ lowerIndex: null });
    expect(link('vxlan', at(7), new AttributeWriter().u32(3, 4))).toMatchObject({ lowerIndex: 4 });
    expect(link('veth', new AttributeWriter())).toMatchObject({ peerIndex: null, counters: null });
  });
});

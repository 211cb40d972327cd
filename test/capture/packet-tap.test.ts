import { describe, expect, it } from 'vitest';
import {
  createPacketTap,
  PacketTap,
  PacketTapReader,
  TAP_OCTETS,
  type TappedPacket,
} from '../../daemon/capture/packet-tap.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';

const SLOTS = 1024;
const ROUTE = {
  type: 'unicast',
  verdict: 'forward',
  text: '10.0.0.0/8 via 10.9.0.2 dev v0',
} as RouteDecision;

/** A tap over a meter that counts, with both of its ends. */
function tapped(route: RouteDecision = ROUTE) {
  const shared = createPacketTap();
  const fields = new PacketFields();
  const meter = {
    fields,
    packets: 0,
    packet() {
      this.packets++;
      fields.status = Status.Ok;
      fields.ipVersion = 4;
    },
  };
  const tap = new PacketTap(shared, meter, () => route);
  const reader = new PacketTapReader(shared);
  reader.want(3, true);
  fields.captureIndex = 3;
  return { tap, reader, meter, fields };
}

const octets = Uint8Array.from({ length: 4096 }, (_, i) => (i * 7) & 0xff);
const view = new DataView(octets.buffer);

describe('a tap on packets', () => {
  it('hands every packet on, and gives the reader its first octets with what the source said', () => {
    const { tap, reader, meter, fields } = tapped();
    Object.assign(fields, {
      linkType: 1,
      tsSec: 2 ** 33,
      tsNsec: 999_999_999,
      pktType: 4,
      wireLen: 70_000,
      strippedTci: 0x0fff,
      strippedTpid: 0x8100,
    });
    tap.packet(view, 5, 1500);
    tap.packet(view, 100, 61);
    const expected: TappedPacket = {
      captureIndex: 3,
      linkType: 1,
      tsSec: 2 ** 33,
      tsNsec: 999_999_999,
      pktType: 4,
      wireLen: 70_000,
      capLen: 1500,
      octets: octets.slice(5, 5 + TAP_OCTETS),
      strippedTci: 0x0fff,
      strippedTpid: 0x8100,
      route: '10.0.0.0/8 via 10.9.0.2 dev v0',
      verdict: 'forward',
    };
    expect(reader.take()).toEqual([expected, { ...expected, capLen: 61, octets: octets.slice(100, 161) }]);
    expect(reader.take()).toEqual([]);
    expect([meter.packets, reader.takeSkipped()]).toEqual([2, 0]);
  });

  it('copies only what is wanted', () => {
    const { tap, reader, meter, fields } = tapped();
    fields.captureIndex = 4;
    tap.packet(view, 0, 60);
    fields.captureIndex = 3;
    tap.packet(view, 0, 61);
    reader.want(3, false);
    tap.packet(view, 0, 62);
    expect(reader.take().map(({ capLen }) => capLen)).toEqual([61]);
    expect([meter.packets, reader.takeSkipped()]).toEqual([3, 0]);
  });

  it('counts what finds no room, and goes on when there is room again', () => {
    const { tap, reader, meter } = tapped();
    for (let i = 0; i < SLOTS + 10; i++) tap.packet(view, 0, 60 + (i % 100));
    expect(reader.takeSkipped()).toBe(10);
    expect(reader.take().map(({ capLen }) => capLen)).toEqual(
      Array.from({ length: SLOTS }, (_, i) => 60 + (i % 100)),
    );
    tap.packet(view, 0, 99);
    expect(reader.take().map(({ capLen }) => capLen)).toEqual([99]);
    expect([meter.packets, reader.takeSkipped()]).toEqual([SLOTS + 11, 0]);
  });

  it('cuts a route decision that is too long, and names the type of one without a text', () => {
    const long = tapped({ ...ROUTE, text: 'x'.repeat(500), verdict: null });
    long.tap.packet(view, 0, 60);
    expect(long.reader.take()[0]).toMatchObject({ route: 'x'.repeat(192), verdict: null });
    const plain = tapped({ ...ROUTE, text: null, type: 'no_route', verdict: 'drop' });
    plain.tap.packet(view, 0, 60);
    expect(plain.reader.take()[0]).toMatchObject({ route: 'no_route', verdict: 'drop' });
  });
});

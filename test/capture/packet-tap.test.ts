import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketTap } from '../../daemon/capture/packet-tap.ts';
import { createPacketTap, DECISIONS } from '../../daemon/capture/packet-tap-buffer.ts';
import { PacketTapReader, type TappedPacket } from '../../daemon/capture/packet-tap-reader.ts';
import { PacketTaps } from '../../daemon/capture/packet-taps.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { Status } from '../../decoders/status.ts';
import type { CaptureInfo } from '../../storage/messages.ts';
import type { RouteDecision } from '../../storage/route-decision.ts';

const SNAP_LEN = 256;
const ROUTE = {
  type: 'unicast',
  verdict: 'forward',
  text: '10.0.0.0/8 via 10.9.0.2 dev v0',
} as RouteDecision;

/** A tap with both of its ends, for capture point 3. */
function tapped(snapLen = SNAP_LEN, route: () => RouteDecision = () => ROUTE) {
  const shared = createPacketTap(snapLen);
  const fields = new PacketFields();
  Object.assign(fields, { captureIndex: 3, status: Status.Ok, ipVersion: 4 });
  const tap = new PacketTap(shared, route, null);
  tap.want(3, true);
  const reader = new PacketTapReader(shared);
  return {
    tap,
    reader,
    fields,
    offer: (off: number, capLen: number) => tap.offer(view, off, capLen, fields),
  };
}

const octets = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) & 0xff);
const view = new DataView(octets.buffer);

/** All that waits. */
function all(reader: PacketTapReader): TappedPacket[] {
  return reader.take(Infinity, Infinity, 0);
}

describe('a tap on packets', () => {
  it('gives the reader the first octets of each packet with what the source said and its decision', () => {
    const { reader, fields, offer } = tapped();
    Object.assign(fields, {
      linkType: 1,
      tsSec: 2 ** 33,
      tsNsec: 999_999_999,
      pktType: 4,
      wireLen: 70_000,
      strippedTci: 0x0fff,
      strippedTpid: 0x8100,
    });
    offer(5, 1500);
    offer(100, 61);
    fields.ipVersion = 0;
    offer(7, 60);
    const expected: TappedPacket = {
      captureIndex: 3,
      linkType: 1,
      tsSec: 2 ** 33,
      tsNsec: 999_999_999,
      pktType: 4,
      wireLen: 70_000,
      capLen: 1500,
      octets: octets.slice(5, 5 + SNAP_LEN),
      strippedTci: 0x0fff,
      strippedTpid: 0x8100,
      decision: ROUTE,
    };
    expect(all(reader)).toEqual([
      expected,
      { ...expected, capLen: 61, octets: octets.slice(100, 161) },
      { ...expected, capLen: 60, octets: octets.slice(7, 67), decision: null },
    ]);
    expect(all(reader)).toEqual([]);
    expect(reader.takeCounts()).toEqual({ matched: 3, skipped: 0 });
  });

  it('copies up to the whole of a packet, and cuts what is longer', () => {
    const { reader, fields, offer } = tapped(65_535);
    fields.wireLen = 70_000;
    for (const capLen of [0, 1, 255, 256, 257, 1514, 65_535, 69_000]) offer(3, capLen);
    expect(all(reader).map(({ capLen, octets: copy }) => [capLen, copy.length, copy.at(-1)])).toEqual(
      [0, 1, 255, 256, 257, 1514, 65_535, 69_000].map((capLen) => {
        const length = Math.min(capLen, 65_535);
        return [capLen, length, length === 0 ? undefined : octets[3 + length - 1]];
      }),
    );
  });

  it('gives no more at a time than was asked for, and the rest later', () => {
    const { reader, offer } = tapped();
    for (let i = 0; i < 10; i++) offer(0, 60 + i);
    const lengths = (list: TappedPacket[]): number[] => list.map(({ capLen }) => capLen);
    expect(lengths(reader.take(3, Infinity, 0))).toEqual([60, 61, 62]);
    expect(lengths(reader.take(Infinity, 2 * (100 + 64), 100))).toEqual([63, 64]);
    expect(lengths(reader.take(Infinity, 1, 100))).toEqual([65]);
    expect(lengths(all(reader))).toEqual([66, 67, 68, 69]);
  });

  it('counts what finds no room, keeps the oldest, and goes on when there is room again', () => {
    const { reader, offer } = tapped();
    for (let i = 0; i < 20_000; i++) offer(0, 60 + (i % 100));
    const first = all(reader);
    expect(first.length).toBeGreaterThan(5000);
    expect(first.map(({ capLen }) => capLen)).toEqual(first.map((_, i) => 60 + (i % 100)));
    expect(reader.takeCounts()).toEqual({ matched: 20_000, skipped: 20_000 - first.length });
    offer(0, 99);
    expect(all(reader).map(({ capLen }) => capLen)).toEqual([99]);
    expect(reader.takeCounts()).toEqual({ matched: 1, skipped: 0 });
  });

  it('keeps decisions apart when there are more than have a number, however they come', () => {
    const decisions = Array.from(
      { length: DECISIONS * 2 },
      (_, i) =>
        ({ ...ROUTE, text: `route ${i}`, reason: i % 3 === 0 ? 'ü'.repeat(i) : null }) as RouteDecision,
    );
    let next = 0;
    const { reader, offer } = tapped(64, () => decisions[next]!);
    for (let i = 0; i < 3000; i++) {
      next = Math.imul(i, 0x9e3779b1) >>> 23; // 0..511
      offer(0, 60);
      expect(all(reader).map(({ decision }) => decision)).toEqual([decisions[next]]);
    }
  });

  it('loses and doubles nothing, whatever the lengths and whenever it is read', () => {
    let skippedRuns = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 1600 }), fc.boolean()), {
          minLength: 500,
          maxLength: 3000,
          size: 'max',
        }),
        (steps) => {
          const { reader, fields, offer } = tapped(1600);
          const given: number[] = [];
          const counts = { matched: 0, skipped: 0 };
          steps.forEach(([capLen, isRead], i) => {
            fields.tsNsec = i;
            offer(i, capLen);
            if (!isRead || i % 50 !== 0) return;
            for (const packet of reader.take(40, Infinity, 0)) given.push(packet.tsNsec);
          });
          for (const packet of all(reader)) {
            expect(packet.octets).toEqual(octets.slice(packet.tsNsec, packet.tsNsec + packet.capLen));
            given.push(packet.tsNsec);
          }
          const { matched, skipped } = reader.takeCounts();
          counts.matched += matched;
          counts.skipped += skipped;
          expect(counts.matched).toBe(steps.length);
          expect(given.length + counts.skipped).toBe(steps.length);
          expect(given).toEqual([...new Set(given)].sort((a, b) => a - b));
          if (skipped > 0) skippedRuns++;
        },
      ),
      { numRuns: 30, seed: 7, examples: [[Array.from({ length: 9000 }, () => [1600, false])]] },
    );
    expect(skippedRuns).toBeGreaterThan(0);
  });
});

describe('the taps of several who watch', () => {
  function watched() {
    const fields = new PacketFields();
    const meter = {
      fields,
      packets: 0,
      packet() {
        this.packets++;
        Object.assign(fields, { status: Status.Ok, ipVersion: 4, ipProto: 17, srcOff: 0, dstOff: 4 });
      },
    };
    const taps = new PacketTaps(meter, () => ROUTE);
    const capture = (index: number, netns: string, name: string): CaptureInfo =>
      ({ index, netns, interface: name }) as CaptureInfo;
    const reader = (id: number, netns: string, name: string, proto: number | null): PacketTapReader => {
      const shared = createPacketTap(64);
      const filter = proto === null ? null : ({ kind: 'proto', numbers: [proto] } as const);
      taps.add(id, {
        shared,
        selection: { netns, interface: name },
        filter: filter === null ? null : { ...filter, numbers: [...filter.numbers] },
      });
      return new PacketTapReader(shared);
    };
    const packet = (captureIndex: number): void => {
      fields.captureIndex = captureIndex;
      taps.packet(view, 0, 60);
    };
    return { taps, meter, capture, reader, packet };
  }

  it('have what each selects and filters, of captures that come and go', () => {
    const { taps, meter, capture, reader, packet } = watched();
    taps.addCapture(capture(1, 'red', 'v0'));
    const any = reader(1, '', '', null);
    const red = reader(2, 'r*', 'v0', 17);
    const tcp = reader(3, '', '', 6);
    taps.addCapture(capture(2, 'blue', 'v0'));
    taps.addCapture(capture(3, 'rot', 'v0'));
    for (const index of [1, 2, 3, 4]) packet(index);
    taps.endCapture(1);
    for (const index of [1, 2]) packet(index);
    const indexes = (from: PacketTapReader): number[] => all(from).map(({ captureIndex }) => captureIndex);
    expect(indexes(any)).toEqual([1, 2, 3, 2]);
    expect(indexes(red)).toEqual([1, 3]);
    expect(indexes(tcp)).toEqual([]);
    expect([any, red, tcp].map((each) => each.takeCounts().matched)).toEqual([4, 2, 0]);
    expect([meter.packets, taps.size]).toEqual([6, 3]);
  });

  it('stop at once when one watches no more', () => {
    const { taps, capture, reader, packet } = watched();
    taps.addCapture(capture(1, 'red', 'v0'));
    const a = reader(1, '', '', null);
    const b = reader(2, '', '', null);
    packet(1);
    taps.remove(1);
    taps.remove(99);
    packet(1);
    expect([a, b].map((each) => each.takeCounts().matched)).toEqual([1, 2]);
    expect(taps.size).toBe(1);
  });
});

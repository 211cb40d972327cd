import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { AHEAD_MAX } from '../../daemon/flow/ahead.ts';
import { type FrameSpec, frame } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';

const CAPTURES = 2;
const LINK_TYPES = [1, 101];
/** First second of the packets. */
const START = 1_700_000_000;

interface Packet {
  bytes: Uint8Array;
  capture: number;
  linkType: number;
  sec: number;
}

const specs: fc.Arbitrary<FrameSpec> = fc.record(
  {
    src: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', '2001:db8::1', '2001:db8::2:0:0:1'),
    dst: fc.constantFrom('10.0.0.1', '10.0.0.2', '224.0.0.1', '2001:db8::2'),
    proto: fc.constantFrom<NonNullable<FrameSpec['proto']>>('tcp', 'tcp', 'udp', 'icmp', 4, 47),
    sport: fc.integer({ min: 1, max: 3 }),
    dport: fc.integer({ min: 1, max: 3 }),
    flags: fc.constantFrom('S', 'SA', 'A', 'PA', 'FA', 'R'),
    seq: fc.integer({ min: 0, max: 40 }),
    payload: fc.integer({ min: 0, max: 40 }),
    vlan: fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 2 }),
    fragOff: fc.constantFrom(0, 0, 0, 8),
    moreFragments: fc.boolean(),
    ipId: fc.integer({ min: 0, max: 2 }),
  },
  { requiredKeys: ['src', 'dst', 'proto', 'sport', 'dport', 'flags'] },
);

const packets: fc.Arbitrary<Packet> = fc
  .record({
    spec: specs,
    capture: fc.nat(CAPTURES - 1),
    linkType: fc.constantFrom(...LINK_TYPES),
    sec: fc.integer({ min: START, max: START + 400 }),
    damage: fc.option(fc.record({ at: fc.nat(80), by: fc.integer({ min: 1, max: 255 }) }), { freq: 4 }),
    cut: fc.option(fc.nat(80), { freq: 6 }),
  })
  .map(({ spec, capture, linkType, sec, damage, cut }) => {
    const isIPv6 = spec.src!.includes(':');
    const bytes = frame({ ...spec, dst: isIPv6 === spec.dst!.includes(':') ? spec.dst! : spec.src! });
    if (damage !== null && damage.at < bytes.length) bytes[damage.at]! ^= damage.by;
    return { bytes: cut === null ? bytes : bytes.subarray(0, cut), capture, linkType, sec };
  });

/** All frames in one buffer, as in a file's window. */
function windowOf(list: readonly Packet[]): { view: DataView; offs: number[] } {
  const offs: number[] = [];
  let end = 0;
  for (const { bytes } of list) {
    offs.push(end);
    end += bytes.length;
  }
  const all = new Uint8Array(end);
  list.forEach((packet, i) => {
    all.set(packet.bytes, offs[i]);
  });
  return { view: new DataView(all.buffer), offs };
}

test('in groups with a look ahead every packet is metered as it is one at a time', () => {
  const reached = { right: 0, wrong: 0, none: 0, ended: 0, evicted: 0, undecoded: 0 };
  fc.assert(
    fc.property(
      fc.array(packets, { maxLength: 120, size: 'max' }),
      fc.array(fc.integer({ min: 1, max: AHEAD_MAX }), { minLength: 1, maxLength: 5 }),
      fc.constantFrom(3, 64),
      (list, groups, maxFlows) => {
        const single = new TestMeter({ maxFlows, seed: 7 });
        const grouped = new TestMeter({ maxFlows, seed: 7 });
        grouped.table.ahead.flowsMin = 0;
        const put = grouped.table.packet.bind(grouped.table);
        let metered = 0;
        vi.spyOn(grouped.table, 'packet').mockImplementation((view, f, seen = -1) => {
          // Each fifth guess is any slot: only tags that are equal by chance make so many wrong.
          const guess = metered++ % 5 === 4 ? metered % maxFlows : seen;
          const slot = put(view, f, guess);
          reached[guess < 0 ? 'none' : guess === slot ? 'right' : 'wrong']++;
          return slot;
        });
        const { view, offs } = windowOf(list);
        const meter = (to: TestMeter, i: number): void => {
          const { bytes, capture, linkType, sec } = list[i]!;
          const { fields } = to.meter;
          Object.assign(fields, { captureIndex: capture, linkType, tsSec: sec, wireLen: bytes.length });
          to.meter.packet(view, offs[i]!, bytes.length);
        };
        for (let i = 0; i < list.length; i++) meter(single, i);

        const { ahead } = grouped.table;
        for (let first = 0, n = 0; first < list.length; n++) {
          const end = Math.min(first + groups[n % groups.length]!, list.length);
          expect(ahead.begin()).toBe(true);
          for (let i = first; i < end; i++) {
            const { bytes, linkType, capture } = list[i]!;
            ahead.see(view, offs[i]!, offs[i]! + bytes.length, linkType, capture);
          }
          ahead.fetch();
          for (let i = first; i < end; i++) meter(grouped, i);
          first = end;
        }
        const records = single.finish();
        expect(grouped.finish()).toEqual(records);
        for (let i = 0; i < CAPTURES; i++) {
          const counters = single.meter.counters.read(i);
          expect(grouped.meter.counters.read(i)).toEqual(counters);
          reached.undecoded += counters.undecoded;
        }
        for (const record of records)
          if (record.reason === 'idle' || record.reason === 'evicted')
            reached[record.reason === 'idle' ? 'ended' : 'evicted']++;
      },
    ),
    { numRuns: 300 },
  );
  for (const [outcome, times] of Object.entries(reached)) expect(times, outcome).toBeGreaterThan(0);
});

test.each<[string, FrameSpec]>([
  ['TCP over IPv4', { proto: 'tcp' }],
  ['UDP over IPv4', { proto: 'udp' }],
  ['UDP over IPv6', { proto: 'udp', src: '2001:db8::1', dst: '2001:db8::2' }],
  ['TCP over IPv4 with a tag', { proto: 'tcp', vlan: [7] }],
  ['UDP over IPv6 with a tag', { proto: 'udp', src: '2001:db8::1', dst: '2001:db8::2', vlan: [7] }],
])('the flow of %s is guessed, both ways, and that of a frame that ends in its ports is not', (_, spec) => {
  const { table, meter } = new TestMeter();
  const { src = '10.0.0.1', dst = '10.0.0.2' } = spec;
  const there = frame(spec);
  const back = frame({ ...spec, src: dst, dst: src, sport: 80, dport: 1000 });
  meter.fields.wireLen = there.length;
  meter.packet(new DataView(there.buffer), 0, there.length);
  const portsEnd = there.length - (spec.proto === 'tcp' ? 16 : 4);
  for (const [bytes, end, guess] of [
    [there, there.length, 0],
    [back, portsEnd, 0],
    [there, portsEnd - 1, -1],
  ] as const) {
    table.ahead.begin();
    table.ahead.see(new DataView(bytes.buffer), 0, end, 1, 0);
    table.ahead.fetch();
    expect(table.ahead.next()).toBe(guess);
  }
});

test('with few flows it is not worth while', () => {
  const { table } = new TestMeter();
  expect(table.ahead.begin()).toBe(false);
});

test('what was seen and not metered is forgotten with the next group', () => {
  const { table, meter } = new TestMeter();
  const bytes = frame({});
  const view = new DataView(bytes.buffer);
  meter.fields.wireLen = bytes.length;
  meter.packet(view, 0, bytes.length);
  table.ahead.begin();
  for (let i = 0; i < AHEAD_MAX; i++) table.ahead.see(view, 0, bytes.length, 1, 0);
  table.ahead.fetch();
  expect(table.ahead.next()).toBe(0);
  table.ahead.begin();
  expect(table.ahead.next()).toBe(-1);
});

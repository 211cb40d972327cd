import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeAny } from '../../decoders/packet.ts';
import { PacketFields } from '../../decoders/packet-fields.ts';
import { decodePlain } from '../../decoders/plain.ts';
import { type FrameSpec, frame } from '../support/frames.ts';

/** In front of each frame, as frames lie in a ring or a file. */
const BEFORE = 6;

const specs: fc.Arbitrary<FrameSpec> = fc.record(
  {
    proto: fc.constantFrom<NonNullable<FrameSpec['proto']>>('tcp', 'udp', 'tcp', 'udp', 'icmp', 47),
    src: fc.constantFrom('10.0.0.1', '255.254.253.252', '10.0.0.1', '2001:db8::1'),
    sport: fc.nat(0xffff),
    dport: fc.nat(0xffff),
    flags: fc.constantFrom('S', 'SA', 'PAUEC', 'F'),
    seq: fc.nat(0xffffffff),
    ack: fc.nat(0xffffffff),
    window: fc.nat(0xffff),
    options: fc.constantFrom([], [1, 1, 1, 1], [2, 4, 5, 180, 1, 3, 3, 7]),
    payload: fc.nat(40),
    ttl: fc.nat(255),
    tos: fc.nat(255),
    ipId: fc.nat(0xffff),
  },
  { requiredKeys: ['proto', 'src', 'sport', 'dport', 'flags', 'seq', 'ack'] },
);

/** null five times in six. */
function seldom<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });
}

const packets = fc.record({
  spec: specs,
  fragment: seldom(fc.record({ fragOff: fc.constantFrom(0, 8), moreFragments: fc.boolean() })),
  vlan: seldom(fc.constantFrom<number[]>([5], [5, 6])),
  // In the headers, where an octet means something.
  damage: seldom(fc.record({ at: fc.integer({ min: 12, max: 50 }), by: fc.integer({ min: 1, max: 255 }) })),
  cut: fc.oneof(fc.constant(null), fc.integer({ min: 30, max: 90 })),
  padding: fc.constantFrom(0, 0, 6),
  /** Of the wire's length against what the frame has. */
  wireMore: fc.constantFrom(0, 0, 0, 4, 1000, -3, -30),
  strippedTci: fc.constantFrom(-1, -1, -1, 0, 7),
});

/** Fields with nothing of a new packet in them. */
function used(wireLen: number, strippedTci: number): PacketFields {
  const f = new PacketFields() as PacketFields & Record<string, unknown>;
  for (const [name, value] of Object.entries(f)) f[name] = typeof value === 'boolean' ? true : 77;
  return Object.assign(f, { linkType: 1, wireLen, strippedTci });
}

test('the short way leaves in every field what the decoders of the headers do, or touches nothing', () => {
  const reached = { tcp: 0, udp: 0, cut: 0, other: 0 };
  fc.assert(
    fc.property(packets, ({ spec, fragment, vlan, damage, cut, padding, wireMore, strippedTci }) => {
      const isIPv6 = spec.src!.includes(':');
      const dst = isIPv6 ? '2001:db8::2' : '10.0.0.2';
      const whole = frame({ ...spec, dst, ...(vlan === null ? {} : { vlan }), ...(fragment ?? {}) });
      if (damage !== null && damage.at < whole.length) whole[damage.at]! ^= damage.by;
      const bytes = new Uint8Array(BEFORE + Math.min(whole.length + padding, cut ?? 1000));
      bytes.set(whole.subarray(0, bytes.length - BEFORE), BEFORE);
      const view = new DataView(bytes.buffer);
      const wireLen = whole.length + padding + wireMore;
      const f = used(wireLen, strippedTci);
      const expected = used(wireLen, strippedTci);
      if (decodePlain(view, BEFORE, bytes.length, f)) {
        expect(decodeAny(view, BEFORE, bytes.length, expected)).toBe(0);
        reached[spec.proto === 'tcp' ? 'tcp' : 'udp']++;
        if (f.l4End < f.ipWireEnd) reached.cut++;
      } else reached.other++;
      expect(f).toEqual(expected);
    }),
    { numRuns: 5000 },
  );
  for (const count of Object.values(reached)) expect(count).toBeGreaterThan(25);
});

test('the short way takes whole TCP and UDP headers in plain IPv4, and nothing else', () => {
  const isPlain = (spec: FrameSpec, length?: number): boolean => {
    const bytes = frame(spec).slice(0, length);
    return decodePlain(new DataView(bytes.buffer), 0, bytes.length, used(bytes.length, -1));
  };
  expect([isPlain({ proto: 'tcp' }), isPlain({ proto: 'udp' })]).toEqual([true, true]);
  expect([isPlain({ proto: 'tcp' }, 53), isPlain({ proto: 'tcp' }, 54)]).toEqual([false, true]);
  expect([isPlain({ proto: 'udp' }, 41), isPlain({ proto: 'udp' }, 42)]).toEqual([false, true]);
  expect(isPlain({ proto: 'icmp' })).toBe(false);
  expect(isPlain({ proto: 'udp', vlan: [1] })).toBe(false);
  expect(isPlain({ proto: 'udp', moreFragments: true })).toBe(false);
  expect(isPlain({ proto: 'udp', fragOff: 8, payload: 20 })).toBe(false);
  expect(isPlain({ proto: 'udp', src: '2001:db8::1', dst: '2001:db8::2' })).toBe(false);
});

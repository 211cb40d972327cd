import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frame } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';
import { segment } from '../support/segments.ts';
import { SCENES } from './scenes.ts';

/** Frames of all scenes, each with endpoints of its own in some of them, so that flows are many. */
const FRAMES = Object.values(SCENES).flatMap(({ packets }, i) =>
  packets.slice(0, 20).map((text) => {
    const { spec } = segment(text);
    return frame(i % 3 === 0 ? spec : { ...spec, vlan: [i] });
  }),
);

const step = fc.record({
  /** Which frame, how often, and how many octets of it were captured. */
  at: fc.nat({ max: FRAMES.length - 1 }),
  times: fc.constantFrom(1, 1, 1, 2, 5),
  keep: fc.oneof({ weight: 3, arbitrary: fc.constant(1000) }, { weight: 1, arbitrary: fc.nat({ max: 90 }) }),
  wait: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.integer({ min: -5, max: 400 })),
});

test('any interleaving, repetition and truncation of packets keeps the sums, in each direction of each flow', () => {
  const reached = { truncated: 0, undecoded: 0, evicted: 0, tcp: 0, repeated: 0, missed: 0 };
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 50, maxLength: 300, size: 'max' }),
      fc.constantFrom(4, 64),
      (steps, maxFlows) => {
        const m = new TestMeter({ maxFlows });
        let now = 1000;
        let packets = 0;
        let octets = 0;
        for (const { at, times, keep, wait } of steps) {
          now = Math.max(0, now + wait);
          for (let i = 0; i < times; i++) {
            const bytes = FRAMES[at]!.slice(0, keep);
            if (bytes.length < FRAMES[at]!.length) reached.truncated++;
            m.feed(bytes, now, i, 0, FRAMES[at]!.length);
            const { fields } = m.meter;
            if (fields.status === 0 && fields.ipVersion !== 0) {
              packets++;
              octets += FRAMES[at]!.length;
            } else reached.undecoded++;
          }
        }
        reached.evicted += m.table.evicted[0]!;
        const flows = m.finishWhole();
        const sum = (of: (f: (typeof flows)[number]) => [number, number]): number =>
          flows.reduce((n, f) => n + of(f)[0] + of(f)[1], 0);
        expect([sum((f) => f.packets), sum((f) => f.bytes)]).toEqual([packets, octets]);
        const counters = m.meter.counters.read(0);
        expect(counters.decodedIpv4 + counters.decodedIpv6).toBe(packets);
        for (const { tcp, payload, retransmits, packets: sent } of flows) {
          if (tcp === null) continue;
          reached.tcp++;
          for (const i of [0, 1] as const) {
            // Each octet of payload is new, or came again; what is missing is in the sequence space, too.
            expect(tcp.repeated[i]).toBeLessThanOrEqual(payload[i]);
            expect(tcp.seqBytes[i]).toBe(payload[i] - tcp.repeated[i] + tcp.missed[i]);
            expect(retransmits[i]).toBeLessThanOrEqual(sent[i]);
            if (tcp.repeated[i] > 0) reached.repeated++;
            if (tcp.missed[i] > 0) reached.missed++;
          }
        }
      },
    ),
    { numRuns: 150, seed: 11 },
  );
  for (const [name, n] of Object.entries(reached)) expect(n, name).toBeGreaterThan(0);
});

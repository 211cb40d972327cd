import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openSlab } from '../../daemon/flow/slab.ts';
import { type Activity, FlowActivity, TICKS } from '../../daemon/rank/activity.ts';
import { frame } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';

function watched(maxFlows = 64): { m: TestMeter; activity: FlowActivity } {
  const m = new TestMeter({ maxFlows });
  return { m, activity: new FlowActivity(openSlab(m.table.shared)) };
}

function since(activity: FlowActivity, slot: number, ticks: number): number[] {
  const a: Activity = { bytes0: 0, bytes1: 0, packets0: 0, packets1: 0 };
  activity.since(slot, ticks, a);
  return [a.bytes0, a.bytes1, a.packets0, a.packets1];
}

const THERE = { proto: 'udp', sport: 1000, dport: 53, payload: 58 } as const;
const BACK = { ...THERE, src: '10.0.0.2', dst: '10.0.0.1', sport: 53, dport: 1000, payload: 158 } as const;

test('what was sent before the first look is no activity', () => {
  const { m, activity } = watched();
  m.feed(THERE, 1);
  activity.tick(0);
  expect(activity.flows).toBe(1);
  expect(activity.spanMs(1)).toBe(0);
  expect(since(activity, 0, 1)).toEqual([0, 0, 0, 0]);
  activity.tick(1000);
  expect(activity.spanMs(1)).toBe(1000);
  expect(since(activity, 0, 1)).toEqual([0, 0, 0, 0]);
});

test('each direction has its octets and packets, in the interval and in the window', () => {
  const { m, activity } = watched();
  activity.tick(0);
  m.feed(THERE, 1);
  activity.tick(1000);
  m.feed(THERE, 2);
  m.feed(THERE, 2);
  m.feed(BACK, 2);
  activity.tick(2100);
  const own = frame(THERE).length;
  const reply = frame(BACK).length;
  expect(since(activity, 0, 1)).toEqual([2 * own, reply, 2, 1]);
  expect(since(activity, 0, TICKS)).toEqual([3 * own, reply, 3, 1]);
  expect([activity.spanMs(1), activity.spanMs(TICKS)]).toEqual([1100, 2100]);
});

test('a flow that takes the place of another one begins at nothing', () => {
  const { m, activity } = watched(1);
  m.feed(THERE, 1);
  activity.tick(0);
  for (let i = 0; i < 5; i++) m.feed(THERE, 1);
  activity.tick(1000);
  // The table is full: the flow before has to make room.
  m.feed({ ...THERE, sport: 2000 }, 2);
  activity.tick(2000);
  expect(activity.flows).toBe(1);
  expect(since(activity, 0, 1)).toEqual([frame(THERE).length, 0, 1, 0]);
  expect(since(activity, 0, TICKS)).toEqual([frame(THERE).length, 0, 1, 0]);
});

test('rates of any flows over any ticks are what was fed, and octets that leave the window leave the sum', () => {
  const reached = { silent: 0, left: 0, both: 0 };
  const packet = fc.record({
    flow: fc.nat({ max: 5 }),
    isBack: fc.boolean(),
    payload: fc.nat({ max: 1400 }),
  });
  fc.assert(
    fc.property(
      fc.array(fc.array(packet, { maxLength: 8, size: 'max' }), { minLength: 1, maxLength: 25, size: 'max' }),
      (rounds) => {
        const { m, activity } = watched();
        // Every flow is there from the start, in the order of its number.
        for (let flow = 0; flow < 6; flow++) m.feed({ ...THERE, sport: 1000 + flow }, 0);
        activity.tick(0);
        const sent: number[][][] = [];
        for (const [i, round] of rounds.entries()) {
          const now = Array.from({ length: 6 }, () => [0, 0, 0, 0]);
          for (const { flow, isBack, payload } of round) {
            const ends = { sport: 1000 + flow, dport: 53 };
            const spec = isBack
              ? { ...BACK, sport: ends.dport, dport: ends.sport, payload }
              : { ...THERE, ...ends, payload };
            m.feed(spec, i + 1);
            now[flow]![isBack ? 1 : 0]! += frame(spec).length;
            now[flow]![isBack ? 3 : 2]!++;
          }
          sent.unshift(now);
          activity.tick((i + 1) * 1000);
          for (const ticks of [1, 2, TICKS])
            for (let flow = 0; flow < 6; flow++) {
              const wanted = [0, 1, 2, 3].map((k) =>
                sent.slice(0, ticks).reduce((sum, each) => sum + each[flow]![k]!, 0),
              );
              expect(since(activity, flow, ticks)).toEqual(wanted);
              if (wanted[2] === 0 && wanted[3] === 0) reached.silent++;
              if (wanted[0]! > 0 && wanted[1]! > 0) reached.both++;
            }
          if (i >= TICKS) reached.left++;
        }
      },
    ),
    { numRuns: 40 },
  );
  for (const count of Object.values(reached)) expect(count).toBeGreaterThan(0);
});

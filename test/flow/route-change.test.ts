import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PacketTagger } from '../../daemon/flow/table-options.ts';
import { TestMeter } from '../support/meter.ts';
import { overUdp, vxlan } from '../support/tunnel-frames.ts';
import { frame } from '../support/frames.ts';

/** Answers with whatever number is set; setting one is a change of the tables. */
class TestTagger implements PacketTagger {
  generation = 1;
  readonly isWaiting = false;
  onStartOver: (() => void) | null = null;
  arrive(): void {}
  #decision = 0;
  tag(): number {
    return this.#decision;
  }
  heldUntil(): number {
    return -1;
  }
  tagInner(): number {
    return 99;
  }
  set decision(number: number) {
    this.#decision = number;
    this.generation++;
  }
}

const CLIENT = { src: '10.0.0.9', sport: 5000, dst: '10.0.0.1', dport: 80 };
const SERVER = { src: '10.0.0.1', sport: 80, dst: '10.0.0.9', dport: 5000 };
/** Sides: the server has the smaller address. */
const LO = 0;
const HI = 1;

function setUp(options = {}) {
  const tagger = new TestTagger();
  return { tagger, m: new TestMeter(options, tagger) };
}

describe('a change of a flow', () => {
  test('is told by side, with both decisions and the time of the first packet under the new one', () => {
    const { m, tagger } = setUp();
    m.feed({ ...CLIENT, flags: 'S' }, 10, 1);
    m.feed({ ...SERVER, flags: 'SA' }, 11, 2);
    tagger.decision = 5;
    m.feed({ ...CLIENT, flags: 'A' }, 12, 3);
    m.feed({ ...CLIENT, flags: 'PA' }, 13, 4);
    tagger.decision = 6;
    m.feed({ ...CLIENT, flags: 'PA' }, 14, 999_999_999);
    m.feed({ ...SERVER, flags: 'A' }, 15, 5);
    expect(m.changes()).toEqual([
      { seq: 0, at: '12.000000003', side: HI, decisions: [0, 5], isFirst: true },
      { seq: 0, at: '14.999999999', side: HI, decisions: [5, 6], isFirst: false },
      { seq: 0, at: '15.000000005', side: LO, decisions: [0, 6], isFirst: true },
    ]);
    expect(m.finish()).toMatchObject([{ routes: [6, 6], routeOrigSide: HI }]);
  });

  test('is none when new tables give the same answer, nor the first answer for a side', () => {
    const { m, tagger } = setUp();
    m.feed({ ...CLIENT, flags: 'S' }, 10);
    tagger.decision = 0;
    m.feed({ ...CLIENT, flags: 'A' }, 11);
    tagger.decision = 7;
    m.feed({ ...SERVER, flags: 'SA' }, 12);
    expect(m.changes()).toEqual([]);
    const [record] = m.finish();
    expect(record).toMatchObject({ routes: [0, 7] });
    expect(record).not.toHaveProperty('routeOrigSide');
  });

  test('keeps its side when the originator is corrected after it, and the record says who that is', () => {
    const { m, tagger } = setUp();
    m.feed({ ...SERVER, flags: 'A', ack: 2 }, 10); // the server spoke first, so it is the originator for now
    tagger.decision = 1;
    m.feed({ ...SERVER, flags: 'A', ack: 2 }, 11);
    m.table.endCapture(1); // of another capture: nothing
    m.feed({ ...CLIENT, flags: 'S' }, 12);
    expect(m.changes()).toMatchObject([{ side: LO, decisions: [0, 1] }]);
    expect(m.finish()).toMatchObject([{ src: '10.0.0.9:5000', routes: [1, 1], routeOrigSide: HI }]);
  });

  test('that is seen in a packet out of order is told for the time of the latest one', () => {
    const { m, tagger } = setUp();
    m.feed({ ...CLIENT, proto: 'udp' }, 10);
    m.feed({ ...CLIENT, proto: 'udp' }, 12);
    tagger.decision = 1;
    m.feed({ ...CLIENT, proto: 'udp' }, 11);
    tagger.decision = 2;
    m.feed({ ...CLIENT, proto: 'udp' }, 9); // and the start moves back
    expect(m.changes().map(({ at, decisions }) => [at, decisions])).toEqual([
      ['12.000000000', [0, 1]],
      ['12.000000000', [1, 2]],
    ]);
    expect(m.finish()).toMatchObject([{ start: '9.000000000', end: '12.000000000' }]);
  });

  test('is told of a flow that comes after another one in the same slot as of a new one', () => {
    const { m, tagger } = setUp({ maxFlows: 1 });
    m.feed({ ...CLIENT, proto: 'udp' }, 10);
    tagger.decision = 1;
    m.feed({ ...CLIENT, proto: 'udp' }, 11);
    m.feed({ ...CLIENT, proto: 'udp', dport: 81 }, 12);
    tagger.decision = 2;
    m.feed({ ...CLIENT, proto: 'udp', dport: 81 }, 13);
    expect(m.changes()).toMatchObject([
      { seq: 0, decisions: [0, 1], isFirst: true },
      { seq: 1, decisions: [1, 2], isFirst: true },
    ]);
    expect(m.finish().map(({ seq, reason, routeOrigSide }) => [seq, reason, routeOrigSide])).toEqual([
      [0, 'evicted', HI],
      [1, 'eof', HI],
    ]);
  });

  test('that finds no room is counted, and the flow still says that it changed', () => {
    const { m, tagger } = setUp();
    m.feed({ ...CLIENT, proto: 'udp' }, 10, 0, 3);
    tagger.decision = 1;
    m.full = true;
    m.feed({ ...CLIENT, proto: 'udp' }, 11, 0, 3);
    m.full = false;
    tagger.decision = 2;
    m.feed({ ...CLIENT, proto: 'udp' }, 12, 0, 3);
    expect(m.table.shedRouteChanges[3]).toBe(1);
    expect(m.changes()).toMatchObject([{ decisions: [1, 2], isFirst: false }]);
    expect(m.finish()).toMatchObject([{ routeOrigSide: HI }]);
  });

  test('is one of the flow around it, when it is inside a tunnel', () => {
    const tagger = new TestTagger();
    const m = new TestMeter({}, tagger, 'both');
    const packet = overUdp(4789, vxlan(7, frame({ ...CLIENT, proto: 'udp' })));
    m.feed(packet, 10);
    tagger.decision = 1;
    m.feed(packet, 11);
    expect(m.changes()).toMatchObject([{ seq: 0, decisions: [0, 1] }]);
    const [outer, inner] = m.finish();
    expect([outer!.routeOrigSide, inner!.routeOrigSide]).toEqual([expect.any(Number), undefined]);
  });
});

test('whatever changes when, the changes of a side lead from its first decision to the one in the record', () => {
  const step = fc.record({
    fromClient: fc.boolean(),
    port: fc.constantFrom(80, 81, 82),
    decision: fc.option(fc.nat(3), { nil: null }),
    flags: fc.constantFrom('S', 'SA', 'A'),
    sec: fc.integer({ min: 1000, max: 1005 }),
  });
  let flips = 0;
  let changed = 0;
  fc.assert(
    fc.property(fc.array(step, { size: 'max', maxLength: 40 }), (steps) => {
      const { m, tagger } = setUp({ maxFlows: 2 });
      for (const { fromClient, port, decision, flags, sec } of steps) {
        if (decision !== null) tagger.decision = decision;
        m.feed(fromClient ? { ...CLIENT, dport: port, flags } : { ...SERVER, sport: port, flags }, sec);
      }
      const changes = m.changes();
      for (const record of m.finish()) {
        const orig = record.routeOrigSide;
        const mine = changes.filter(({ seq }) => seq === record.seq);
        expect(mine.length > 0).toBe(orig !== undefined);
        if (orig === undefined) continue;
        changed++;
        if (record.history.startsWith('^')) flips++;
        expect(orig === HI).toBe(record.src.startsWith('10.0.0.9'));
        for (const side of [LO, HI]) {
          const ofSide = mine.filter((change) => change.side === side);
          for (const [i, { isFirst, decisions, at }] of ofSide.entries()) {
            expect(isFirst).toBe(i === 0);
            if (i > 0) expect(decisions[0]).toBe(ofSide[i - 1]!.decisions[1]);
            expect(at >= record.start && at <= record.end).toBe(true);
            expect(at >= (ofSide[i - 1]?.at ?? '')).toBe(true);
          }
          if (ofSide.length > 0)
            expect(ofSide.at(-1)!.decisions[1]).toBe(record.routes[side === orig ? 0 : 1]);
        }
      }
    }),
    { numRuns: 300 },
  );
  expect(Math.min(flips, changed)).toBeGreaterThan(20);
});

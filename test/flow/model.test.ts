import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_TIMEOUTS } from '../../daemon/flow/timeouts.ts';
import type { FrameSpec } from '../support/frames.ts';
import { TestMeter, type TestRecord } from '../support/meter.ts';

const CAPTURES = 2;
const MAX_FLOWS = 6;
/** Seconds a model flow may live past its timeout: the wheel looks once a lap, or when it was visited last. */
const WHEEL_LAG = 32;

interface ModelFlow {
  key: string;
  origin: string;
  packets: Map<string, number>;
  bytes: Map<string, number>;
  first: number;
  last: number;
}

/** The endpoint that sends, as a record prints it. */
function sender(spec: FrameSpec): string {
  return `${spec.src}:${spec.sport}`;
}

function key(spec: FrameSpec, capture: number): string {
  const ends = [sender(spec), `${spec.dst}:${spec.dport}`].sort();
  return [capture, ...(spec.vlan ?? []), '|', ...ends].join(' ');
}

/**
 * UDP flows in a Map: what a flow is, without slots, hashes, wheels or batches. It is told by the table which flows ended
 * (when one must go is the table's choice within limits), and checks that the choice was allowed and the numbers right.
 */
class Model {
  readonly flows = new Map<string, ModelFlow>();
  readonly ended: ModelFlow[] = [];
  readonly evicted = new Array<number>(CAPTURES).fill(0);

  packet(spec: FrameSpec, capture: number, sec: number, bytes: number): void {
    const k = key(spec, capture);
    let flow = this.flows.get(k);
    if (flow === undefined) {
      flow = { key: k, origin: sender(spec), packets: new Map(), bytes: new Map(), first: sec, last: sec };
      this.flows.set(k, flow);
    }
    flow.packets.set(sender(spec), (flow.packets.get(sender(spec)) ?? 0) + 1);
    flow.bytes.set(sender(spec), (flow.bytes.get(sender(spec)) ?? 0) + bytes);
    flow.first = Math.min(flow.first, sec);
    flow.last = Math.max(flow.last, sec);
  }

  /** Takes a last record. */
  end(record: TestRecord): ModelFlow {
    const spec = { src: '', sport: 0, dst: '', dport: 0, vlan: record.vlan };
    const ends = [record.src, record.dst].sort();
    const flow = this.flows.get([record.capture, ...spec.vlan, '|', ...ends].join(' '));
    if (flow === undefined)
      throw new Error(`the table ended ${record.src} - ${record.dst}, which the model does not hold`);
    this.flows.delete(flow.key);
    this.ended.push(flow);
    if (record.reason === 'evicted') this.evicted[record.capture]!++;
    const other = record.src === flow.origin ? record.dst : record.src;
    expect(record).toMatchObject({
      src: flow.origin,
      packets: [flow.packets.get(flow.origin) ?? 0, flow.packets.get(other) ?? 0],
      bytes: [flow.bytes.get(flow.origin) ?? 0, flow.bytes.get(other) ?? 0],
      start: `${flow.first}.000000000`,
      end: `${flow.last}.000000000`,
    });
    return flow;
  }
}

const HOSTS = ['10.0.0.1', '10.0.0.2'];
const step = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      kind: fc.constant('packet' as const),
      from: fc.nat({ max: 1 }),
      sport: fc.nat({ max: 3 }),
      dport: fc.nat({ max: 3 }),
      vlan: fc.nat({ max: 1 }),
      capture: fc.nat({ max: CAPTURES - 1 }),
      payload: fc.nat({ max: 40 }),
      wait: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: -3, max: 25 })),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('tick' as const), wait: fc.nat({ max: 120 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('jump' as const), wait: fc.integer({ min: 1e6, max: 1e8 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('gone' as const), capture: fc.nat({ max: CAPTURES - 1 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('full' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

test('the flow table does what a Map of flows does', () => {
  const reached: Record<string, number> = {
    idle: 0,
    evicted: 0,
    eof: 0,
    shutdown: 0,
    active: 0,
    shed: 0,
    both: 0,
    reused: 0,
    older: 0,
  };
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 20, maxLength: 250, size: 'max' }),
      fc.constantFrom(0, 20),
      (steps, checkpointSec) => {
        const m = new TestMeter({ maxFlows: MAX_FLOWS, checkpointSec });
        const model = new Model();
        let now = 1000;
        let read = 0;
        const isNew = new Set<number>();

        /** Takes the records written since the last call, and checks each against the model. */
        const settle = (): void => {
          const records = m.records();
          for (const record of records.slice(read)) {
            expect(record.isNew, 'first record of a flow').toBe(!isNew.has(record.seq));
            isNew.add(record.seq);
            reached[record.reason]!++;
            if (record.reason === 'active') continue;
            const flow = model.end(record);
            if (record.reason === 'idle')
              expect(now - flow.last).toBeGreaterThanOrEqual(DEFAULT_TIMEOUTS.udp);
            if (record.packets[1] > 0) reached.both!++;
          }
          read = records.length;
          expect(m.table.live).toBe(model.flows.size);
          expect(m.table.live).toBeLessThanOrEqual(MAX_FLOWS);
          expect([...m.table.evicted.subarray(0, CAPTURES)]).toEqual(model.evicted);
        };

        for (const s of steps) {
          if (s.kind === 'packet') {
            const at = Math.max(now + s.wait, 0);
            if (at < now) reached.older!++;
            now = Math.max(now, at);
            const spec: FrameSpec = {
              proto: 'udp',
              src: HOSTS[s.from]!,
              dst: HOSTS[1 - s.from]!,
              sport: s.from === 0 ? s.sport : 100 + s.dport,
              dport: s.from === 0 ? 100 + s.dport : s.sport,
              payload: s.payload,
              vlan: s.vlan === 0 ? [] : [7],
            };
            // Flows that the packet's time ends are ended before it is counted.
            m.table.tick(now);
            settle();
            const victims = m.table.live === MAX_FLOWS && !model.flows.has(key(spec, s.capture));
            m.feed(spec, at, 0, s.capture);
            if (victims) {
              // One flow went, and not the new one: take its record first.
              const record = m.records()[read]!;
              expect(record.reason).toBe('evicted');
              expect(isNew.has(record.seq)).toBe(!record.isNew);
              isNew.add(record.seq);
              reached.evicted!++;
              model.end(record);
              read++;
            }
            if (model.ended.some((flow) => flow.key === key(spec, s.capture))) reached.reused!++;
            model.packet(spec, s.capture, at, 42 + s.payload + (s.vlan === 0 ? 0 : 4));
          } else if (s.kind === 'tick' || s.kind === 'jump') {
            now += s.wait;
            m.table.tick(now);
          } else if (s.kind === 'gone') {
            m.table.endCapture(s.capture);
          } else if (s.kind === 'full') {
            // The queue is full while every flow of the first capture point ends: each is shed, none is written.
            const lost = [...model.flows.values()].filter((flow) => flow.key.startsWith('0 '));
            const before = m.table.shed[0]!;
            m.full = true;
            m.table.endCapture(0);
            m.full = false;
            expect(m.table.shed[0]).toBe(before + lost.length);
            reached.shed! += lost.length;
            for (const flow of lost) model.flows.delete(flow.key);
          } else {
            m.table.endAll('eof');
            now = 500;
          }
          settle();
          for (const flow of model.flows.values())
            expect(now - flow.last, 'overdue').toBeLessThanOrEqual(DEFAULT_TIMEOUTS.udp + WHEEL_LAG);
        }
        m.table.endAll('eof');
        settle();
        expect(m.table.live).toBe(0);
        expect(model.flows.size).toBe(0);
      },
    ),
    { numRuns: 40, seed: 7 },
  );
  for (const [name, times] of Object.entries(reached)) expect(times, name).toBeGreaterThan(0);
});

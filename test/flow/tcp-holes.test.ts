import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOLES_MAX } from '../../daemon/flow/trouble.ts';
import { TestMeter, type TestTcp } from '../support/meter.ts';
import { segment } from '../support/segments.ts';

/** Octets of a unit: segments have some of them. */
const UNIT = 100;
const MSEC = 1e6;

/** The client's sequence space exactly: which units the capture has, where it ends, what was acknowledged. */
class Model {
  readonly seen = new Set<number>();
  /** Units that were sent, captured or not. */
  sent = 0;
  /** One past the last unit that the capture knows of: it was seen, or the peer acknowledged it. */
  known = 0;
  acked = 0;
  captured = 0;

  /** Holes: runs of units below the last one seen that were not. */
  holes(): number {
    const end = Math.max(0, ...[...this.seen].map((unit) => unit + 1));
    let holes = 0;
    for (let unit = 0; unit < end; unit++)
      if (!this.seen.has(unit) && (unit === 0 || this.seen.has(unit - 1))) holes++;
    return holes;
  }

  missed(): number {
    return this.known - [...this.seen].filter((unit) => unit < this.known).length;
  }
}

/** A connection of a client that sends and a server that acknowledges, in the meter and in the model at once. */
class Connection {
  readonly model = new Model();
  readonly #m = new TestMeter();
  #time = 0;

  constructor() {
    for (const text of ['c S seq=100', 's SA seq=900 ack=101', 'c A seq=101 ack=901']) this.#feed(text);
  }

  #feed(text: string): void {
    this.#time += MSEC;
    this.#m.feed(segment(text).spec, 1000 + Math.floor(this.#time / 1e9), this.#time % 1e9);
  }

  /** Captures units `from` to `from + count` in one segment. */
  capture(from: number, count: number): void {
    this.#feed(`c A seq=${101 + from * UNIT} ack=901 pay=${count * UNIT}`);
    const { model } = this;
    for (let unit = from; unit < from + count; unit++) model.seen.add(unit);
    model.captured += count;
    model.known = Math.max(model.known, from + count);
  }

  /** The server acknowledges what is before `unit`. */
  acknowledge(unit: number): void {
    this.#feed(`s A seq=901 ack=${101 + unit * UNIT}`);
    const { model } = this;
    model.acked = Math.max(model.acked, unit);
    model.known = Math.max(model.known, unit);
  }

  finish(): TestTcp {
    return this.#m.finishWhole()[0]!.tcp!;
  }
}

/** What happens next; numbers are scaled to what is possible then. */
const step = fc.record({
  kind: fc.constantFrom('send', 'send', 'lose', 'again', 'again', 'ack'),
  at: fc.double({ min: 0, max: 0.999, noNaN: true }),
  count: fc.integer({ min: 1, max: 3 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const steps = fc.array(step, { minLength: 10, maxLength: 80, size: 'max' });

/** Which steps may happen, each with what is reached by it. */
interface Rules {
  /** Whether a segment may be missing in the capture now. */
  mayLose: (model: Model) => boolean;
  /** Whether a unit may be captured that was sent before. */
  mayRepeat: (model: Model, unit: number) => boolean;
  /** Whether the server may acknowledge up to a unit. */
  mayAck: (model: Model, unit: number) => boolean;
}

function play(list: readonly Step[], rules: Rules): { tcp: TestTcp; model: Model; holes: number } {
  const connection = new Connection();
  const { model } = connection;
  let holes = 0;
  for (const { kind, at, count } of list) {
    if (kind === 'send' || (kind === 'lose' && !rules.mayLose(model))) {
      connection.capture(model.sent, count);
      model.sent += count;
    } else if (kind === 'lose') model.sent += count;
    else if (kind === 'again') {
      const from = Math.floor(at * model.sent);
      let size = 0;
      while (size < count && from + size < model.sent && rules.mayRepeat(model, from + size)) size++;
      if (size > 0) connection.capture(from, size);
    } else {
      const unit = model.acked + Math.ceil(at * (model.sent - model.acked));
      if (unit > model.acked && rules.mayAck(model, unit)) connection.acknowledge(unit);
    }
    holes = Math.max(holes, model.holes());
  }
  return { tcp: connection.finish(), model, holes };
}

function exact(model: Model): Pick<TestTcp, 'seqBytes' | 'missed' | 'repeated'> {
  return {
    seqBytes: [model.known * UNIT, 0],
    missed: [model.missed() * UNIT, 0],
    repeated: [(model.captured - model.seen.size) * UNIT, 0],
  };
}

describe('what a capture lacks of the sequence space', () => {
  test('is exact with any number of holes when only what is missing is sent again (SACK), in any order', () => {
    const reached = { several: 0, missed: 0, whole: 0 };
    fc.assert(
      fc.property(steps, (list) => {
        const { tcp, model, holes } = play(list, {
          mayLose: () => true,
          mayRepeat: (m, unit) => !m.seen.has(unit) && unit >= m.acked,
          mayAck: () => true,
        });
        if (holes > 1) reached.several++;
        if (model.missed() > 0) reached.missed++;
        else reached.whole++;
        expect(tcp).toMatchObject(exact(model));
      }),
      { numRuns: 1000, seed: 5 },
    );
    for (const [what, n] of Object.entries(reached)) expect(n, what).toBeGreaterThan(20);
  });

  test('is exact with up to four holes, whatever is sent again', () => {
    const reached = { one: 0, four: 0, repeated: 0, missed: 0, passed: 0 };
    fc.assert(
      fc.property(steps, (list) => {
        const { tcp, model, holes } = play(list, {
          mayLose: (m) => m.holes() < HOLES_MAX,
          mayRepeat: (m, unit) => m.seen.has(unit) || unit >= m.acked,
          mayAck: () => true,
        });
        // A hole of three units or more may have become two.
        if (holes > HOLES_MAX) return;
        if (holes === 1) reached.one++;
        if (holes === HOLES_MAX) reached.four++;
        if (model.captured > model.seen.size) reached.repeated++;
        if (model.missed() > 0) reached.missed++;
        if (model.acked > 0 && model.missed() > 0) reached.passed++;
        expect(tcp).toMatchObject(exact(model));
      }),
      { numRuns: 1500, seed: 6 },
    );
    for (const [what, n] of Object.entries(reached)) expect(n, what).toBeGreaterThan(20);
  });

  test('adds up whatever happens: the sequence space is exact, and its parts are what it is made of', () => {
    const reached = { exact: 0, inexact: 0 };
    fc.assert(
      fc.property(steps, (list) => {
        const { tcp, model } = play(list, { mayLose: () => true, mayRepeat: () => true, mayAck: () => true });
        expect(tcp.seqBytes[0]).toBe(model.known * UNIT);
        expect(tcp.seqBytes[0]).toBe(model.captured * UNIT - tcp.repeated[0] + tcp.missed[0]);
        reached[tcp.missed[0] === model.missed() * UNIT ? 'exact' : 'inexact']++;
      }),
      { numRuns: 1000, seed: 7 },
    );
    for (const [what, n] of Object.entries(reached)) expect(n, what).toBeGreaterThan(20);
  });

  test('is too low when, beyond four holes, something between the last ones is sent again: it is taken for what is missing', () => {
    const connection = new Connection();
    for (let unit = 1; unit < 12; unit += 2) connection.capture(unit, 1); // 0, 2, 4, 6, 8 and 10 are missing
    connection.capture(9, 1);
    expect(connection.model.missed()).toBe(6);
    expect(connection.finish()).toMatchObject({ missed: [500, 0], repeated: [0, 0], seqBytes: [1200, 0] });
  });

  test('is as it was acknowledged, as in Zeek, when what had been missing is captured only after its ACK', () => {
    const connection = new Connection();
    connection.capture(0, 1);
    connection.capture(2, 1);
    connection.acknowledge(3);
    connection.capture(1, 1);
    expect(connection.model.missed()).toBe(0);
    expect(connection.finish()).toMatchObject({ missed: [100, 0], repeated: [100, 0], seqBytes: [300, 0] });
  });
});

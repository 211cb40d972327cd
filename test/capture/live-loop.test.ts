import { closeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LiveLoop, type LiveLoopHooks } from '../../daemon/capture/live-loop.ts';
import type { LiveSource, PacketSink } from '../../daemon/capture/packet-source.ts';
import { openEvent, signalEvent, takeEvent } from '../../daemon/kernel/eventfd.ts';
import { CountingSink } from './counting-sink.ts';

/** A source whose packets a test puts in; `bound` of them a drain. */
class FakeSource implements LiveSource {
  readonly fd = openEvent();
  readonly duplicates = 0;
  restMs = 0;
  readonly span = { firstSec: -1, firstNsec: 0, lastSec: 0, lastNsec: 0 };
  readonly drainedUntilMs = 0;
  ended: string | null = null;
  waiting = 0;
  drains = 0;
  closed = 0;
  stopped = 0;
  /** Packets that the kernel has and does not hand over yet. */
  late = 0;
  readonly handedOver: number[] = [];
  readonly #bound: number;
  readonly #log: string[];
  readonly #name: string;

  constructor(name: string, bound: number, log: string[]) {
    this.#name = name;
    this.#bound = bound;
    this.#log = log;
  }

  put(packets: number): void {
    this.waiting += packets;
    signalEvent(this.fd);
  }

  drain(sink: PacketSink): number {
    this.drains++;
    const count = Math.min(this.waiting, this.#bound);
    for (let i = 0; i < count; i++) sink.packet(new DataView(new ArrayBuffer(1)), 0, 1);
    this.waiting -= count;
    if (this.waiting === 0) takeEvent(this.fd);
    if (count > 0) this.#log.push(`${this.#name}:${count}`);
    return count;
  }

  stats(): { received: number; drops: number; freezes: number } {
    return { received: 0, drops: 0, freezes: 0 };
  }

  handOver(captureIndex: number): void {
    this.handedOver.push(captureIndex);
  }

  stop(): void {
    this.stopped++;
  }

  pending(): number {
    return this.late;
  }

  close(): void {
    if (this.closed++ === 0) closeSync(this.fd);
  }
}

function setUp(hooks: Partial<LiveLoopHooks>): { loop: LiveLoop; sink: CountingSink; wakeFd: number } {
  const sink = new CountingSink(0);
  const wakeFd = openEvent();
  const loop = new LiveLoop(wakeFd, sink, {
    tick() {},
    isWaiting: () => false,
    work: () => false,
    wake() {},
    ended() {},
    ...hooks,
  });
  return { loop, sink, wakeFd };
}

describe('the loop of a capture thread', () => {
  it('drains busy sources in turn, each no more than its bound at a time', () => {
    const log: string[] = [];
    const a = new FakeSource('a', 2, log);
    const b = new FakeSource('b', 3, log);
    let ticks = 0;
    const { loop, sink } = setUp({
      tick() {
        if (++ticks === 2) loop.stop('test');
      },
    });
    loop.add(0, a);
    loop.add(1, b);
    a.put(5);
    b.put(3);
    loop.run();
    expect(sink.packets).toBe(8);
    expect(log).toEqual(['a:2', 'b:3', 'a:2', 'a:1']);
    expect([a.closed, b.closed]).toEqual([1, 1]);
  });

  it('ticks while nothing happens and while packets never stop', () => {
    let ticks = 0;
    const seen: number[] = [];
    const { loop } = setUp({
      tick(nowSec) {
        seen.push(nowSec);
        if (++ticks === 3) loop.stop('test');
      },
    });
    loop.run();
    expect(seen).toHaveLength(3);
    expect(seen.every((sec) => Number.isInteger(sec) && sec > 1_700_000_000)).toBe(true);

    const endless = new FakeSource('e', 1, []);
    const busy = setUp({
      tick() {
        endless.waiting = 0;
        busy.loop.stop('test');
      },
    });
    busy.loop.add(0, endless);
    endless.put(Number.MAX_SAFE_INTEGER);
    busy.loop.run();
    expect(busy.sink.packets).toBeGreaterThan(0);
  });

  it('after a rest finds what came meanwhile, packets and messages', () => {
    const rested = new FakeSource('r', 10, []);
    const busy = new FakeSource('b', 10, []);
    rested.restMs = 5;
    let turns = 0;
    let wakes = 0;
    const { loop, sink, wakeFd } = setUp({
      tick() {
        if (sink.packets === 9) loop.stop('test');
      },
      wake() {
        wakes++;
      },
      work() {
        // The turn that gave the first packets is followed by a rest.
        if (sink.packets === 2 && turns++ === 0) {
          signalEvent(wakeFd);
          rested.put(3);
          busy.put(4);
        }
        return false;
      },
    });
    loop.add(0, rested);
    loop.add(1, busy);
    rested.put(2);
    loop.run();
    expect([sink.packets, wakes, rested.waiting, busy.waiting]).toEqual([9, 1, 0, 0]);
  });

  it('looks at its messages when it is woken, and takes sources that they bring', () => {
    const late = new FakeSource('l', 10, []);
    const { loop, sink, wakeFd } = setUp({
      wake() {
        if (loop.size === 0) {
          loop.add(7, late);
          late.put(4);
        } else loop.stop('test');
      },
      tick() {
        if (sink.packets === 4) signalEvent(wakeFd);
      },
    });
    signalEvent(wakeFd);
    loop.run();
    expect(sink.packets).toBe(4);
    expect(late.closed).toBe(1);
  });

  it('delivers what still comes after a removal, then ends the source once, with its reason', () => {
    const log: string[] = [];
    const source = new FakeSource('s', 1, log);
    const ended: [number, string, number][] = [];
    let ticks = 0;
    const { loop, sink } = setUp({
      tick() {
        if (++ticks === 1) {
          loop.remove(3, 'namespace removed');
          loop.remove(3, 'again');
          loop.remove(99, 'unknown');
          source.put(5);
        }
      },
      ended(index, ending, reason) {
        ended.push([index, reason, (ending as FakeSource).closed]);
        loop.stop('test');
      },
    });
    loop.add(3, source);
    loop.run();
    expect(sink.packets).toBe(5);
    expect(ended).toEqual([[3, 'namespace removed', 0]]);
    expect(source.closed).toBe(1);
    expect(loop.source(3)).toBe(undefined);
  });

  it('ends a source that ended by itself, with the last packets in it', () => {
    const source = new FakeSource('s', 1, []);
    const reasons: string[] = [];
    const { loop, sink } = setUp({
      ended(_index, _source, reason) {
        reasons.push(reason);
        loop.stop('test');
      },
    });
    loop.add(0, source);
    source.put(3);
    source.ended = 'interface removed';
    loop.run();
    expect(sink.packets).toBe(3);
    expect(reasons).toEqual(['interface removed']);
  });

  it('lets a source go on as another capture, and stops it before its last drains', () => {
    const ended: [number, string][] = [];
    const a = new FakeSource('a', 9, []);
    let ticks = 0;
    const { loop, sink } = setUp({
      tick() {
        if (++ticks === 1) {
          loop.rename(3, 4);
          expect(loop.source(3)).toBeUndefined();
          expect(loop.source(4)).toBe(a);
          expect(() => loop.rename(3, 5)).toThrow('capture 3 cannot go on as 5');
          expect(() => loop.rename(4, 4)).toThrow('capture 4 cannot go on as 4');
          loop.remove(3, 'not there');
          loop.remove(4, 'gone');
          loop.remove(4, 'gone again');
          a.put(2);
        } else if (loop.size === 0) loop.stop('test');
      },
      ended: (captureIndex, _source, reason) => ended.push([captureIndex, reason]),
    });
    loop.add(3, a);
    loop.run();
    expect(a.handedOver).toEqual([4]);
    expect(a.stopped).toBe(1);
    expect(sink.packets).toBe(2);
    expect(ended).toEqual([[4, 'gone']]);
  });

  it.each([
    ['waits for packets that are known to be there before it closes a source', 4, 4],
    ['closes a source whose packets never come', Infinity, 0],
  ])('%s', (_what, comeAfterTicks, expected) => {
    const a = new FakeSource('a', 9, []);
    a.late = 4;
    let ticks = 0;
    let removedAtTick = 0;
    const { loop, sink } = setUp({
      tick() {
        ticks++;
        if (ticks === 1) {
          loop.remove(0, 'gone');
          removedAtTick = ticks;
        } else if (ticks === removedAtTick + comeAfterTicks) {
          a.late = 0;
          a.put(4);
        }
        if (loop.size === 0) loop.stop('test');
      },
    });
    loop.add(0, a);
    loop.run();
    expect([sink.packets, a.closed]).toEqual([expected, 1]);
  });

  it('refuses a capture number that is taken', () => {
    const { loop } = setUp({});
    loop.add(0, new FakeSource('a', 1, []));
    expect(() => loop.add(0, new FakeSource('b', 1, []))).toThrow(RangeError);
  });
});

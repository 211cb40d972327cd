import { describe, expect, test } from 'vitest';
import { RecentFlows } from '../../daemon/flow/recent-flows.ts';
import { W } from '../../daemon/flow/slot.ts';
import { frame } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';

/** The words of a key, as far as a guess looks at them. */
function key(lo: number, hi: number, ports: number): Int32Array {
  const words = new Int32Array(12);
  words[W.addrLo] = lo;
  words[W.addrHi] = hi;
  words[W.ports] = ports;
  return words;
}

describe('the flows of the latest packets', () => {
  test('are guessed, and of others nothing is known', () => {
    const recent = new RecentFlows();
    expect(recent.guess(key(1, 2, 3))).toBe(-1);
    recent.note(key(1, 2, 3), 0);
    recent.note(key(-1, 2, 3), 0xfffffd);
    expect(recent.guess(key(1, 2, 3))).toBe(0);
    expect(recent.guess(key(-1, 2, 3))).toBe(0xfffffd);
    expect(recent.guess(key(1, 2, 4))).toBe(-1);
  });

  test('are nearly all guessed, and hardly one wrong, while they are few', () => {
    const recent = new RecentFlows();
    const keys = Array.from({ length: 1000 }, (_, i) =>
      key(0x0a01_0000 + i, 0x0a02_0001, ((1024 + i) << 16) | 80),
    );
    keys.forEach((words, slot) => {
      recent.note(words, slot);
    });
    const guesses = keys.map((words) => recent.guess(words));
    expect(guesses.filter((guess, slot) => guess === slot).length).toBeGreaterThan(900);
    expect(guesses.filter((guess, slot) => guess >= 0 && guess !== slot).length).toBeLessThan(10);
  });

  test('of two flows that are guessed alike each has its own packets', () => {
    // What differs in the ports differs in the low half of the lower address, too.
    const alike = [0, 1, 2, 3].map((i) => ({ src: `10.0.0.${i}`, sport: 1024, dport: 4 + i }));
    const recent = new RecentFlows();
    recent.note(key(0x0a00_0000, 0x0a00_0009, (1024 << 16) | 4), 5);
    for (const i of [1, 2, 3])
      expect(recent.guess(key(0x0a00_0000 + i, 0x0a00_0009, (1024 << 16) | (4 + i)))).toBe(5);
    const m = new TestMeter();
    for (let round = 0; round < 10; round++)
      for (const each of alike) m.feed(frame({ ...each, dst: '10.0.0.9', proto: 'udp' }), 100 + round);
    const records = m.finish().sort((a, b) => a.seq - b.seq);
    expect(records.map(({ src, packets }) => [src, packets])).toEqual(
      alike.map(({ src, sport }) => [`${src}:${sport}`, [10, 0]]),
    );
  });
});

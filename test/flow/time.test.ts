import { describe, expect, test } from 'vitest';
import { TestMeter } from '../support/meter.ts';

const YEAR = 365 * 86_400;

/** Feeds one UDP packet of the flow with this source port. */
function udp(m: TestMeter, sport: number, sec: number): void {
  m.feed({ proto: 'udp', sport }, sec);
}

describe('flows in absurd times', () => {
  test.each([
    ['before 1970', -1_000_000],
    ['at the epoch', 0],
    ['past 2038', 2 ** 31 + 5],
    ['past 2106', 2 ** 32 + 5],
    ['behind 2^53', 2 ** 60],
  ])('an idle flow ends and another begins, %s', (_, start) => {
    const m = new TestMeter();
    udp(m, 1, start);
    udp(m, 2, start + 1024);
    udp(m, 1, start + 2048);
    udp(m, 3, start + 2 * 2048);
    expect(m.records().map((r) => [r.reason, r.packets[0]])).toEqual([
      ['idle', 1],
      ['idle', 1],
      ['idle', 1],
    ]);
    expect(m.table.live).toBe(1);
  });

  test('one packet from the far future does not stop the timeouts of those that follow', () => {
    const m = new TestMeter();
    udp(m, 1, 1000);
    udp(m, 2, 1000 + 80 * YEAR);
    for (let t = 0; t < 400; t++) udp(m, 3, 1001 + t);
    udp(m, 4, 1450);
    for (let t = 0; t < 100; t++) udp(m, 5, 1451 + t);
    const ended = m.records().map((r) => [r.src.split(':')[1], r.reason, r.packets[0]]);
    expect(ended).toContainEqual(['1', 'idle', 1]);
    expect(ended).toContainEqual(['2', 'idle', 1]);
    expect(ended).toContainEqual(['3', 'idle', 400]);
  });

  test('a clock set back by a year goes on with timeouts and checkpoints', () => {
    const m = new TestMeter({ checkpointSec: 10 });
    for (let t = 0; t < 30; t++) udp(m, 1, 2 * YEAR + t);
    for (let t = 0; t < 1000; t++) {
      udp(m, 2, YEAR + t);
      m.table.tick(YEAR + t);
    }
    udp(m, 3, YEAR + 1000);
    m.table.tick(YEAR + 1100);
    const records = m.records();
    expect(records.find((r) => r.src.endsWith(':1') && r.reason === 'idle')).toMatchObject({
      start: `${2 * YEAR}.000000000`,
      end: `${2 * YEAR + 29}.000000000`,
    });
    expect(records.filter((r) => r.src.endsWith(':2') && r.reason === 'active').length).toBeGreaterThan(50);
    expect(records.find((r) => r.src.endsWith(':2') && r.reason === 'idle')?.packets[0]).toBe(1000);
    expect(m.table.live).toBe(0);
  });

  test('a few packets out of order do not turn the clock back', () => {
    const m = new TestMeter();
    udp(m, 1, 10_000);
    for (let i = 0; i < 20; i++) udp(m, 2, 5000);
    m.table.tick(10_059);
    expect(m.records().map((r) => [r.src, r.reason])).toEqual([['10.0.0.1:2', 'idle']]);
    m.table.tick(10_070);
    expect(m.records().map((r) => r.src)).toEqual(['10.0.0.1:2', '10.0.0.1:1']);
  });

  test('packets farther apart than a record can tell are two flows with exact times', () => {
    const m = new TestMeter();
    udp(m, 1, 2 ** 40);
    udp(m, 1, 5);
    udp(m, 1, 5 + 2 ** 32);
    expect(m.finish().map((r) => [r.start, r.end, r.packets[0]])).toEqual([
      [`${2 ** 40}.000000000`, `${2 ** 40}.000000000`, 1],
      ['5.000000000', '5.000000000', 1],
      [`${5 + 2 ** 32}.000000000`, `${5 + 2 ** 32}.000000000`, 1],
    ]);
  });

  test('the round trip survives a start that moves back', () => {
    const m = new TestMeter();
    const client = { src: '10.0.0.9', sport: 5000, dst: '10.0.0.1', dport: 80 };
    const server = { src: '10.0.0.1', sport: 80, dst: '10.0.0.9', dport: 5000 };
    m.feed({ ...client, flags: 'S', seq: 1 }, 100, 500);
    m.feed({ ...server, flags: 'SA', seq: 1 }, 90, 0);
    m.feed({ ...client, flags: 'A', seq: 2 }, 102, 700);
    expect(m.finish()[0]).toMatchObject({ start: '90.000000000', rttNs: 2_000_000_200 });
  });
});

describe('the clock of a replay is that of its packets', () => {
  test('a packet far behind its flow is another flow, and the times of both stay true', () => {
    const m = new TestMeter();
    for (let t = 0; t < 5; t++) udp(m, 1, 2 * YEAR + t);
    for (let t = 0; t < 5; t++) udp(m, 1, YEAR + t);
    expect(m.finish().map((r) => [r.start, r.end, r.packets[0]])).toEqual([
      [`${2 * YEAR}.000000000`, `${2 * YEAR + 4}.000000000`, 5],
      [`${YEAR}.000000000`, `${YEAR + 4}.000000000`, 5],
    ]);
  });

  test('one that is behind by no more than the timeout belongs to its flow', () => {
    const m = new TestMeter();
    const tcp = { src: '10.0.0.9', sport: 5000, dst: '10.0.0.1', dport: 80, flags: 'A' };
    m.feed(tcp, 1000);
    m.feed(tcp, 701);
    m.feed(tcp, 400);
    expect(m.finish().map((r) => [r.start, r.end])).toEqual([
      ['701.000000000', '1000.000000000'],
      ['400.000000000', '400.000000000'],
    ]);
  });

  test('a jump forward ends what was silent, and nothing else', () => {
    const m = new TestMeter();
    const tcp = { src: '10.0.0.9', sport: 5000, dst: '10.0.0.1', dport: 80, flags: 'A' };
    m.feed(tcp, 1000);
    udp(m, 1, 1000);
    udp(m, 2, 1200);
    m.feed(tcp, 1201);
    expect(m.records().map((r) => [r.src, r.reason])).toEqual([['10.0.0.1:1', 'idle']]);
    expect(m.finish().map((r) => [r.src, r.packets[0]])).toContainEqual(['10.0.0.9:5000', 2]);
  });

  test('a packet without a time among others is of the present', () => {
    const m = new TestMeter();
    m.feed({ proto: 'udp', sport: 1 }, 1000, 500);
    m.feed({ proto: 'udp', sport: 1 }, 0, 0);
    m.feed({ proto: 'udp', sport: 2 }, 0, 0);
    m.feed({ proto: 'udp', sport: 3 }, 1010, 7);
    m.feed({ proto: 'udp', sport: 1 }, 0, 0);
    for (let i = 0; i < 500; i++) m.feed({ proto: 'udp', sport: 4 }, 0, 0);
    m.feed({ proto: 'udp', sport: 3 }, 1069, 0);
    expect(m.finish().map((r) => [r.src.split(':')[1], r.start, r.end, r.packets[0], r.reason])).toEqual([
      ['2', '1000.000000000', '1000.000000000', 1, 'idle'],
      ['1', '1000.000000500', '1010.000000000', 3, 'eof'],
      ['3', '1010.000000007', '1069.000000000', 2, 'eof'],
      ['4', '1010.000000000', '1010.000000000', 500, 'eof'],
    ]);
  });

  test('a file in which no packet has a time has one flow a conversation, at 0', () => {
    const m = new TestMeter();
    for (let i = 0; i < 200; i++) udp(m, 1 + (i & 1), 0);
    expect(m.finish().map((r) => [r.start, r.end, r.packets[0]])).toEqual([
      ['0.000000000', '0.000000000', 100],
      ['0.000000000', '0.000000000', 100],
    ]);
  });

  test('whatever the times, no packet is lost or counted twice, and no flow ends before it begins', () => {
    const m = new TestMeter({ checkpointSec: 10, maxFlows: 32 });
    const times = [0, 1, 59, 61, 1000, 1e6, 1.7e9, 1.7e9 + 30, 1.7e9 + 100, 2 ** 32, 2 ** 40];
    let state = 1;
    for (let i = 0; i < 20_000; i++) {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      const time = times[(state >>> 8) % times.length]! + ((state >>> 20) % 5);
      m.feed({ proto: 'udp', sport: (state >>> 4) % 50 }, time, (state >>> 3) % 3);
      if (i % 100 === 0) m.table.tick(times[(state >>> 9) % times.length]!);
    }
    const last = new Map(m.finish().map((r) => [r.seq, r]));
    expect([...last.values()].reduce((n, r) => n + r.packets[0], 0)).toBe(20_000);
    for (const r of last.values()) {
      const [start = 0, end = 0] = [r.start, r.end].map(Number);
      expect(end).toBeGreaterThanOrEqual(start);
    }
  });
});

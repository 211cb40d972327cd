import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { DEFAULT_TIMEOUTS as TIMEOUTS } from '../../daemon/flow/timeouts.ts';
import { VISITS_MAX } from '../../daemon/flow/victim.ts';
import type { FrameSpec } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';

const SOURCES = 10_000_000;

function handshake(sport: number, dport = 443): FrameSpec[] {
  const client = { src: '10.0.0.9', sport, dst: '10.0.0.1', dport };
  const server = { src: '10.0.0.1', sport: dport, dst: '10.0.0.9', dport: sport };
  return [
    { ...client, flags: 'S', seq: 1 },
    { ...server, flags: 'SA', seq: 1, ack: 2 },
    { ...client, flags: 'A', seq: 2, ack: 2 },
  ];
}

/** SYN number `i` of a flood: each from another source. */
function flood(i: number): FrameSpec {
  return {
    src: `11.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
    dst: '10.0.0.1',
    dport: 80,
    flags: 'S',
    seq: 1,
  };
}

describe('a table at its bound', () => {
  test(`a flood of ${SOURCES} SYNs from as many sources takes no established flow, no packet, and no memory beyond the bound`, {
    timeout: 300_000,
  }, () => {
    const script = fileURLToPath(new URL('./flood-child.ts', import.meta.url));
    const run = spawnSync(process.execPath, [script, String(SOURCES)], { encoding: 'utf8' });
    expect([run.status, run.stderr]).toEqual([0, '']);
    const result = JSON.parse(run.stdout);
    process.stdout.write(`flood: ${run.stdout}\n`);
    expect(result.wrong).toBe(0);
    expect(result.connections).toBeGreaterThan(11_900);
    expect(result.rows).toBe(result.connections + result.stillOpening);
    expect(result.inRecords).toBe(result.fed);
    expect(result.live).toBe(1_000_000);
    expect(result.evicted).toBe(result.reasons.evicted);
    expect(result.created).toBe(result.live + result.evicted);
    expect(result.visits).toBeLessThanOrEqual(VISITS_MAX);
    expect(result.tableMiB * 2 ** 20).toBeLessThanOrEqual(256 * 1_000_000);
    // The rest is the test's own: its connections, the compiler, what of the heap was not collected yet.
    expect(result.rssMiB).toBeLessThan(244 + 120);
  });

  test('established flows of the same second survive, though all of them stand before the flood', () => {
    const m = new TestMeter({ maxFlows: 4000 });
    for (let k = 0; k < 3000; k++) for (const packet of handshake(1024 + k)) m.feed(packet, 100);
    for (let i = 0; i < 20_000; i++) m.feed(flood(i), 100);
    const records = m.finish();
    const established = records.filter((r) => r.state === 'S1');
    expect(established).toHaveLength(3000);
    expect(new Set(established.map((r) => `${r.reason} ${r.packets}`))).toEqual(new Set(['eof 2,1']));
    expect(m.table.evicted[0]).toBe(19_000);
    expect(m.table.victimVisits).toBeLessThanOrEqual(VISITS_MAX);
  });

  test('the oldest half-open flow goes first, also when the wheel has come round', () => {
    const m = new TestMeter({ maxFlows: 100, timeouts: { ...TIMEOUTS, tcpAttempt: 1000 } });
    for (let i = 0; i < 100; i++) m.feed(flood(i), 100 + i);
    for (let i = 100; i < 150; i++) m.feed(flood(i), 200);
    const evicted = m.finish().filter((r) => r.reason === 'evicted');
    expect(evicted.map((r) => r.seq)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  test('a handshake that begins in the flood is established before its turn comes', () => {
    const m = new TestMeter({ maxFlows: 1000 });
    for (let i = 0; i < 5000; i++) m.feed(flood(i), 100);
    const [syn, synAck, ack] = handshake(5000);
    m.feed(syn!, 100);
    for (let i = 5000; i < 5900; i++) m.feed(flood(i), 100);
    m.feed(synAck!, 100);
    m.feed(ack!, 100);
    for (let i = 5900; i < 9000; i++) m.feed(flood(i), 101);
    expect(m.finish().filter((r) => r.state === 'S1')).toMatchObject([{ reason: 'eof', packets: [2, 1] }]);
  });

  test('a table full of established flows gives up one of them, and then the flood takes its own places', () => {
    const m = new TestMeter({ maxFlows: 500 });
    for (let k = 0; k < 500; k++) for (const packet of handshake(1024 + k)) m.feed(packet, 100 + k / 10);
    for (let i = 0; i < 5000; i++) m.feed(flood(i), 160);
    const records = m.finish();
    expect(records.filter((r) => r.reason === 'evicted' && r.state === 'S1')).toHaveLength(1);
    expect(records.filter((r) => r.reason === 'eof' && r.state === 'S1')).toHaveLength(499);
  });

  test('without half-open flows those that are over make room, and say how they ended; of others a long silent one', () => {
    const m = new TestMeter({ maxFlows: 100 });
    for (let k = 0; k < 50; k++) for (const packet of handshake(1024 + k)) m.feed(packet, 100);
    for (let k = 50; k < 100; k++) {
      const [syn] = handshake(1024 + k);
      m.feed(syn!, 100);
      m.feed({ src: '10.0.0.1', sport: 443, dst: '10.0.0.9', dport: 1024 + k, flags: 'RA' }, 100);
    }
    // Established ones, so that the newcomers do not take each other's places.
    for (let k = 100; k < 150; k++) for (const packet of handshake(1024 + k)) m.feed(packet, 101);
    const early = m.records();
    expect(early.map((r) => [r.state, r.reason])).toEqual(Array.from({ length: 50 }, () => ['REJ', 'rst']));
    expect(m.table.evicted[0]).toBe(0);
    for (const packet of handshake(7000)) m.feed(packet, 102);
    expect(m.records().slice(50)).toMatchObject([{ state: 'S1', reason: 'evicted', end: '100.000000000' }]);
  });

  test('a one-way stream is worth as much as an established flow, a one-way packet is not', () => {
    const m = new TestMeter({ maxFlows: 100 });
    for (let n = 0; n < 8; n++)
      for (let k = 0; k < 50; k++) m.feed({ proto: 'udp', sport: k, dport: 514 }, 100);
    for (let i = 0; i < 1000; i++) m.feed({ proto: 'udp', sport: 1000 + i, dport: 9 }, 100);
    const streams = m.finish().filter((r) => r.dst.endsWith(':514'));
    expect(streams.map((r) => [r.reason, r.packets[0]])).toEqual(
      Array.from({ length: 50 }, () => ['eof', 8]),
    );
  });

  test('with the slots of a capture that is gone nobody has to make room', () => {
    const m = new TestMeter({ maxFlows: 100 });
    for (let i = 0; i < 100; i++) m.feed(flood(i), 100, 0, i & 1);
    m.table.endCapture(1);
    for (let i = 100; i < 150; i++) m.feed(flood(i), 100);
    expect(m.table.evicted[0]).toBe(0);
    m.feed(flood(150), 100);
    expect(m.table.evicted[0]).toBe(1);
  });

  test('half-open flows whose time has come wait while the queue is full, and none is lost', () => {
    const m = new TestMeter({ maxFlows: 1000 });
    for (let i = 0; i < 500; i++) m.feed(flood(i), 100);
    for (const packet of handshake(5000)) m.feed(packet, 100);
    m.full = true;
    m.table.tick(170);
    expect([m.table.live, m.table.shed[0]]).toEqual([501, 0]);
    m.full = false;
    m.table.tick(171);
    expect(m.records().map((r) => r.reason)).toEqual(Array.from({ length: 500 }, () => 'idle'));
    expect(m.table.live).toBe(1);
  });
});

import { describe, expect, test } from 'vitest';
import { SLOT_BYTES, SLOT_WORDS } from '../../daemon/flow/slot.ts';
import { TimestampProbes } from '../../daemon/flow/tcp-timestamps.ts';
import { T, TroubleTable } from '../../daemon/flow/trouble.ts';
import { TestMeter } from '../support/meter.ts';

const FLOWS = 1 << 20;

describe('the trouble table', () => {
  test('and the timestamp probes, a slot and an index entry are 256 octets a flow', () => {
    const { words } = new TroubleTable(FLOWS, 1);
    const probes = new TimestampProbes(FLOWS).words;
    expect(SLOT_BYTES + (words.byteLength + probes.byteLength) / FLOWS + 8).toBeLessThanOrEqual(256);
  });

  test('counts few events in the slot, and more in an entry', () => {
    const table = new TroubleTable(16, 1);
    const slots = new Int32Array(4 * SLOT_WORDS);
    for (let i = 0; i < 40; i++)
      for (const what of [T.retransmits, T.dupAcks, T.keepAlives]) table.bumpFew(slots, 2, i & 1, what);
    for (const side of [0, 1])
      for (const what of [T.retransmits, T.dupAcks, T.keepAlives])
        expect(table.count(slots, 2, side, what)).toBe(20);
    expect(table.count(slots, 1, 0, T.retransmits)).toBe(0);
    table.release(slots, 2);
    expect(table.peek(slots, 2, 0)).toBe(-1);
  });

  test('gives an entry of zeros again after its flow', () => {
    const table = new TroubleTable(16, 1);
    const slots = new Int32Array(2 * SLOT_WORDS);
    for (let round = 0; round < 1000; round++) {
      for (let what = 0; what < 16; what++) expect(table.bump(slots, 0, 1, what)).toBe(1);
      table.release(slots, 0);
    }
    expect(table.untracked[0]).toBe(0);
  });

  test('octets stay at their ends', () => {
    const table = new TroubleTable(16, 1);
    const at = table.of(new Int32Array(SLOT_WORDS), 0, 0);
    table.add(at, T.missed, 2 ** 31);
    table.add(at, T.missed, 2 ** 31 - 2);
    expect(table.words[at + T.missed]! >>> 0).toBe(2 ** 32 - 2);
    table.add(at, T.missed, 100);
    expect(table.words[at + T.missed]! >>> 0).toBe(2 ** 32 - 1);
    table.add(at, T.repeated, -1);
    expect(table.words[at + T.repeated]).toBe(0);
  });

  test('when it is full, flows say that their octets are not known, and packets are still counted', () => {
    const m = new TestMeter({ maxFlows: 1024 });
    for (let i = 0; i < 100; i++) {
      const flow = { sport: 40_000 + i, dport: 9000 };
      m.feed({ ...flow, seq: 1, payload: 10 }, 1);
      m.feed({ ...flow, seq: 1, payload: 10 }, 2);
      m.feed({ ...flow, seq: 1, payload: 10 }, 3);
    }
    // Each flow counts once, however many of its events are lost.
    expect(m.table.trouble.untracked[0]).toBe(36);
    const flows = m.finishWhole();
    expect(flows.reduce((n, f) => n + f.packets[0], 0)).toBe(300);
    expect(flows.filter((f) => f.tcp!.repeated[0] === 20 && f.retransmits[0] === 2)).toHaveLength(64);
    expect(flows.filter((f) => f.tcp!.repeated[0] === -1 && f.tcp!.seqBytes[1] === -1)).toHaveLength(36);
    // All are free again.
    m.feed({ sport: 40_001, dport: 9000, seq: 1, payload: 10 }, 3);
    m.feed({ sport: 40_001, dport: 9000, seq: 1, payload: 10 }, 3);
    expect(m.finishWhole().at(-1)!.tcp!.repeated[0]).toBe(10);
  });
});

import { describe, expect, test } from 'vitest';
import {
  bytesOf,
  countPacket,
  flowSeqOf,
  ipBytesOf,
  packetsOf,
  payloadOf,
  setFlowSeq,
} from '../../daemon/flow/counters.ts';
import { F, farOf, NEAR_WORDS, SLOT_WORDS, W } from '../../daemon/flow/slot.ts';

const MAX = 2 ** 48 - 1;

function slab(): Int32Array {
  return new Int32Array(2 * SLOT_WORDS);
}

describe('the counters of a flow', () => {
  test('carry beyond 32 bits, each alone and of its side', () => {
    const words = slab();
    const length = 2 ** 32 - 1;
    for (let i = 0; i < 5; i++) countPacket(words, 1, 1, length, 3_000_000_000, 2_000_000_000);
    countPacket(words, 1, 0, 60, 40, 0);
    expect([0, 1].map((side) => packetsOf(words, 1, side))).toEqual([1, 5]);
    expect([0, 1].map((side) => bytesOf(words, 1, side))).toEqual([60, 5 * length]);
    expect([0, 1].map((side) => ipBytesOf(words, 1, side))).toEqual([40, 15e9]);
    expect([0, 1].map((side) => payloadOf(words, 1, side))).toEqual([0, 10e9]);
    const far = farOf(words, 0);
    for (const other of [words.subarray(0, NEAR_WORDS), words.subarray(far)])
      expect(other.every((word) => word === 0)).toBe(true);
  });

  test('tell the first packet of a side, and no later one though the low bits come round', () => {
    const words = slab();
    expect(countPacket(words, 0, 0, 1, 1, 1)).toBe(true);
    expect(countPacket(words, 0, 0, 1, 1, 1)).toBe(false);
    expect(countPacket(words, 0, 1, 1, 1, 1)).toBe(true);
    words[W.packets0] = -1;
    expect(countPacket(words, 0, 0, 1, 1, 1)).toBe(false);
    expect(countPacket(words, 0, 0, 1, 1, 1)).toBe(false);
    expect(packetsOf(words, 0, 0)).toBe(2 ** 32 + 1);
  });

  test('stay at their end', () => {
    const words = slab();
    words[W.bytes0] = -2;
    words[farOf(words, 0) + F.wide0] = 0xffff << 16;
    countPacket(words, 0, 0, 1, 0, 0);
    expect(bytesOf(words, 0, 0)).toBe(MAX);
    countPacket(words, 0, 0, 1000, 0, 0);
    expect(bytesOf(words, 0, 0)).toBe(MAX);
    expect(packetsOf(words, 0, 0)).toBe(2);
  });

  test.each([0, 2 ** 31, 2 ** 32 + 7, MAX])('the number of a flow comes back: %d', (seq) => {
    const words = slab();
    setFlowSeq(words, 1, seq);
    expect(flowSeqOf(words, 1)).toBe(seq);
  });
});

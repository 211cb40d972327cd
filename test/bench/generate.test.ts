import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type CaptureSpec, captureSize, flowsIn, generateCapture } from '../../bench/generate.ts';
import { flowsOf } from '../support/file-flows.ts';

const folder = mkdtempSync(join(tmpdir(), 'nstap-generate-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SPEC: CaptureSpec = { packets: 5000, flows: 700, frameLen: 500, seed: 42 };

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
}

const SHAPES: [name: string, spec: CaptureSpec, hash: string][] = [
  ['500 octets', SPEC, '8a1a3fd3993eb8b3'],
  ['64 octets', { ...SPEC, frameLen: 64 }, '33f9835576c82c7f'],
  [
    'IMIX, to a number of packets that is no multiple of twelve',
    { ...SPEC, frameLen: 'imix' },
    'fc009a31d4c5f8b6',
  ],
  ['IPv6', { ...SPEC, ipVersion: 6 }, 'fb79bffd759a2629'],
  ['802.1Q', { ...SPEC, isTagged: true }, '3d7a72bb29d26af6'],
  ['sequence numbers that go on', { ...SPEC, isMoving: true }, '5fbf5bb43e40bdac'],
  ['microseconds', { ...SPEC, isMicro: true }, 'e169ea5f764074c2'],
];

test.each(SHAPES)('%s: the same octets for the same seed, of the size that was foretold', (_, spec, hash) => {
  const path = generateCapture(spec, folder);
  expect(statSync(path).size).toBe(captureSize(spec));
  expect(hashOf(path)).toBe(hash);
});

test('another seed gives other octets', () => {
  expect(hashOf(generateCapture({ ...SPEC, seed: 43 }, folder))).not.toBe(SHAPES[0]![2]);
});

test.each(SHAPES)('%s: our decoder finds the packets and the flows', async (_, spec) => {
  const { packets, ipPackets, flows, truncated, error } = await flowsOf(generateCapture(spec, folder));
  expect({ packets, ipPackets, truncated, error }).toEqual({
    packets: spec.packets,
    ipPackets: spec.packets,
    truncated: 0,
    error: null,
  });
  expect(flows.length).toBe(flowsIn(spec));
  expect(new Set(flows.map(({ proto }) => proto))).toEqual(new Set([6, 17]));
  const vlans = new Set(flows.map(({ vlan }) => String(vlan)));
  expect(vlans.size).toBe(spec.isTagged ? 8 : 1);
});

test('only where sequence numbers go on are segments no retransmissions', async () => {
  const retransmits = async (spec: CaptureSpec): Promise<number> =>
    (await flowsOf(generateCapture(spec, folder))).flows.reduce((sum, flow) => sum + flow.retransmits[0]!, 0);
  expect(await retransmits({ ...SPEC, isMoving: true })).toBe(0);
  expect(await retransmits(SPEC)).toBeGreaterThan(1000);
});

test('flows of which no packet was drawn are not counted', () => {
  expect(flowsIn({ ...SPEC, packets: 10, flows: 1000 })).toBe(10);
  expect(flowsIn({ ...SPEC, packets: 5000, flows: 5000 })).toBeLessThan(4000);
});

test('a file that was cut off is written anew, one that is whole is not', () => {
  const path = generateCapture(SPEC, folder);
  const before = statSync(path).ino;
  expect(statSync(generateCapture(SPEC, folder)).ino).toBe(before);
  truncateSync(path, 1000);
  expect(statSync(generateCapture(SPEC, folder)).size).toBe(captureSize(SPEC));
});

test('frames that have no room for their headers are refused', () => {
  expect(() => generateCapture({ ...SPEC, ipVersion: 6, frameLen: 64 }, folder)).toThrow(
    'a frame of 64 octets has no room for 74',
  );
});

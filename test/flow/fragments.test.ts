import { expect, test } from 'vitest';
import { type FrameSpec, frame } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';

const REQUEST: FrameSpec = { proto: 'icmp', sport: 8, dport: 0 };
const REPLY: FrameSpec = { proto: 'icmp', sport: 0, dport: 0, src: '10.0.0.2', dst: '10.0.0.1' };

test('later fragments of a large ping and of its answer are on the one flow', () => {
  const m = new TestMeter();
  m.feed({ ...REQUEST, payload: 16, ipId: 5, moreFragments: true }, 1);
  m.feed({ ...REQUEST, payload: 16, ipId: 5, fragOff: 24 }, 1);
  m.feed({ ...REPLY, payload: 16, ipId: 6, moreFragments: true }, 1);
  m.feed({ ...REPLY, payload: 16, ipId: 6, fragOff: 24 }, 1);
  expect(m.finish().map((r) => [r.src, r.dst, r.packets])).toEqual([['10.0.0.1:8', '10.0.0.2:0', [2, 2]]]);
});

test('a later fragment on another VLAN is not of that datagram', () => {
  const m = new TestMeter();
  m.feed({ proto: 'udp', sport: 1053, vlan: [10], payload: 16, ipId: 7, moreFragments: true }, 1);
  m.feed({ proto: 'udp', vlan: [20], payload: 16, ipId: 7, fragOff: 24 }, 1);
  expect(m.finish().map((r) => [r.vlan, r.src])).toEqual([
    [[10], '10.0.0.1:1053'],
    [[20], '10.0.0.1:0'],
  ]);
});

test('first fragments of one file say nothing about the next file', () => {
  const m = new TestMeter();
  m.feed({ proto: 'udp', sport: 1053, payload: 16, ipId: 7, moreFragments: true }, 1);
  m.finish();
  m.feed({ proto: 'udp', payload: 16, ipId: 7, fragOff: 24 }, 1);
  expect(m.finish().map((r) => r.src)).toEqual(['10.0.0.1:1053', '10.0.0.1:0']);
});

test.each([
  ['within a minute', 30, 1],
  ['after a minute', 61, 2],
])('a later fragment %s, over the end of int32 seconds', (_, after, flows) => {
  const m = new TestMeter();
  const start = 2 ** 31 - 10;
  m.feed({ proto: 'udp', sport: 1053, payload: 16, ipId: 7, moreFragments: true }, start);
  m.feed({ proto: 'udp', payload: 16, ipId: 7, fragOff: 24 }, start + after);
  expect(new Set(m.finish().map((r) => r.src)).size).toBe(flows);
});

/** An IPv6 fragment: fragment header at the end of the unfragmentable part, then what is given. */
function fragment6(next: number, offset: number, more: boolean, body: number[], id = 7): Uint8Array {
  const header = [next, 0, offset >> 8, (offset & 0xf8) | (more ? 1 : 0), 0, 0, 0, id];
  return frame({
    proto: 44,
    src: '2001:db8::1',
    dst: '2001:db8::2',
    payload: Uint8Array.from([...header, ...body]),
  });
}
const DESTINATION_OPTIONS = [17, 0, 1, 4, 0, 0, 0, 0];
const UDP_HEADER = [0x13, 0x88, 0, 53, 0, 40, 0, 0];

test('later IPv6 fragments are on the flow of the first, also with an extension header behind the fragment header', () => {
  const m = new TestMeter();
  m.feed(fragment6(60, 0, true, [...DESTINATION_OPTIONS, ...UDP_HEADER]), 1);
  m.feed(fragment6(60, 16, true, new Array(16).fill(0xaa)), 1);
  m.feed(fragment6(60, 32, false, new Array(8).fill(0xaa)), 1);
  m.feed(fragment6(60, 32, false, new Array(8).fill(0xaa), 8), 1);
  expect(m.finish().map((r) => [r.proto, r.src.slice(-5), r.packets])).toEqual([
    [17, ':5000', [3, 0]],
    [60, '00001', [1, 0]],
  ]);
});

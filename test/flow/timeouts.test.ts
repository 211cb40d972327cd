import { describe, expect, test } from 'vitest';
import { DEFAULT_TIMEOUTS } from '../../daemon/flow/timeouts.ts';
import type { FrameSpec } from '../support/frames.ts';
import { TestMeter } from '../support/meter.ts';

const CLIENT: FrameSpec = { src: '10.0.0.9', sport: 5000, dst: '10.0.0.1', dport: 80 };
const SERVER: FrameSpec = { src: '10.0.0.1', sport: 80, dst: '10.0.0.9', dport: 5000 };
const HANDSHAKE: FrameSpec[] = [
  { ...CLIENT, flags: 'S', seq: 1 },
  { ...SERVER, flags: 'SA', seq: 1, ack: 2 },
  { ...CLIENT, flags: 'A', seq: 2, ack: 2 },
];
const FIN: FrameSpec = { ...CLIENT, flags: 'FA', seq: 2, ack: 2 };

/** Each state has a timeout that no other has. */
const TIMEOUTS = {
  tcpAttempt: 11,
  tcpEstablished: 23,
  tcpHalfClosed: 35,
  tcpClosed: 47,
  tcpReset: 59,
  udpNew: 71,
  udp: 83,
  icmp: 95,
  other: 107,
};

const CASES: [keyof typeof TIMEOUTS, string, FrameSpec[]][] = [
  ['tcpAttempt', 'a SYN without an answer', [{ ...CLIENT, flags: 'S' }]],
  ['tcpEstablished', 'a handshake', HANDSHAKE],
  ['tcpEstablished', 'a connection that was under way', [{ ...CLIENT, flags: 'A' }]],
  ['tcpHalfClosed', 'a FIN of one side', [...HANDSHAKE, FIN]],
  ['tcpClosed', 'a FIN of both sides', [...HANDSHAKE, FIN, { ...SERVER, flags: 'FA', seq: 2, ack: 3 }]],
  ['tcpReset', 'a RST', [...HANDSHAKE, { ...SERVER, flags: 'R', seq: 2 }]],
  [
    'tcpReset',
    'a SYN that was refused',
    [
      { ...CLIENT, flags: 'S' },
      { ...SERVER, flags: 'RA' },
    ],
  ],
  ['udpNew', 'a datagram', [{ ...CLIENT, proto: 'udp' }]],
  [
    'udp',
    'a datagram and its answer',
    [
      { ...CLIENT, proto: 'udp' },
      { ...SERVER, proto: 'udp' },
    ],
  ],
  ['udpNew', 'UDP-Lite', [{ ...CLIENT, proto: 136 }]],
  ['icmp', 'an echo', [{ proto: 'icmp', sport: 8, dport: 0 }]],
  ['icmp', 'an ICMPv6 echo', [{ proto: 58, src: 'fd00::1', dst: 'fd00::2', sport: 128, dport: 0 }]],
  ['other', 'ESP', [{ proto: 50, payload: 20 }]],
];

describe('idle timeouts', () => {
  test.each(CASES)('%s after %s', (name, _, packets) => {
    const m = new TestMeter({ timeouts: TIMEOUTS });
    for (const spec of packets) m.feed(spec, 1000);
    const seconds = TIMEOUTS[name];
    for (let sec = 1000; sec < 1000 + seconds; sec++) m.table.tick(sec);
    expect(m.records()).toEqual([]);
    m.table.tick(1000 + seconds);
    expect(m.records()).toHaveLength(1);
  });

  test('a flow does not end before all of its timeout has passed, though the clock counts whole seconds', () => {
    const m = new TestMeter({ timeouts: TIMEOUTS });
    const datagram: FrameSpec = { ...CLIENT, proto: 'udp' };
    m.feed(datagram, 1000, 900_000_000);
    m.feed(datagram, 1071, 100_000_000);
    m.feed(datagram, 1142, 99_999_999);
    expect(m.records()).toEqual([]);
    m.feed(datagram, 1214, 0);
    expect(m.records().map((r) => [r.reason, r.packets])).toEqual([['idle', [3, 0]]]);
  });

  test('every state has a default, and a case here', () => {
    expect(Object.keys(TIMEOUTS)).toEqual(Object.keys(DEFAULT_TIMEOUTS));
    expect(new Set(CASES.map(([name]) => name))).toEqual(new Set(Object.keys(DEFAULT_TIMEOUTS)));
  });
});

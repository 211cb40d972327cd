import { expect, test } from 'vitest';
import { isSame, plain } from './same.ts';

const EXACT = { isLive: false, isAbout: false, isUnordered: false };
const LIVE = { isLive: true, isAbout: false, isUnordered: false };
const ABOUT = { isLive: true, isAbout: true, isUnordered: false };

/** When an experiment began, and from when to when it went. */
const BEGUN = '2026-11-26 06:26:10.678';
const SPAN = `${BEGUN}  2026-11-26 06:26:16.107`;

test.each([
  ['29 packets in 0.237 s (122 packets/s)', '29 packets in 1.002 s (29 packets/s)', true],
  ['"elapsed_s": 0.2,', '"elapsed_s": 1e-7,', true],
  ['29 packets in 0.237 s (122 packets/s)', '28 packets in 0.237 s (122 packets/s)', false],
  ['2026-11-23 22:29:36.298', '2026-11-23 22:29:36.299', false],
  ['a  b', 'a b', false],
  ['a…c', 'abc', true],
  ['a…c', 'abd', false],
  ['a.c', 'abc', false],
])('of a replay, %j and %j: %s', (shown, printed, same) => {
  expect(isSame([shown], [printed], EXACT)).toBe(same);
});

test.each([
  ['2026-11-26 03:10:25.672    0.209s  icmp', '2026-11-27 13:10:25.001  12.5s icmp', true],
  ['2026-11-26T03:10:25.672000000Z', '2026-11-27T03:10:25.000000001Z', true],
  ['10.1.0.2:32951 -> 10.2.0.2:8900', '10.1.0.2:60001 -> 10.2.0.2:8900', true],
  ['10.1.0.2.32951 > 10.2.0.2.8900:', '10.1.0.2.43210 > 10.2.0.2.8900:', true],
  ['"src_port": 41234,', '"src_port": 51234,', true],
  ['10.1.0.2:32951 -> 10.2.0.2:8900', '10.1.0.2:32951 -> 10.2.0.2:8901', false],
  ['10.1.0.2:32951', '10.1.0.2:1024', false],
  ['link/ether 9a:1b:00:00:00:01', 'link/ether fe:1b:00:00:00:01', true],
  ['red  (4:4026532177)', 'red (4:4026533000)', true],
  ['time=0.072 ms', 'time=1.1 ms', true],
  [
    'curl: (28) Connection timed out after 300 milliseconds',
    'curl: (28) Connection timeout after 300 ms',
    true,
  ],
  ['curl: (28) Connection timed out after 300 milliseconds', 'curl: (28) Connection timeout', false],
  ['a  5.430s  all', 'a  12m05s  all', true],
  ['a  850us  all', 'a  3h07m  all', true],
  ['a  5.430s  all', 'a  5.430  all', false],
  ['tcp a -> b  SF  12  1.1k  red/v0', 'tcp a -> b  SF  11  996  red/v0', true],
  ['tcp a -> b  SF  12  1.1k  red/v0', 'tcp a -> b  SF  11  996  red/v1', false],
  ['tcp a -> b  REJ  2  128  red/v0', 'tcp a -> b  REJ  3  128  red/v0', false],
  ['udp a -> b  SF  2  158  red/v0', 'udp a -> b  SF  3  158  red/v0', false],
  [`web  ${SPAN}  5.430s  all  8  96  8.1k`, `web  ${SPAN}  12.1s  all  8  100  8.4k`, true],
  [
    `web  ${BEGUN}  running  5.430s  all  8  96  8.1k`,
    `web  ${BEGUN}  running  9.0s  all  8  100  8.4k`,
    true,
  ],
  [`web  ${SPAN}  5.430s  all  8  96  8.1k`, `web  ${SPAN}  5.430s  all  7  96  8.1k`, false],
  [`web  ${SPAN}  5.430s  all  8  96  8.1k`, `web  ${SPAN}  5.430s  red  8  96  8.1k`, false],
  [`web  ${SPAN}  5.430s  all  8  96  8.1k`, `db  ${SPAN}  5.430s  all  8  96  8.1k`, false],
  [`web  ${SPAN}  5.430s  all  8  96  8.1k`, `web  ${SPAN}  5.430s  all  8  0  0`, false],
  [`web  ${SPAN}  5.430s  all  0  0  0`, `web  ${SPAN}  5.430s  all  0  2  128`, false],
  [`web  ${SPAN}  5.430s  all  8  96  8.1k`, `web  ${BEGUN}  running  5.430s  all  8  96  8.1k`, false],
  ['10.2.0.2  8900  3  49  204k', '10.2.0.2  8900  3  50  204k', false],
  ['packets 1234', 'packets 1235', false],
  ['10.1.0.2', '10.1.0.3', false],
  ['SF 10 846', 'S1 10 846', false],
])('of live packets, %j and %j: %s', (shown, printed, same) => {
  expect(isSame([shown], [printed], LIVE)).toBe(same);
});

test('of a block that is about so, numbers may differ, and addresses may not', () => {
  expect(isSame(['10.1.0.2  5  1.2k  33%'], ['10.1.0.2  7  900  1%'], ABOUT)).toBe(true);
  expect(isSame(['10.1.0.2  5'], ['10.1.0.3  5'], ABOUT)).toBe(false);
  expect(isSame(['{"a":79.79,"b":1}'], ['{"a":80,"b":2}'], ABOUT)).toBe(true);
  expect(isSame(['{"a":79.79}'], ['{"a":null}'], ABOUT)).toBe(false);
  expect(isSame(['["a",1,1,12]'], ['["a",2,1,9]'], ABOUT)).toBe(true);
  expect(isSame(['["a",1,1,12]'], ['["a",2,1]'], ABOUT)).toBe(false);
  expect(isSame(['19,703 bytes, 1,024'], ['999 bytes, 12,000,000'], ABOUT)).toBe(true);
  expect(isSame(['[0.25]'], ['[2.5e-7]'], ABOUT)).toBe(true);
});

test('an ellipsis on a line of its own is any number of lines', () => {
  expect(isSame(['a', '…', 'd'], ['a', 'd'], EXACT)).toBe(true);
  expect(isSame(['a', '…', 'd'], ['a', 'b', 'c', 'd'], EXACT)).toBe(true);
  expect(isSame(['a', '…'], ['a', 'b', 'c'], EXACT)).toBe(true);
  expect(isSame(['a', '…', 'd'], ['a', 'b', 'c'], EXACT)).toBe(false);
  expect(isSame([], ['a'], EXACT)).toBe(false);
  expect(isSame(['a'], [], EXACT)).toBe(false);
});

test('addresses stay as they are', () => {
  const line = 'default via 10.1.0.1 dev to-router table 100, 10.66.0.0/16, 2001:db8::1';
  expect(plain(line, LIVE)).toBe(line);
});

test('lines in another order are the same where that is asked for', () => {
  expect(isSame(['a', 'b'], ['b', 'a'], EXACT)).toBe(false);
  expect(isSame(['a', 'b'], ['b', 'a'], { ...EXACT, isUnordered: true })).toBe(true);
  expect(isSame(['a', 'b'], ['b', 'b'], { ...EXACT, isUnordered: true })).toBe(false);
});

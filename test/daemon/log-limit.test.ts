import { expect, test } from 'vitest';
import { LogLimit } from '../../daemon/log-limit.ts';
import { createLogger, tellHeldBack } from '../../daemon/logger.ts';

test('so many of a key in a window are let through, and the next one tells of the others', () => {
  let now = 0;
  const limit = new LogLimit(2, 100, () => now);
  expect([1, 2, 3, 4].map(() => limit.admit('a'))).toEqual([0, 0, null, null]);
  expect(limit.admit('b')).toBe(0);
  now = 100;
  expect([1, 2, 3].map(() => limit.admit('a'))).toEqual([2, 0, null]);
  expect(limit.expired()).toEqual(new Map());
  now = 250;
  expect(limit.expired()).toEqual(new Map([['a', 1]]));
  expect(limit.expired()).toEqual(new Map());
  expect(limit.admit('a')).toBe(0);
  limit.admit('a');
  limit.forget('a');
  expect(limit.admit('a')).toBe(0);
});

test('it remembers a bounded number of keys', () => {
  const limit = new LogLimit(1, 1e9, () => 0);
  for (let i = 0; i < 20_000; i++) limit.admit(String(i));
  expect(limit.admit('19999')).toBeNull();
  expect(limit.admit('0')).toBe(0);
});

test('the log holds back lines of one event and object, and tells how many', () => {
  let now = 0;
  const lines: Record<string, unknown>[] = [];
  const limit = new LogLimit(2, 100, () => now);
  const log = createLogger('engine', 'debug', { write: (line) => lines.push(JSON.parse(line)) }, limit);
  const fail = (name: string): void =>
    log.warn({ event: 'capture-failed', netns: 'a', interface: name }, 'it failed');
  for (let i = 0; i < 5; i++) fail('v0');
  fail('v1');
  for (let i = 0; i < 5; i++) log.debug({ event: 'capture-failed', netns: 'a', interface: 'v0' }, 'debug');
  for (let i = 0; i < 5; i++) log.fatal({ event: 'engine-failed' }, 'fatal');
  expect(lines.map(({ level, interface: name }) => `${level} ${name}`)).toEqual([
    'warn v0',
    'warn v0',
    'warn v1',
    ...new Array(5).fill('debug v0'),
    ...new Array(5).fill('fatal undefined'),
  ]);
  now = 100;
  fail('v0');
  expect(lines.at(-1)).toMatchObject({
    event: 'capture-failed',
    interface: 'v0',
    heldBack: 3,
    msg: 'it failed',
  });
  fail('v0');
  fail('v0');
  now = 200;
  tellHeldBack(log, limit);
  expect(lines.at(-1)).toMatchObject({
    level: 'warn',
    event: 'log-limited',
    of: 'capture-failed',
    netns: 'a',
    interface: 'v0',
    heldBack: 1,
  });
});

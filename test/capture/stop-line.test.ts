import { describe, expect, test } from 'vitest';
import { createStopLine, drawStopLine, StopLine } from '../../daemon/capture/stop-line.ts';

function lines(threads: number): [SharedArrayBuffer, StopLine[]] {
  const shared = createStopLine(threads);
  return [shared, Array.from({ length: threads }, (_, i) => new StopLine(shared, i))];
}

/** Pieces that a thread can still begin, at most `most`. */
function rest(line: StopLine, most = 100): number {
  let pieces = 0;
  while (pieces < most && !line.isReached()) pieces++;
  return pieces;
}

describe('a line at which threads stop', () => {
  test('is not there until it is drawn', () => {
    const [, [a]] = lines(2);
    expect(rest(a!)).toBe(100);
  });

  test('lies behind the last piece that any of them has begun', () => {
    const [shared, [a, b, c]] = lines(3);
    expect([rest(a!, 3), rest(b!, 7)]).toEqual([3, 7]);
    drawStopLine(shared);
    expect([rest(a!), rest(b!), rest(c!)]).toEqual([4, 0, 7]);
    drawStopLine(shared);
    expect([rest(a!), rest(b!), rest(c!)]).toEqual([0, 0, 0]);
  });

  test('lies before everything when it is drawn before anything was begun', () => {
    const [shared, [a, b]] = lines(2);
    drawStopLine(shared);
    expect([rest(a!), rest(b!)]).toEqual([0, 0]);
  });
});

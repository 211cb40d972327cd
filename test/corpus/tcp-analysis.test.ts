import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { flowsOf } from '../support/file-flows.ts';
import { corpus } from '../support/truth.ts';
import { ANALYSIS, compareAnalysis, flowsOfPair, ourAnalysis, tsharkAnalysis } from './tcp-analysis.ts';
import { isWithoutHandshake, TCP_EXCEPTIONS } from './tcp-exceptions.ts';

const files = corpus().filter(({ truth }) => truth.tshark_error === undefined && truth.outer.tcp > 0);
const missing =
  files.length === 0
    ? ' (needs ../shared/pcaps)'
    : spawnSync('tshark', ['--version']).status !== 0
      ? ' (needs tshark)'
      : '';

describe.skipIf(missing !== '')(`the TCP analysis of every shared capture${missing}`, () => {
  const seen = new Array<number>(ANALYSIS.length).fill(0);
  let rtts = 0;

  describe.concurrent('agrees with tshark, direction by direction, or is excepted with a reason', () => {
    test.each(files)('$name', async ({ name, path, truth }) => {
      const theirs = await tsharkAnalysis(path);
      const { flows } = await flowsOf(path);
      for (const row of theirs.counts.values()) for (const [i, n] of row.entries()) seen[i]! += n;
      rtts += theirs.rtts.size;
      const differences = compareAnalysis(ourAnalysis(flows), theirs)
        .filter((d) => !isWithoutHandshake(d, flowsOfPair(flows, d.key)))
        // No time of such a capture means anything.
        .filter((d) => d.what !== 'initial_rtt' || truth.ts_invalid === 0);
      const excepted = (TCP_EXCEPTIONS[name] ?? []).map(({ why: _, ...difference }) => difference);
      expect(differences.map(rounded)).toEqual(expect.arrayContaining(excepted));
      expect(differences.map(rounded)).toHaveLength(excepted.length);
    });
  });

  test('each exception is of one of them, and each count came up', () => {
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(TCP_EXCEPTIONS)));
    for (const [i, name] of ANALYSIS.entries()) expect(seen[i], name).toBeGreaterThan(0);
    expect(rtts).toBeGreaterThan(300);
  });
});

function rounded<T extends { got: number | null; want: number | null }>(difference: T): T {
  const round = (n: number | null): number | null => (n === null ? null : Math.round(n));
  return { ...difference, got: round(difference.got), want: round(difference.want) };
}
